"""Every format that there ever was is read, and can be brought to the newest."""

import json
from pathlib import Path

import pytest

from lstm_textgen.checkpoint import format, migrating, version
from lstm_textgen.checkpoint.format import describe, load_checkpoint
from lstm_textgen.checkpoint.migrating import migrate
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import OutputError
from lstm_textgen.sampling.writer import Writer

GOLDEN = Path(__file__).with_name("golden")
VERSIONS = range(1, version.FORMAT + 1)


def golden(number):
    """A file of that format, written when it was the newest, and what it said then."""
    told = json.loads((GOLDEN / f"format-{number}.json").read_text(encoding="utf-8"))
    return GOLDEN / f"format-{number}.safetensors", told


@pytest.fixture
def tomorrow(monkeypatch):
    """A program whose newest format is one further, and says nothing new."""
    for module in (format, migrating, version):
        monkeypatch.setattr(module, "FORMAT", version.FORMAT + 1)


def test_every_format_has_its_golden_file():
    """A new format comes with a file of its own; the old ones stay as they are."""
    names = {path.name for path in GOLDEN.glob("*.safetensors")}

    assert names == {f"format-{number}.safetensors" for number in VERSIONS}


@pytest.mark.parametrize("number", VERSIONS)
def test_a_golden_file_says_what_it_always_said(number):
    """Settings, vocabulary, record, and the text that its weights write."""
    path, told = golden(number)
    config = SampleConfig(seed=told["seed"])

    about = describe(load_checkpoint(path))
    text = Writer.load(path).write(
        told["prompt"], length=len(told["text"]), config=config
    )

    # what records tell since then is empty in an old one
    assert TrainingRecord(**told["about"]["training"]) == TrainingRecord(
        **about["training"]
    )
    told["about"]["training"] = about["training"]
    assert {k: about[k] for k in told["about"]} == told["about"]
    assert text == told["text"]


@pytest.mark.parametrize("number", VERSIONS)
def test_what_is_not_older_stays_as_it_is(tmp_path, number):
    """Nothing is written where there is nothing to do."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(golden(number)[0].read_bytes())

    was, kept = migrate(path)

    assert was == number
    assert (kept is None) == (number == version.FORMAT)


def test_an_older_file_becomes_a_new_one(tmp_path, tomorrow):
    """The old one stays beside it, bit for bit, and both write the same text."""
    old, told = golden(1)
    path = tmp_path / "book.safetensors"
    path.write_bytes(old.read_bytes())

    was, kept = migrate(path)

    assert (was, kept) == (1, tmp_path / "book.format-1.safetensors")
    assert kept.read_bytes() == old.read_bytes()
    with open_container(path, format.MODEL) as container:
        assert container.metadata["format"] == version.FORMAT
    texts = [
        Writer.load(each).write(told["prompt"], length=30) for each in (path, kept)
    ]
    assert texts[0] == texts[1]


def test_the_old_file_takes_no_name_from_another_one(tmp_path, tomorrow):
    """Then neither of them is touched."""
    path, taken = tmp_path / "book.safetensors", tmp_path / "book.format-1.safetensors"
    path.write_bytes(golden(1)[0].read_bytes())
    taken.write_text("mine")

    with pytest.raises(OutputError, match="there already"):
        migrate(path)

    assert taken.read_text() == "mine"
    assert path.read_bytes() == golden(1)[0].read_bytes()
