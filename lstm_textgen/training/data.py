"""What a run reads: the streams that it trains on, and the parts that are held out."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.split import with_context
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.spec import RunSpec

Ids = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingData:
    """The parts of a text that a run reads."""

    streams: Streams
    held_out: Ids
    """With the id before it; fewer than 2 for no held-out text."""
    calibration: Ids = field(default_factory=lambda: np.empty(0, np.uint8))
    """Ids that no step reads, with the one before them; fewer than 2 for none."""
    begins: Bool[np.ndarray, " V"] | None = None
    """Which ids begin a character, as `Tokenizer.begins`."""

    @classmethod
    def of(cls, spec: RunSpec, text: EncodedText) -> "TrainingData":
        """
        Raises:
            CorpusError: There are fewer than two ids to train on.
            ConfigError: There are more streams than ids.
        """
        config = spec.config
        return cls(
            streams=Streams(
                ids=text.ids[slice(*spec.split.train)],
                calibration=spec.calibration,
                streams=config.optimizer.streams,
                window=config.optimizer.window,
                seed=config.seed,
            ),
            held_out=text.ids[with_context(spec.split.validation)],
            calibration=text.ids[with_context(spec.calibration)],
            begins=text.tokenizer.begins,
        )
