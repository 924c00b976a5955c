"""The record of training, and the part of a text that it refers to."""

import dataclasses
import json

import numpy as np
import pytest

from lstm_textgen.checkpoint.record import TrainingRecord, part_of
from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.streams import split_text
from lstm_textgen.text.tokenizer import ByteTokenizer

WHOLE = TrainingRecord(
    corpus="fables", characters=100, train_stop=90, validation_start=90,
    validation_stop=100, epochs=1.5, validation_nats_per_char=1.25,
    calibration_start=40, calibration_stop=50, temperature=1.25,
)  # fmt: skip


@pytest.mark.parametrize("record", [TrainingRecord(), WHOLE])
def test_json_both_ways(record):
    """A record comes back from its JSON; one without a corpus does, too."""
    assert from_json(TrainingRecord, json.loads(json.dumps(to_json(record)))) == record


@pytest.mark.parametrize(
    "change",
    [
        {"steps": -1},
        {"seed": 2**63},
        {"epochs": float("inf")},
        {"seconds": float("nan")},
        {"validation_nats_per_char": -0.5},
        {"validation_start": 89},
        {"validation_stop": 101},
        {"train_start": 91},
        {"calibration_stop": 91},
        {"train_start": 41},
        {"calibration_start": 51},
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"test_start": 10, "test_stop": 20},
        {"characters": 99},
        {"corpus": "a\0b"},
        {"encoding": "\ud800"},
        {"encoding": "x" * 10_001},
    ],
    ids=str,
)
def test_what_is_out_of_range(change):
    """Negative and endless numbers, parts that overlap, texts that cannot be kept."""
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(WHOLE, **change)

    assert caught.value.problem
    assert caught.value.remedy


def test_an_empty_part_may_stand_anywhere():
    """A test part from 0 to 0, or from the end to the end, is simply none."""
    for place in (0, 50, 100):
        dataclasses.replace(WHOLE, test_start=place, test_stop=place)


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
