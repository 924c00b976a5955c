"""The last step of a pull: a folder appears whole, or not at all."""

import errno
import os

import pytest

from lstm_textgen.checkpoint.format import save_checkpoint
from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.hub.pull import pull_model
from lstm_textgen.remote import client
from lstm_textgen.remote.client import CachedFile
from lstm_textgen.remote.repository import FILES, Repository
from tests.loopback import names_in

BOOK = Repository("alice/book")


@pytest.fixture
def cache(tmp_path, checkpoint, monkeypatch):
    """A cache that holds all three files already."""
    cache = tmp_path / "cache" / ("ab" * 20)
    cache.mkdir(parents=True)
    save_checkpoint(cache / "model.safetensors", checkpoint)
    (cache / "config.json").write_text("{}")
    (cache / "README.md").write_text("# book")

    def download_file(repository, name, *, cap_bytes):
        return CachedFile(path=cache / name, is_new=False)

    monkeypatch.setattr(client, "download_file", download_file)
    return cache


def test_a_disk_that_fills_half_way_leaves_the_folder_empty(
    cache, tmp_path, monkeypatch
):
    """
    So that the same command can be run again.

    Card and settings once stayed, and were then refused as somebody else's.
    """
    folder = tmp_path / "folder"
    folder.mkdir()
    replace = os.replace

    def fail(source, target):
        if target == folder / "model.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(StorageError):
            pull_model(BOOK, folder)

    assert names_in(folder) == []
    assert names_in(tmp_path) == ["cache", "folder"]
    assert pull_model(BOOK, folder).path.exists()
    assert names_in(folder) == sorted(FILES)


@pytest.mark.parametrize(
    ("module", "function", "exists"),
    [
        (client, "download_file", True),
        (client, "download_file", False),
        (os, "rename", False),
    ],
    ids=["into the folder", "with the folder", "at the last moment"],
)
def test_what_comes_meanwhile_stays(
    cache, tmp_path, monkeypatch, module, function, exists
):
    """A download takes time, so the folder is checked again before it gets its name."""
    folder = tmp_path / "folder"
    if exists:
        folder.mkdir()
    usual = getattr(module, function)

    def late(*args, **kwargs):
        folder.mkdir(exist_ok=True)
        (folder / "diary.txt").write_text("mine")
        return usual(*args, **kwargs)

    monkeypatch.setattr(module, function, late)

    with pytest.raises(OutputError, match=str(folder)):
        pull_model(BOOK, folder)
    assert names_in(folder) == ["diary.txt"]
    assert names_in(tmp_path) == ["cache", "folder"]
