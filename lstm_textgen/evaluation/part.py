"""The part of a text that a checkpoint's record of training refers to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.paths import default_cache
from lstm_textgen.text.encode import EncodedText, encode_with
from lstm_textgen.text.source import Source
from lstm_textgen.text.split import with_context
from lstm_textgen.text.tokenizer import Tokenizer


def read_part(
    tokenizer: Tokenizer,
    training: TrainingRecord,
    source: Source,
    split: str | None,
    **progress: Any,
) -> NDArray[np.unsignedinteger[Any]]:
    """
    Encode a text with the vocabulary of a model, and take a part of it: `part_of`.

    Args:
        tokenizer: The vocabulary of the model.
        training: Its record of training.
        source: The text.
        split: `train`, `validation` or `test`; None for the whole of any text.
        progress: As for `encode_with`.

    Raises:
        ConfigError, CorpusError: As `part_of`.
        VocabularyError: The text has a character that the model does not know.
    """
    text = encode_with(
        source, tokenizer, training.encoding, cache=default_cache(), **progress
    )
    return part_of(text, training, split)


def part_of(
    text: EncodedText, training: TrainingRecord, split: str | None
) -> NDArray[np.unsignedinteger[Any]]:
    """
    The ids of one part of the text that a model was trained on, and the one before.

    That one predicts the first character of the part, so that all are counted.

    Args:
        text: The text as it is now.
        training: The record of training of the model.
        split: `train`, `validation` or `test`; None for the whole of any text.

    Raises:
        ConfigError: There is no part of that name.
        CorpusError: It is another text, or the part is empty.
    """
    if split is None:
        return text.ids
    parts = training.parts
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
