"""The record of training."""

import dataclasses
import json

import pytest

from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import ConfigError

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
