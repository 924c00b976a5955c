"""Which runs and models there are."""

import os

import pytest

from lstm_textgen.checkpoint.format import save_checkpoint
from lstm_textgen.runs.listing import list_models


@pytest.fixture
def folder(tmp_path, checkpoint):
    """A run, a run without a model, a model, a damaged one, and other things."""
    folder = tmp_path / "here"
    for run in ("book", "unborn"):
        (folder / run).mkdir(parents=True)
        (folder / run / "run.json").write_text("{}")
    (folder / "empty").mkdir()
    save_checkpoint(folder / "book" / "model.safetensors", checkpoint)
    save_checkpoint(folder / "loose.safetensors", checkpoint)
    (folder / "bad.safetensors").write_text("no model")
    (folder / ".arriving.part").mkdir()
    save_checkpoint(folder / ".arriving.part" / "model.safetensors", checkpoint)
    (folder / "notes.txt").write_text("no model either")
    (folder / "link.safetensors").symlink_to(folder / "loose.safetensors")
    for age, name in enumerate(("book/model.safetensors", "loose.safetensors")):
        os.utime(folder / name, ns=(0, (2**40 - age) * 10**9))
    return folder


@pytest.fixture
def entries(folder):
    """The list by the names in the folder."""
    return {
        entry.name.removeprefix(f"{folder}/"): entry for entry in list_models(folder)
    }


def test_runs_and_models_come_newest_first(entries):
    """And then those that came with the package."""
    newest = ["book", "link.safetensors", "loose.safetensors"]
    assert list(entries)[:3] == newest
    assert set(entries) == {
        *("book", "loose.safetensors", "bad.safetensors", "unborn", "link.safetensors"),
        *("shakespeare", "fables"),
    }
    assert {entries[name].kind for name in ("shakespeare", "fables")} == {"bundled"}
    assert (entries["book"].kind, entries["loose.safetensors"].kind) == ("run", "file")


def test_what_cannot_be_read_says_why(entries):
    """The other entries of the list come all the same."""
    assert "not a checkpoint" in entries["bad.safetensors"].problem
    assert "no model was saved" in entries["unborn"].problem
    assert entries["bad.safetensors"].header is entries["unborn"].header is None


def test_a_card_says_what_the_model_is_without_its_weights(folder, checkpoint):
    """A list of large models comes at once."""
    book = list_models(folder)[0]

    assert book.header.model == checkpoint.model
    assert book.header.training == checkpoint.training
    assert book.header.tensors == {}
    assert book.size_bytes == (folder / "book/model.safetensors").stat().st_size
    assert book.folder_bytes == book.size_bytes + len("{}")


def test_nothing_is_there_but_the_bundled_models(tmp_path):
    """A folder that does not exist is no error."""
    assert {entry.kind for entry in list_models(tmp_path / "none")} == {"bundled"}
