"""
Open an untrusted container: each claim is checked before the next step relies on it.

Nothing is allocated because the file says so. The header is read once it fits into the
file, and an array once the header accounts for every byte of the file. A file of
another kind is named for what it is, by its first bytes.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shorten
from typing import Any, BinaryIO

import numpy as np

from lstm_textgen.checkpoint.container import (
    DTYPES,
    HEADER_CAP,
    Array,
    ContainerKind,
    TensorSpec,
    tensors_sha256,
    text_sha256,
)
from lstm_textgen.errors import CheckpointError, MissingError, StorageError
from lstm_textgen.files import NotAFile, open_file
from lstm_textgen.strict_json import canonical, parse

RANK_CAP = 8
"""The most axes an array may have."""

AGAIN = "Copy or download it again, or take another checkpoint."


@dataclass(frozen=True, slots=True)
class Container:
    """An open container whose header is valid; its arrays are still on disk."""

    path: Path
    metadata: dict[str, Any]
    """The metadata, without its two checksums."""

    specs: dict[str, TensorSpec]
    """Number formats and shapes, in the order in which the arrays are in the file."""

    file: BinaryIO
    """Open, at the first array."""

    sha256: str
    """What `tensors_sha256` must return."""

    def read_tensors(self) -> dict[str, Array]:
        """
        Read every array, once, into memory of its own.

        Raises:
            CheckpointError: They are not those that were written.
        """
        tensors = {name: self._read(spec) for name, spec in self.specs.items()}
        sha256 = tensors_sha256(tensors)
        if sha256 != self.sha256:
            raise CheckpointError(
                f"{self.path} is damaged: its numbers do not fit their checksum "
                f"(sha256 {sha256}, but {self.sha256[:64]} is written in it).",
                AGAIN,
            )
        return tensors

    def _read(self, spec: TensorSpec) -> Array:
        array: Array = np.empty(spec.shape, DTYPES[spec.dtype])
        if self.file.readinto(array.data) < array.nbytes:  # type: ignore[attr-defined]
            raise _cut_off(self.path)
        return array


@contextmanager
def open_container(path: Path, kind: ContainerKind) -> Iterator[Container]:
    """
    Open *path* and read its header.

    The file stays open in between, so that header and tensors belong together even
    when a new file takes the name.

    Raises:
        MissingError: There is no such file, or it may not be read.
        CheckpointError: It is not a container of this kind, or damaged.
        StorageError: The disk fails.
    """
    try:
        file = open_file(path)
    except NotAFile as error:
        problem = f"{path} is {error.strerror}."
        raise CheckpointError(problem, "Name a .safetensors file.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise MissingError(
            f"{path} cannot be opened ({reason}).",
            "Check the name: textgen wants a .safetensors file or the folder of a run.",
        ) from error
    try:
        with file:
            yield _read_header(file, path, kind)
    except OSError as error:
        raise StorageError(
            f"Reading {path} failed ({error.strerror}).", "Check the disk, or copy it."
        ) from error


def _read_header(file: BinaryIO, path: Path, kind: ContainerKind) -> Container:
    size = os.fstat(file.fileno()).st_size
    if size > kind.size_cap:
        problem = f"{path} has {size} bytes; at most {kind.size_cap} are read."
        raise CheckpointError(problem, "Take a .safetensors file of textgen.")
    length = _header_bytes(file.read(RECOGNIZED_BYTES), size, path)
    file.seek(8)
    try:
        header = parse(file.read(length).decode("utf-8"))
        metadata = _metadata(header, kind.key)
        specs = _specs(header, kind, size - 8 - length)
        sha256 = _checksums(metadata)
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged, or not one of ours: {error}.", AGAIN
        ) from error
    return Container(path, metadata, specs, file, sha256)


def _header_bytes(head: bytes, size: int, path: Path) -> int:
    """The length of the header, if *head* is the beginning of a container."""
    length = int.from_bytes(head[:8], "little")
    begins = head[8:9] == b"{"
    fits = 8 + length <= size
    if begins and fits and length > HEADER_CAP:
        problem = f"{path} has a header of {length} bytes; at most {HEADER_CAP} are"
        raise CheckpointError(
            f"{problem} read.", "Take a .safetensors file of textgen."
        )
    if not begins or length > HEADER_CAP:
        what, remedy = recognize(head)
        raise CheckpointError(f"{path} {what}.", remedy)
    if not fits:
        raise _cut_off(path)
    return length


def _cut_off(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is cut off before its end.", AGAIN)


def _metadata(header: Any, key: str) -> dict[str, Any]:
    """Take the metadata out of the header."""
    _demand(isinstance(header, dict), "its header is not an object")
    texts = header.pop("__metadata__", None)
    ours = isinstance(texts, dict) and list(texts) == [key]
    _demand(ours, f"its header says nothing under {key!r}, or more than that")
    text = texts[key]
    _demand(isinstance(text, str), f"{key!r} in its header is not a text")
    metadata = parse(text)
    whole = isinstance(metadata, dict) and canonical(metadata) == text
    _demand(whole, f"{key!r} in its header is not an object in canonical form")
    return dict(metadata)


def _checksums(metadata: dict[str, Any]) -> str:
    """Check the metadata by its checksum and return that of the arrays; remove both."""
    claimed = metadata.pop("metadata_sha256", None)
    actual = text_sha256(canonical(metadata))
    both = f"(sha256 {actual}, but {str(claimed)[:64]} is written in it)"
    _demand(claimed == actual, f"its description does not fit its checksum {both}")
    sha256 = metadata.pop("tensors_sha256", None)
    _demand(isinstance(sha256, str), "the checksum of its tensors is missing")
    return str(sha256)


def _specs(
    header: dict[str, Any], kind: ContainerKind, data_bytes: int
) -> dict[str, TensorSpec]:
    """The specs of the arrays, which follow each other and fill the file."""
    count = len(header)
    _demand(count <= kind.tensor_cap, f"{count} tensors, more than {kind.tensor_cap}")
    entries = sorted(_entry(name, entry, kind) for name, entry in header.items())
    place = 0
    specs = {}
    for start, stop, name, dtype, shape in entries:
        spec = TensorSpec(dtype, shape)
        fits = start == place and stop - start == spec.size_bytes
        _demand(fits, f"the bytes of {shorten(name)} are not where they should be")
        specs[name] = spec
        place = stop
    announced = f"{place} bytes announced, {data_bytes} there"
    _demand(place == data_bytes, announced)
    return specs


def _entry(
    name: str, entry: Any, kind: ContainerKind
) -> tuple[int, int, str, str, tuple[int, ...]]:
    """One array of the header: start, stop, name, number format, shape."""
    keys = {"dtype", "shape", "data_offsets"}
    whole = isinstance(entry, dict) and set(entry) == keys
    _demand(whole, f"{shorten(name)} is not described by {', '.join(sorted(keys))}")
    dtype, shape, places = entry["dtype"], entry["shape"], entry["data_offsets"]
    _demand(dtype in kind.dtypes, f"{shorten(name)} has the type {shorten(dtype)}")
    sizes = _are_sizes(shape, kind.size_cap) and len(shape) <= RANK_CAP
    _demand(sizes, f"{shorten(name)} has the shape {shorten(shape)}")
    # a size of 0 must not hide the product of the others
    most = math.prod(max(size, 1) for size in shape) * DTYPES[dtype].itemsize
    _demand(most <= kind.size_cap, f"{shorten(name)} has the shape {shorten(shape)}")
    pair = _are_sizes(places, kind.size_cap) and len(places) == 2
    _demand(pair, f"{shorten(name)} is said to stand at {shorten(places)}")
    return places[0], places[1], name, dtype, tuple(shape)


def _are_sizes(value: Any, cap: int) -> bool:
    """A list of integers from 0 to *cap*; `True` is not one, though it is an int."""
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item <= cap for item in value
    )


def _demand(ok: bool, otherwise: str) -> None:
    if not ok:
        raise ValueError(otherwise)


RECOGNIZED_BYTES = 64
"""How many bytes `recognize` needs."""

PICKLE = (
    "is a pickle, as PyTorch writes .pt and .pth files",
    "Take a .safetensors file: a pickle can run code, so textgen opens none.",
)

TEXT = (
    "is a text, not a checkpoint",
    "Name a .safetensors file; to learn from this text, run textgen train on it.",
)

MAGIC = {
    b"version https://git-lfs": (
        "is a pointer of Git LFS, which stands for the real file",
        "Fetch the real one with git lfs pull, or download it by itself.",
    ),
    b"PK\x03\x04": (
        "is a zip archive, as PyTorch writes .pt and .pth files",
        "Take a .safetensors file: a pickle can run code, so textgen opens none.",
    ),
    b"PK\x05\x06": ("is an empty zip archive", "Take a .safetensors file."),
    b"\x1f\x8b": ("is compressed with gzip", "Unpack it with gunzip first."),
    **{bytes([0x80, protocol]): PICKLE for protocol in range(2, 6)},
}
"""First bytes of files of other kinds, what these are, and what to do."""


def recognize(head: bytes) -> tuple[str, str]:
    """
    Identify a file that is not a safetensors file.

    Args:
        head: Its first `RECOGNIZED_BYTES` bytes, fewer where it is shorter.

    Returns:
        What it is, as the predicate of a sentence, and what to do.
    """
    if not head:
        return "is empty", "Copy or download it again."
    for magic, answer in MAGIC.items():
        if head.startswith(magic):
            return answer
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        page = "is a web page, not a checkpoint"
        return page, "Download the file itself instead of the page about it."
    if _is_text(head):
        return TEXT
    return "is not a safetensors file", "Take a .safetensors file of textgen."


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; the last character may be cut off."""
    for cut in range(min(4, len(head))):
        try:
            text = head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return all(char.isprintable() or char in "\t\n\r\f\ufeff" for char in text)
    return False
