"""A model as float32 arrays, as an `.npz` file, and in 8 bits as one block of bytes."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.checkpoint.container import rounded_rows, widen
from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.strict_json import canonical

Arrays = dict[str, NDArray[np.float32]]


def float_arrays(checkpoint: Checkpoint) -> Arrays:
    """Every parameter under its name, in float32: NumPy has no bfloat16."""
    return {
        name: widen(checkpoint.tensors[name]) for name in sorted(checkpoint.tensors)
    }


def npz_bytes(checkpoint: Checkpoint) -> bytes:
    """
    A file for `numpy.load`: the parameters under their names, in float32.

    Under `metadata` is the JSON of the checkpoint, as bytes. The same model gives the
    same bytes. `docs/format.md` has a reader for it.
    """
    # as bytes, because an array of text drops a NUL at its end
    metadata = np.frombuffer(
        canonical(to_metadata(checkpoint)).encode("ascii"), np.uint8
    )
    file = io.BytesIO()
    arrays: dict[str, Any] = {**float_arrays(checkpoint), "metadata": metadata}
    np.savez(file, **arrays)
    return file.getvalue()


Places = dict[str, dict[str, Any]]


def packed_int8(checkpoint: Checkpoint) -> tuple[Places, bytes]:
    """
    Matrices in 8 bits, row by row, and vectors in float32.

    Returns:
        For each tensor by its name the `shape`, and the byte offsets of its numbers:
        for a matrix `steps`, the int8 multiples row by row, and `scales`, one for each
        row; for a vector `numbers`. Then the bytes: first all float32, little-endian,
        then all int8.
    """
    arrays = float_arrays(checkpoint)
    rounded = {k: rounded_rows(array) for k, array in arrays.items() if array.ndim == 2}
    vectors = {k: array for k, array in arrays.items() if array.ndim == 1}
    pieces = [
        *((name, "numbers", vector) for name, vector in vectors.items()),
        *((name, "scales", scales) for name, (_, scales) in rounded.items()),
        *((name, "steps", multiples) for name, (multiples, _) in rounded.items()),
    ]
    places: Places = {name: {"shape": list(a.shape)} for name, a in arrays.items()}
    data = bytearray()
    for name, role, array in pieces:
        places[name][role] = len(data)
        data += array.tobytes()
    return places, bytes(data)
