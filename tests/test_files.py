"""Writing that a crash cannot spoil."""

import errno
import os
import stat

import pytest

from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.files import write_durably


@pytest.fixture
def failing_fsync(monkeypatch):
    """Let the disk answer every fsync with an error."""

    def fail_with(code):
        def fsync(handle):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fsync)

    return fail_with


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), [b"a", memoryview(b"bc")]])
def test_the_bytes_arrive_whole_or_in_pieces(tmp_path, data):
    """Bytes, and any pieces of them, give the same file and nothing beside it."""
    path = tmp_path / "file"
    path.write_bytes(b"something longer that was there before")

    write_durably(path, data)

    assert path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_mode_is_that_of_any_new_file(tmp_path, umask):
    """The mode is 0666 less the umask, as if the file had been opened for writing."""
    before = os.umask(umask)
    try:
        write_durably(tmp_path / "file", b"")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_failing_disk_leaves_the_old_file(tmp_path, failing_fsync, code):
    """When the disk is full or fails, the old file is whole and no part stays."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    failing_fsync(code)

    with pytest.raises(StorageError) as caught:
        write_durably(path, b"new")

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
    assert str(path) in caught.value.problem
    assert os.strerror(code) in caught.value.problem
    assert caught.value.remedy


def test_whatever_stops_the_writing_leaves_the_old_file(tmp_path):
    """Ctrl-C while the pieces are made leaves the old file and no part."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_durably(path, pieces())

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """The order is: fsync of the file, rename, fsync of the folder."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle):
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        calls.append("fsync folder" if is_folder else "fsync file")
        fsync(handle)

    def watched_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)

    write_durably(tmp_path / "file", b"abc")

    assert calls == ["fsync file", "rename", "fsync folder"]


def test_places_that_take_no_file(tmp_path):
    """No folder, a file for a folder, and a folder of that name cannot be written."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()

    for name in ("none/file", "file/file", "folder", "x" * 300):
        with pytest.raises(OutputError) as caught:
            write_durably(tmp_path / name, b"new")
        assert str(tmp_path / name) in caught.value.problem
        assert caught.value.remedy
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
