"""
The safetensors container: named arrays and one text about them, with checksums.

Eight bytes give the length of the header, the header is JSON, and the arrays follow
without a gap. The text about them, the metadata, is canonical JSON under a single key.
It carries a checksum of itself and one of the arrays, so that a flipped bit is detected
wherever it is, and the same content has the same bytes.

NumPy has no bfloat16: an array of the format BF16 holds the raw bits as uint16.

Shapes: R rows, C columns.
"""

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int8, Shaped, UInt16
from numpy.typing import NDArray

from lstm_textgen.errors import CheckpointError
from lstm_textgen.strict_json import canonical, is_crowded

Array = NDArray[Any]

HEADER_CAP = 4 * 2**20
"""Bytes of the longest header that is read."""

DTYPES: dict[str, np.dtype[Any]] = {
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "BF16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
}
"""
The number formats by their names in the file.

Arrays stand in the file in this order, that of the safetensors library: the formats
that need the coarsest alignment come first.
"""

BF16 = DTYPES["BF16"]

FORMAT_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerKind:
    """What a container may hold."""

    key: str
    """The key of the metadata in the header."""

    dtypes: tuple[str, ...]
    """The number formats that its arrays may have, of those in `DTYPES`."""

    tensor_cap: int
    """The most arrays it may hold."""

    size_cap: int
    """Bytes of the largest file."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Number format and shape of an array, which imply its size in bytes."""

    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: Array) -> "TensorSpec":
        """The spec of *array*; a dtype outside `DTYPES` goes by its NumPy name."""
        return cls(FORMAT_NAMES.get(array.dtype, str(array.dtype)), array.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of the numbers, without any header."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def pack(
    tensors: Mapping[str, Array], kind: ContainerKind, metadata: Mapping[str, Any]
) -> bytes:
    """
    The bytes of a container, those that the safetensors library would write.

    Args:
        tensors: Arrays of any layout, in number formats that *kind* allows.
        kind: What is being packed.
        metadata: Plain JSON about the arrays. The two checksums are added.

    Returns:
        The same bytes for the same content, whatever the order of the names.

    Raises:
        CheckpointError: The file is larger than the reader accepts.
    """
    specs = {name: TensorSpec.of(array) for name, array in tensors.items()}
    assert all(spec.dtype in kind.dtypes for spec in specs.values())
    assert len(specs) <= kind.tensor_cap
    described = {**metadata, "tensors_sha256": tensors_sha256(tensors)}
    described["metadata_sha256"] = text_sha256(canonical(described))
    header: dict[str, Any] = {"__metadata__": {kind.key: canonical(described)}}
    rank = {dtype: place for place, dtype in enumerate(DTYPES)}
    names = sorted(specs, key=lambda name: (rank[specs[name].dtype], name))
    stop = 0
    for name in names:
        spec, start = specs[name], stop
        stop += spec.size_bytes
        places = {"dtype": spec.dtype, "shape": spec.shape}
        header[name] = places | {"data_offsets": [start, stop]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    raw_header = text.encode("utf-8")
    raw_header += b" " * (-len(raw_header) % 8)
    size_bytes = 8 + len(raw_header) + stop
    small = len(raw_header) <= HEADER_CAP and size_bytes <= kind.size_cap
    if not small or is_crowded(text):
        raise CheckpointError(
            f"The checkpoint takes {size_bytes} bytes, {len(raw_header)} of them for "
            "its description: more than what would be read again.",
            "Make the model or its vocabulary smaller.",
        )
    length = len(raw_header).to_bytes(8, "little")
    return b"".join([length, raw_header, *(_raw(tensors[name]) for name in names)])


def tensors_sha256(tensors: Mapping[str, Array]) -> str:
    """
    A checksum over name, number format, shape and bytes of all arrays, by name.

    Each array contributes a line of canonical JSON, `["name","F32",[2,3]]`, and then
    its bytes, little-endian and row by row.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        spec = TensorSpec.of(tensors[name])
        line = canonical([name, spec.dtype, list(spec.shape)]) + "\n"
        digest.update(line.encode("ascii"))
        digest.update(_raw(tensors[name]))
    return digest.hexdigest()


def text_sha256(text: str) -> str:
    """A checksum over a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _raw(array: Array) -> memoryview:
    """The bytes of an array, row by row; a copy only where it is not contiguous."""
    assert sys.byteorder == "little", "the bytes would have to be swapped"
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def to_bfloat16(
    values: Float32[np.ndarray, "*shape"],
) -> UInt16[np.ndarray, "*shape"]:
    """
    The bits of the nearest bfloat16 numbers, as torch rounds them.

    Of two that are equally near the even one is taken. NaN stays NaN.
    """
    bits = values.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)


def widen(array: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """An array of bfloat16 bits as float32, exactly; any other as it is."""
    if array.dtype != BF16:
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)


MAX_MULTIPLE = 127
"""The largest multiple of a scale that a weight in 8 bits can be, of either sign."""


def rounded_rows(
    matrix: Float[np.ndarray, "R C"],
) -> tuple[Int8[np.ndarray, "R C"], Float[np.ndarray, " R"]]:
    """
    A matrix in 8 bits: every row as whole multiples of its own scale.

    Returns:
        Multiples from -127 to 127, and the scale of each row; the matrix is about
        `multiples * scales[:, None]`, each number within half a scale. A row of zeros
        has the scale 1.
    """
    scales = np.abs(matrix).max(axis=1) / MAX_MULTIPLE
    scales[scales == 0] = 1
    multiples = np.rint(matrix / scales[:, None]).astype(np.int8)
    return multiples, scales
