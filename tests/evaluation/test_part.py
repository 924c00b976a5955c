"""The part of a text that a record of training refers to."""

import numpy as np
import pytest

from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.evaluation.part import part_of
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.split import split_text
from lstm_textgen.text.tokenizer import ByteTokenizer


def encoded(sha256="ab" * 32):
    return EncodedText(
        name="book",
        ids=np.arange(100, dtype=np.uint8),
        tokenizer=ByteTokenizer(),
        characters=100,
        sha256=sha256,
        notes=(),
    )


def trained(*, test=0.2):
    """What a checkpoint says of a text of 100 ids, cut by position."""
    split = split_text(100, 0.1, test)
    return TrainingRecord(
        corpus="book",
        characters=100,
        sha256="ab" * 32,
        train_start=split.train[0],
        train_stop=split.train[1],
        validation_start=split.validation[0],
        validation_stop=split.validation[1],
        test_start=split.test[0],
        test_stop=split.test[1],
    )


@pytest.mark.parametrize(
    ("split", "start", "stop"),
    [("train", 0, 70), ("validation", 69, 80), ("test", 79, 100), (None, 0, 100)],
)
def test_parts_are_found_by_position(split, start, stop):
    """Each part comes with the id before it, so that all of its own are predicted."""
    ids = part_of(encoded(), trained(), split)

    assert ids.tolist() == list(range(start, stop))


def test_any_text_is_read_whole():
    """Without a split the text may be another one."""
    assert len(part_of(encoded("cd" * 32), trained(), None)) == 100


def test_an_unknown_split_is_refused():
    """The error names the split that was asked for, and those that there are."""
    with pytest.raises(ConfigError, match="'dev'") as caught:
        part_of(encoded(), trained(), "dev")

    assert "train, validation, test" in caught.value.remedy


def test_another_text_is_refused():
    """A split of a text with another fingerprint would be a false comparison."""
    with pytest.raises(CorpusError, match=r"cdcdcdcdcdcd.*not abababababab") as caught:
        part_of(encoded("cd" * 32), trained(), "validation")

    assert "--split" in caught.value.remedy


def test_an_empty_part_is_refused():
    """A model that held nothing out has no such part to read."""
    with pytest.raises(CorpusError, match="no test part"):
        part_of(encoded(), trained(test=0.0), "test")
