"""
A file in the hub's cache, and when it may be taken out.

Other programs keep their models in this cache too. What the hub has is not ours to
remove, even where it is no model of ours; what came otherwise than the hub has it is.
"""

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file that lies in the cache."""

    path: Path

    is_new: bool
    """It came just now; if not, other programs may need it."""

    @property
    def commit(self) -> str:
        """The full name of its commit, for which the cache has a folder."""
        return self.path.parent.name

    def is_damaged(self) -> bool:
        """Whether its bytes are not those of the hub, where the cache can tell."""
        name = _stored(self.path).name
        if re.fullmatch("[0-9a-f]{64}", name):
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() != name
        if re.fullmatch("[0-9a-f]{40}", name):  # a small file, named as git does
            data = self.path.read_bytes()
            return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() != name
        return False

    def drop(self) -> None:
        """Take it out of the cache."""
        for each in (_stored(self.path), self.path):
            with contextlib.suppress(OSError):
                each.unlink()


def _stored(path: Path) -> Path:
    """
    Where the bytes are: the cache calls them by what the hub says of them.

    One step only. What is shared among caches lies behind another link, and stays.
    """
    try:
        return path.parent / os.readlink(path)
    except OSError:  # no link: a file system that knows none
        return path
