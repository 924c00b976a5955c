"""
Files on disk: durable writes, safe opens and locks.

A crash while a file is written leaves the old or the new one. Every `OSError` of a
write becomes an error that says what to do.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from lstm_textgen.errors import OutputError, StorageError

Bytes = bytes | bytearray | memoryview

CANNOT_CREATE = {
    errno.EACCES: "Choose a place that you may write to, or change its permissions.",
    errno.EPERM: "Choose a place that you may write to, or change its permissions.",
    errno.EROFS: "The disk is read-only: choose a place on another one.",
    errno.ENOENT: "Create the folder first, or choose one that exists.",
    errno.ENOTDIR: "A file stands where a folder should be: choose another place.",
    errno.EISDIR: "A folder has this name: choose another one.",
    errno.EEXIST: "Something has this name already: choose another one.",
    errno.ENOTEMPTY: "Something else has come into that folder: choose another one.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ELOOP: "Links lead in a circle here: choose another place.",
}
"""Remedies where a file cannot be created."""

CANNOT_STORE = {
    errno.ENOSPC: "Free some space on that disk, or choose a place on another one.",
    errno.EDQUOT: "Your quota is used up: delete something, or choose another disk.",
    errno.EFBIG: "That disk takes no file of this size: choose another one.",
    errno.EIO: "The disk fails: choose another one, and look after this one.",
}
"""Remedies where the disk does not take the bytes."""


def write_durably(path: Path, data: Bytes | Iterable[Bytes]) -> None:
    """
    Write a file, or replace the one that is there.

    The bytes are on the disk before the name points to them, so whenever the
    machine stops, *path* is the old file or the new one. The new one has mode 0666
    less the umask. Nothing else stays in the folder when writing fails.

    Args:
        path: Its folder exists.
        data: The content, whole or in pieces.

    Raises:
        OutputError: The file cannot be created there.
        StorageError: The disk is full or fails.
    """
    pieces = [data] if isinstance(data, Bytes) else data
    part = path.parent / f".{secrets.token_hex(8)}.part"
    with translated_errors(path):
        try:
            _write_new(part, pieces)
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        _sync_folder(path.parent)


def replace_durably(part: Path, path: Path) -> None:
    """
    Give a finished file its name, so that a crash leaves the old file or the new one.

    Args:
        part: In the folder of *path*.

    Raises:
        OSError: *part* keeps its name, unless only the last step failed.
    """
    sync_file(part)
    os.replace(part, path)
    _sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """
    Bring what was written to a file to the disk.

    Raises:
        OSError: It does not exist, or the disk fails.
    """
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def acquire_lock(path: Path, *, timeout_s: float = 0.0) -> FileLock | None:
    """
    Lock a file, which is created if need be, against other processes.

    The system drops the lock when the process dies, however that happens.

    Args:
        path: Its folder exists.
        timeout_s: How long to wait for another process.

    Returns:
        The lock, to be released; None if another process has kept it for so long.

    Raises:
        OSError: The file cannot be created or locked.
    """
    lock = FileLock(path, timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def is_there(path: Path) -> bool:
    """
    Whether a file, a folder or a link has this name.

    Raises:
        OutputError: The name is too long or invalid, or in a folder that may not be
            read.
    """
    with translated_errors(path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except ValueError as error:
            raise OutputError(
                f"{str(path)!r} can be no name: it holds a NUL or half a character.",
                "Choose another name.",
            ) from error
    return True


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn the `OSError` of a change to *path* into an error that says what to do."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        reason = error.strerror or type(error).__name__
        if code in CANNOT_CREATE:
            problem = f"{path} cannot be written ({reason})."
            raise OutputError(problem, CANNOT_CREATE[code]) from error
        raise StorageError(
            f"Writing {path} failed ({reason}).",
            CANNOT_STORE.get(code, "Try again, or choose a place on another disk."),
        ) from error


def _write_new(part: Path, pieces: Iterable[Bytes]) -> None:
    # not tempfile: its mode is 0600, and the umask cannot be read without setting it
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(part, flags, 0o666), "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a crash, where a folder can be opened at all."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that syncs no folders
            raise
    finally:
        os.close(handle)


class NotAFile(OSError):
    """A folder, a pipe or a device stands where a file should be."""


def open_file(path: Path) -> BinaryIO:
    """
    Open a regular file for reading.

    Raises:
        NotAFile: It is something else. Opening a pipe without a writer would block
            forever, and a device may have no end.
        OSError: It does not exist, or may not be read.
        ValueError: The name contains a NUL or a lone surrogate.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return open(handle, "rb")
    os.close(handle)
    raise NotAFile(errno.EINVAL, "not a regular file, but a folder, pipe or device")


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
