"""
A text as a memory-mapped file of ids, cached: a second time nothing is read.

The text is streamed twice, once for the vocabulary and once for the ids, and is never
whole in memory. The cache has a raw file of ids and a JSON sidecar that describes it.
The sidecar is written last, so that the ids are complete where there is one. Both are
named by a fingerprint of the settings and of the identity of the files on disk.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import UInt

from lstm_textgen.config import TextConfig
from lstm_textgen.errors import (
    CorpusError,
    MissingError,
    StorageError,
    TextgenError,
    VocabularyError,
)
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import Source
from lstm_textgen.text.tokenizer import (
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    count_code_points,
    tokenizer_from_json,
)

CHUNK_BYTES = 1 << 17  # small enough that all arrays of a piece stay in the cache

ReadProgress = Callable[[int], None]
"""Called with the bytes read since the last call."""

CACHE_FORMAT = 1
"""Part of every fingerprint."""

CACHE_CAP_BYTES = 4 * 10**9
"""Above this size of the cache, the least recently used ids are removed."""

STALE_S = 24 * 3600
"""A temporary file older than this was left by a process that was killed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EncodedText:
    """A text as ids, and facts about it."""

    name: str
    """From the source; safe as the name of a folder."""

    ids: UInt[np.ndarray, " N"]
    """Read-only and usually memory-mapped."""

    tokenizer: Tokenizer
    """The vocabulary of the ids."""

    characters: int
    """Unicode characters of the text; equals the ids unless they are bytes."""

    sha256: str
    """Digest of the normalized text in UTF-8."""

    notes: tuple[str, ...]
    """What was changed while reading, for the user."""

    def __len__(self) -> int:
        return len(self.ids)


def encode_source(
    source: Source,
    config: TextConfig,
    *,
    cache: Path,
    progress: ReadProgress | None = None,
) -> EncodedText:
    """
    Learn the vocabulary of *source*, and encode it.

    Args:
        source: The files.
        config: Tokenizer, `min_count` and encoding; the split plays no part.
        cache: Folder that keeps the ids for the next time. Where it cannot be
            written, a note says so and the ids last for this process only.
        progress: Called with the bytes read since the last call. They add up
            to twice the size of the source, once for the byte tokenizer.

    Raises:
        CorpusError: Not text, empty, or changed while it was read.
        ConfigError: The encoding does not exist, or *min_count* is too high.
        MissingError: A file is gone or may not be read.
        StorageError: The disk is full or fails.
    """
    if config.tokenizer == "byte":
        return encode_with(
            source, ByteTokenizer(), config.encoding, cache=cache, progress=progress
        )
    reader = TextReader(source, config.encoding, CHUNK_BYTES)
    settings = {"min_count": config.min_count, "encoding": reader.encoding}
    slot = Slot.of(source, settings, cache)
    if stored := slot.load():
        return stored
    counts = count_code_points(_watched(reader, progress))
    slot.check_unchanged()  # before an odd vocabulary gets the blame
    tokenizer = CharTokenizer.from_counts(counts, config.min_count)
    try:
        return _encode(reader, tokenizer, slot, progress, expected=int(counts.sum()))
    except VocabularyError as error:  # the first pass saw every character
        raise changed_while_read(source.name) from error


