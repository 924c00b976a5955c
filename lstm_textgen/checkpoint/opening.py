"""Open a file without waiting, and nothing that is not a file."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotAFile(OSError):
    """A folder, a pipe or a device stands where a file should be."""


def open_file(path: Path) -> BinaryIO:
    """
    Open a regular file for reading.

    Raises:
        NotAFile: It is something else. A pipe into which nobody writes would keep us
            waiting for ever, and a device may have no end.
        OSError: It is not there, or may not be read.
        ValueError: The name holds a NUL, or half a character.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return open(handle, "rb")
    os.close(handle)
    raise NotAFile(errno.EINVAL, "not a regular file, but a folder, pipe or device")
