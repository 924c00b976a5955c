"""Find again the part of a text that a model was trained or judged on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.paths import default_cache
from lstm_textgen.text.encode import EncodedText, encode_with
from lstm_textgen.text.source import Source
from lstm_textgen.text.streams import with_context


def read_part(
    model: Checkpoint, source: Source, split: str | None, **progress: Any
) -> NDArray[np.unsignedinteger[Any]]:
    """
    Read a text as a model reads it, and find a part of it, as `part_of` does.

    Args:
        model: Its vocabulary, and what it was trained on.
        source: The text.
        split: `train`, `validation` or `test`; None for the whole of any text.
        progress: As for `encode_with`.

    Raises:
        ConfigError, CorpusError: As `part_of`.
        VocabularyError: The text has a character that the model does not know.
    """
    tokenizer, encoding = model.tokenizer, model.training.encoding
    cache = default_cache()
    text = encode_with(source, tokenizer, encoding, cache=cache, **progress)
    return part_of(text, model.training, split)


def part_of(
    text: EncodedText, training: TrainingRecord, split: str | None
) -> NDArray[np.unsignedinteger[Any]]:
    """
    The ids of one part of the text that a model was trained on, and the one before.

    That one predicts the first character of the part, so that all are counted.

    Args:
        text: The text as it is now.
        training: What the checkpoint says of its text.
        split: `train`, `validation` or `test`; None for the whole of any text.

    Raises:
        ConfigError: There is no part of that name.
        CorpusError: It is another text, or the part is empty.
    """
    if split is None:
        return text.ids
    parts = {
        "train": (training.train_start, training.train_stop),
        "validation": (training.validation_start, training.validation_stop),
        "test": (training.test_start, training.test_stop),
    }
    if split not in parts:
        raise ConfigError(
            f"There is no split {split!r}.", f"Choose one of {', '.join(parts)}."
        )
    if text.sha256 != training.sha256:
        raise CorpusError(
            f"The text {text.name!r} is not the one that this model was trained on "
            f"({training.corpus!r}): sha256 {text.sha256[:12]}..., "
            f"not {training.sha256[:12]}....",
            "Give the same text, or leave --split out to read all of this one.",
        )
    start, stop = parts[split]
    if start == stop:
        raise CorpusError(
            f"This model has no {split} part.",
            "Leave --split out, or train with a share for it.",
        )
    return text.ids[with_context((start, stop))]