def encode_with(
    source: Source,
    tokenizer: Tokenizer,
    encoding: str,
    *,
    cache: Path,
    progress: ReadProgress | None = None,
) -> EncodedText:
    """
    Encode *source* with a vocabulary that exists already.

    Args:
        source: The files.
        tokenizer: The vocabulary.
        encoding: How the bytes of the files become characters.
        cache: As for `encode_source`.
        progress: Called with the bytes read since the last call.

    Raises:
        VocabularyError: A character is not known. The error names its offset
            in the whole text.
        TextgenError: As for `encode_source`.
    """
    reader = TextReader(source, encoding, CHUNK_BYTES)
    settings = {"tokenizer": tokenizer.to_json(), "encoding": reader.encoding}
    slot = Slot.of(source, settings, cache)
    return slot.load() or _encode(reader, tokenizer, slot, progress)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The cache entry of one source under one set of settings."""

    source: Source
    folder: Path
    settings: str
    """Canonical JSON of everything but the files that the ids depend on."""

    files: tuple[tuple[str, int, int, int, int], ...]
    """Path, size, modification time, inode and device of every file."""

    @classmethod
    def of(cls, source: Source, settings: object, cache: Path) -> "Slot":
        """
        The entry for *source* with its files as they are now.

        Raises:
            MissingError: A file is gone.
        """
        text = json.dumps(settings, sort_keys=True)
        files = tuple(_identity(path) for path in source.paths)
        return cls(source=source, folder=cache / "ids", settings=text, files=files)

    @property
    def key(self) -> str:
        """The fingerprint."""
        known = json.dumps([CACHE_FORMAT, self.settings, self.files])
        return hashlib.sha256(known.encode()).hexdigest()

    @property
    def ids_path(self) -> Path:
        return self.folder / f"{self.key}.ids"

    @property
    def sidecar_path(self) -> Path:
        return self.folder / f"{self.key}.json"

    def check_unchanged(self) -> None:
        """
        Check that the files are still the same.

        Raises:
            CorpusError: One of them changed.
        """
        for path, before in zip(self.source.paths, self.files, strict=True):
            if _identity(path) != before:
                raise changed_while_read(str(path))

    def load(self) -> EncodedText | None:
        """The stored ids, or None where there are none or they are damaged."""
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


def _encode(
    reader: TextReader,
    tokenizer: Tokenizer,
    slot: Slot,
    progress: ReadProgress | None,
    expected: int | None = None,
) -> EncodedText:
    digest = hashlib.sha256()
    characters = 0
    with IdsWriter(slot) as writer:
        for text in _watched(reader, progress):
            digest.update(text.encode("utf-8", "surrogatepass"))
            writer.write(tokenizer.encode(text, offset=characters))
            characters += len(text)
        slot.check_unchanged()
        if expected not in (None, characters):
            raise changed_while_read(slot.source.name)
        notes = _notes(reader)
        facts = {
            "tokenizer": tokenizer.to_json(),
            "characters": characters,
            "sha256": digest.hexdigest(),
            "notes": notes,
        }
        ids = writer.finish(facts, tokenizer.dtype)
    if not writer.kept:
        notes.append(f"the cache {slot.folder} cannot be written: not kept")
    return EncodedText(
        name=slot.source.name,
        ids=ids,
        tokenizer=tokenizer,
        characters=characters,
        sha256=digest.hexdigest(),
        notes=tuple(notes),
    )


def _watched(reader: TextReader, progress: ReadProgress | None) -> Iterator[str]:
    """The pieces of *reader*, with *progress* called after each."""
    reported = 0
    for text in chain(reader, [""]):  # the last for bytes at the end that gave no text
        yield text
        if progress is not None and reader.bytes_read > reported:
            progress(reader.bytes_read - reported)
        reported = reader.bytes_read


def _notes(reader: TextReader) -> list[str]:
    notes = []
    if reader.boms:
        notes.append(f"{_counted(reader.boms, 'byte order mark')} dropped")
    if reader.newlines_changed:
        count = reader.newlines_changed
        notes.append(f"{_counted(count, 'line end')} changed to newlines")
    return notes


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


class IdsWriter:
    """
    Writes the ids of a `Slot`, which appear in the cache whole or not at all.

    A context manager that removes what was not finished. Where the cache cannot be
    written, the ids go to an unnamed temporary file that lasts as long as they are in
    use, and `kept` is false.

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

    def __exit__(self, *error: object) -> None:
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
        Move the ids to their final name.

        Args:
            facts: The contents of the sidecar, without the number of ids.
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
    """The error for a text that another process writes to."""
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
    entries = []
    for path in folder.glob("*.ids"):
        with contextlib.suppress(OSError):  # another process was faster
            entries.append((path.stat(), path))
    total = sum(status.st_size for status, _ in entries)
    for status, path in sorted(entries, key=lambda entry: entry[0].st_mtime_ns):
        if total <= CACHE_CAP_BYTES:
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
