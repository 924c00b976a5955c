"""
Ids on disk: a raw file, and a JSON sidecar that says what it is.

The sidecar comes last, so that where there is one the ids are whole. Both are
named by a fingerprint of the settings and of the files as the disk knows them.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from jaxtyping import UInt

from lstm_textgen.errors import CorpusError, MissingError, StorageError, TextgenError
from lstm_textgen.text.source import Source
from lstm_textgen.text.tokenizer import Tokenizer, tokenizer_from_json

FORMAT = 1
LIMIT_BYTES = 4 * 10**9
"""The folder is kept below this, by removing what was not used for longest."""

STALE_S = 24 * 3600
"""A temporary file older than this was left by a process that was killed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EncodedText:
    """A text as ids, with what is known about it."""

    name: str
    """From the source; safe as the name of a folder."""

    ids: UInt[np.ndarray, " N"]
    """Read-only; usually on disk, where only what is used gets read."""

    tokenizer: Tokenizer
    """What made the ids."""

    characters: int
    """Unicode characters of the text; equals the ids unless they are bytes."""

    sha256: str
    """Of the normalised text in UTF-8."""

    notes: tuple[str, ...]
    """What was changed while reading, for people."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The place in the cache of one source, encoded in one way."""

    source: Source
    folder: Path
    settings: str
    """Canonical JSON of all that decides the ids, besides the files."""

    files: tuple[tuple[str, int, int, int, int], ...]
    """Path, size, time of change, inode and device of every file."""

    @classmethod
    def of(cls, source: Source, settings: object, cache: Path) -> "Slot":
        """
        The slot for *source* as its files are now.

        Raises:
            MissingError: A file is gone.
        """
        text = json.dumps(settings, sort_keys=True)
        files = tuple(_identity(path) for path in source.paths)
        return cls(source=source, folder=cache / "ids", settings=text, files=files)

    @property
    def key(self) -> str:
        """The fingerprint."""
        known = json.dumps([FORMAT, self.settings, self.files])
        return hashlib.sha256(known.encode()).hexdigest()

    @property
    def ids_path(self) -> Path:
        return self.folder / f"{self.key}.ids"

    @property
    def sidecar_path(self) -> Path:
        return self.folder / f"{self.key}.json"

    def check_unchanged(self) -> None:
        """
        Make sure that the files are still what they were.

        Raises:
            CorpusError: One of them changed.
        """
        for path, before in zip(self.source.paths, self.files, strict=True):
            if _identity(path) != before:
                raise changed_while_read(str(path))

    def load(self) -> EncodedText | None:
        """What is stored here, or None where nothing is or it is damaged."""
        try:
            facts = json.loads(self.sidecar_path.read_bytes())
            tokenizer = tokenizer_from_json(facts["tokenizer"])
            dtype = tokenizer.dtype.newbyteorder("<")
            length = int(facts["ids"])
            if self.ids_path.stat().st_size != length * dtype.itemsize:
                return None
            text = EncodedText(
                name=self.source.name,
                ids=np.memmap(self.ids_path, dtype, mode="r"),
                tokenizer=tokenizer,
                characters=int(facts["characters"]),
                sha256=str(facts["sha256"]),
                notes=tuple(map(str, facts["notes"])),
            )
        except (OSError, ValueError, LookupError, TypeError, TextgenError):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.ids_path)  # last used now
        return text


class IdsWriter:
    """
    New ids for *slot*, which appear there whole or not at all.

    Used as a context manager: what was not finished is removed. Where the
    cache cannot be written, the ids go to a file without a name that lasts as
    long as they are in use, and `kept` is false.

    Raises:
        StorageError: The disk is full or fails, here and in every method.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._file: IO[bytes]
        try:
            slot.folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115
                dir=slot.folder, suffix=".tmp", delete=False
            )
            self.kept = True
        except OSError:
            with _storing():
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self.kept = False

    def __enter__(self) -> "IdsWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()  # writes what is buffered, so it may fail again
        if self.kept:
            Path(self._file.name).unlink(missing_ok=True)

    def write(self, ids: UInt[np.ndarray, " N"]) -> None:
        """Append *ids*, little-endian."""
        with _storing():
            self._file.write(ids.astype(ids.dtype.newbyteorder("<"), copy=False).data)

    def finish(self, facts: dict[str, Any], dtype: "np.dtype[Any]") -> np.ndarray:
        """
        Put the ids in their place.

        Args:
            facts: What the sidecar says besides the number of ids.
            dtype: Type of the ids.

        Returns:
            The ids, read-only and on disk.
        """
        little = dtype.newbyteorder("<")
        with _storing():
            self._file.flush()
            if not self.kept:
                return np.memmap(self._file, little, mode="r")
            count = self._file.tell() // little.itemsize
            self._file.close()
            self._place(json.dumps(facts | {"ids": count}).encode())
            ids = np.memmap(self._slot.ids_path, little, mode="r")
            _prune(self._slot.folder, self._slot.ids_path)
            return ids

    def _place(self, sidecar: bytes) -> None:
        temporary = Path(self._file.name).with_suffix(".json.tmp")
        try:
            temporary.write_bytes(sidecar)
            os.replace(self._file.name, self._slot.ids_path)
            os.replace(temporary, self._slot.sidecar_path)
        finally:
            temporary.unlink(missing_ok=True)


def changed_while_read(name: str) -> CorpusError:
    """The error for a text that somebody else writes to."""
    return CorpusError(
        f"{name} changed while it was read.", "Run again when it is still."
    )


def _identity(path: Path) -> tuple[str, int, int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise MissingError(
            f"{path} cannot be found ({error.strerror}).", "Check that it is there."
        ) from error
    changed, inode, device = status.st_mtime_ns, status.st_ino, status.st_dev
    return str(path.resolve()), status.st_size, changed, inode, device


def _prune(folder: Path, newest: Path) -> None:
    """Remove the least recently used ids while there are too many."""
    for path in folder.glob("*.tmp"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - STALE_S:
                path.unlink()
    found = []
    for path in folder.glob("*.ids"):
        with contextlib.suppress(OSError):  # another process was faster
            found.append((path.stat(), path))
    total = sum(status.st_size for status, _ in found)
    for status, path in sorted(found, key=lambda pair: pair[0].st_mtime_ns):
        if total <= LIMIT_BYTES:
            return
        if path != newest:
            with contextlib.suppress(OSError):  # in use, where that forbids it
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink()
                total -= status.st_size


@contextlib.contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The encoded text could not be stored ({error.strerror or error}).",
            "Free some space, or set TEXTGEN_CACHE to a folder on another disk.",
        ) from error
