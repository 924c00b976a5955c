"""The last step of a pull: a folder appears whole, or nothing of it does."""

import errno
import os

import pytest
import torch

from lstm_textgen.checkpoint.format import save_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.hub.pull import pull_model
from lstm_textgen.model.weights import to_checkpoint
from lstm_textgen.remote import client as under_test
from lstm_textgen.remote.client import CachedFile
from lstm_textgen.remote.repository import FILES, Repository
from lstm_textgen.text.tokenizer import CharTokenizer

BOOK = Repository("alice/book")


@pytest.fixture
def cache(tmp_path, make_model, monkeypatch):
    """A cache that holds all three files, which is where they come from."""
    cache = tmp_path / "cache" / ("ab" * 20)
    cache.mkdir(parents=True)
    model = make_model(3, dtype=torch.float32)
    checkpoint = to_checkpoint(model, CharTokenizer("abc"), TrainingRecord())
    save_checkpoint(cache / "model.safetensors", checkpoint)
    (cache / "config.json").write_text("{}")
    (cache / "README.md").write_text("# book")

    def download_file(repository, name, *, cap_bytes):
        return CachedFile(path=cache / name, is_new=False)

    monkeypatch.setattr(under_test, "download_file", download_file)
    return cache


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_disk_that_fills_half_way_leaves_the_folder_empty(
    cache, tmp_path, monkeypatch
):
    """
    So that the same command can be run again.

    Page and settings once stayed, and were then refused as somebody else's.
    """
    place = tmp_path / "place"
    place.mkdir()
    replace = os.replace

    def full(source, target):
        if target == place / "model.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(StorageError, match="No space"):
            pull_model(BOOK, place)

    assert left(place) == []
    assert left(tmp_path) == ["cache", "place"]
    assert pull_model(BOOK, place).path.exists()
    assert left(place) == sorted(FILES)


@pytest.mark.parametrize("is_there", [True, False])
def test_what_comes_into_the_folder_meanwhile_stays(
    cache, tmp_path, monkeypatch, is_there
):
    """A fetch takes its time; the place is looked at again."""
    place = tmp_path / "place"
    if is_there:
        place.mkdir()
    download_file = under_test.download_file

    def slow(repository, name, *, cap_bytes):
        place.mkdir(exist_ok=True)
        (place / "diary.txt").write_text("mine")
        return download_file(repository, name, cap_bytes=cap_bytes)

    monkeypatch.setattr(under_test, "download_file", slow)

    with pytest.raises(OutputError, match="holds something else"):
        pull_model(BOOK, place)
    assert left(place) == ["diary.txt"]


def test_a_folder_that_comes_at_the_last_moment(cache, tmp_path, monkeypatch):
    """The place is taken, which is not the disk's fault."""
    place = tmp_path / "place"
    rename = os.rename

    def late(source, target):
        target.mkdir()
        (target / "diary.txt").write_text("mine")
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)

    with pytest.raises(OutputError, match="place"):
        pull_model(BOOK, place)
    assert left(place) == ["diary.txt"]
    assert left(tmp_path) == ["cache", "place"]
