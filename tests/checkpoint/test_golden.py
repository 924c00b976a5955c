"""Every format that there ever was is read."""

import json
from pathlib import Path

import pytest

from lstm_textgen.checkpoint import format as version
from lstm_textgen.checkpoint.format import load_checkpoint, to_metadata
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import SampleConfig, to_json
from lstm_textgen.sampling.writer import Writer

GOLDEN = Path(__file__).with_name("golden")
VERSIONS = range(1, version.FORMAT + 1)


def golden(number):
    """A file of that format, written when it was the newest, and what it said then."""
    told = json.loads((GOLDEN / f"format-{number}.json").read_text(encoding="utf-8"))
    return GOLDEN / f"format-{number}.safetensors", told


def test_every_format_has_its_golden_file():
    """A new format comes with a file of its own; the old ones stay as they are."""
    names = {path.name for path in GOLDEN.glob("*.safetensors")}

    assert names == {f"format-{number}.safetensors" for number in VERSIONS}


@pytest.mark.parametrize("number", VERSIONS)
def test_a_golden_file_says_what_it_always_said(number):
    """Settings, vocabulary, record, and the text that its weights write."""
    path, told = golden(number)
    config = SampleConfig(seed=told["seed"])

    about = to_metadata(load_checkpoint(path))
    text = Writer.load(path).generate(
        told["prompt"], length=len(told["text"]), config=config
    )

    # fields added since then have their defaults
    defaults = to_json(TrainingRecord())
    told["about"]["training"] = defaults | told["about"]["training"]
    assert {k: about[k] for k in told["about"]} == told["about"]
    assert text == told["text"]
