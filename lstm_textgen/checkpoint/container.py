"""
The safetensors container: named tensors and one text about them, with checksums.

Eight bytes give the length of the header, the header is JSON, and the tensors
follow without a gap. The text about them is canonical JSON under a single key; it
carries a checksum of itself and one of the tensors, so that a flipped bit is found
wherever it is, and the same content has the same bytes.

Weights in 8 bits: every row of a matrix as whole steps of its own size.

Shapes: R rows, C columns.
"""

import hashlib
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Int8
from torch import Tensor

from lstm_textgen.errors import CheckpointError
from lstm_textgen.strict_json import canonical, is_crowded

HEADER_CAP = 4 * 2**20
"""Bytes of the longest header that is read."""

DTYPES = {
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F64": torch.float64,
    "I64": torch.int64,
    "U8": torch.uint8,
}
"""The types of numbers under their names in the format."""

NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerKind:
    """What a container may hold."""

    key: str
    """Where the text about the tensors stands in the header."""

    dtypes: tuple[str, ...]
    """The types that its tensors may have, of those in `DTYPES`."""

    tensor_cap: int
    """The most tensors it may hold."""

    size_cap: int
    """Bytes of the largest file."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Type and shape of a tensor, which say how many bytes it takes."""

    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> "TensorSpec":
        """What *tensor* is; a type that has no name here is given as torch does."""
        name = NAMES.get(tensor.dtype, str(tensor.dtype))
        return cls(name, tuple(tensor.shape))

    @property
    def size_bytes(self) -> int:
        """Bytes of the numbers, with no header."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def pack(
    tensors: dict[str, Tensor], kind: ContainerKind, metadata: dict[str, Any]
) -> bytes:
    """
    The bytes of a container.

    Args:
        tensors: Any device and layout, of the types that *kind* allows.
        kind: What is being packed.
        metadata: Plain JSON about the tensors. The two checksums are added.

    Returns:
        The same bytes for the same content, whatever the order of the names.

    Raises:
        CheckpointError: It is larger than what would be read again.
    """
    # clone: the library refuses tensors that share their memory, as views may
    copies = {
        name: tensors[name].detach().cpu().clone(memory_format=torch.contiguous_format)
        for name in sorted(tensors)
    }
    assert all(TensorSpec.of(t).dtype in kind.dtypes for t in copies.values())
    assert len(copies) <= kind.tensor_cap
    described = {**metadata, "tensors_sha256": tensors_sha256(copies)}
    described["metadata_sha256"] = text_sha256(canonical(described))
    data = safetensors.torch.save(copies, {kind.key: canonical(described)})
    header = data[8 : 8 + int.from_bytes(data[:8], "little")]
    small = len(header) <= HEADER_CAP and len(data) <= kind.size_cap
    if not small or is_crowded(header.decode("utf-8")):
        raise CheckpointError(
            f"The checkpoint takes {len(data)} bytes, {len(header)} of them for its "
            "description: more than what would be read again.",
            "Make the model or its vocabulary smaller.",
        )
    return data


def tensors_sha256(tensors: dict[str, Tensor]) -> str:
    """
    A checksum over name, type, shape and raw bytes of all tensors, by name.

    Each tensor gives a line of canonical JSON, `["name","F32",[2,3]]`, and then its
    bytes, little-endian and in the order of rows.
    """
    assert sys.byteorder == "little", "the bytes would have to be swapped"
    digest = hashlib.sha256()
    for name in sorted(tensors):
        spec = TensorSpec.of(tensors[name])
        line = canonical([name, spec.dtype, list(spec.shape)]) + "\n"
        digest.update(line.encode("ascii"))
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def text_sha256(text: str) -> str:
    """A checksum over a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


STEPS = 127
"""How many steps there are on either side of zero."""


def rounded_rows(
    matrix: Float[np.ndarray, "R C"],
) -> tuple[Int8[np.ndarray, "R C"], Float[np.ndarray, " R"]]:
    """
    The nearest step to every number.

    Returns:
        Steps from -127 to 127, and what a step stands for in each row; the matrix is
        about `steps * scales[:, None]`, each number within half a step. A row of
        zeros has the scale 1.
    """
    scales = np.abs(matrix).max(axis=1) / STEPS
    scales[scales == 0] = 1
    return np.rint(matrix / scales[:, None]).astype(np.int8), scales
