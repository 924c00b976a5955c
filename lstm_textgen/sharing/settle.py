"""
The last step of everything that is fetched: checked, made durable, then named.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lstm_textgen.errors import CorpusError, OutputError, StorageError

ANEW = "Run the same command again to fetch it anew."

_NO_PLACE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR),
    *(errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
}


def digest_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle(part: Path, target: Path, *, size: int | None, sha256: str | None) -> str:
    """
    Check *part*, make it durable and give it its name.

    Returns:
        The sha256 of the file.

    Raises:
        CorpusError: Size or digest is another one. *part* is left to the caller.
    """
    with open(part, "r+b") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        check_size(target, file.tell(), size)
        if sha256 is not None and found != sha256:
            raise CorpusError(
                f"{target.name} has the sha256 {found}, but {sha256} is expected.", ANEW
            )
        os.fsync(file.fileno())
    os.replace(part, target)
    if os.name == "posix":  # the new name is durable once its folder is
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return found


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses while *target* is written into our errors."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"{target} cannot be written: {reason}."
        if error.errno in _NO_PLACE:
            raise OutputError(problem, "Choose a folder that you may write.") from error
        raise StorageError(problem, "Make room, and run it again.") from error


def check_size(target: Path, found: int, size: int | None) -> None:
    """Refuse another number of bytes than *size*; None allows any."""
    if size is not None and found != size:
        problem = f"{target.name} has {found:,} bytes, but {size:,} are expected."
        raise CorpusError(problem, ANEW)
