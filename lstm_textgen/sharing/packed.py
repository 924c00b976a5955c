"""A model in 8 bits, as one block of bytes and a table of what stands where in it."""

from typing import Any

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.model.rounding import rounded_rows
from lstm_textgen.sharing.arrays import float_arrays

Places = dict[str, dict[str, Any]]


def packed_int8(checkpoint: Checkpoint) -> tuple[Places, bytes]:
    """
    Matrices in 8 bits, row by row, and the rest as it is.

    Returns:
        For each tensor by its name the `shape`, and at which byte its numbers begin:
        for a matrix `steps`, int8 in the order of rows, and `scales`, what a step
        stands for in each row; for a vector `numbers`. Then the bytes: first all
        float32, little-endian, then all int8.
    """
    arrays = float_arrays(checkpoint)
    rounded = {k: rounded_rows(array) for k, array in arrays.items() if array.ndim == 2}
    vectors = {k: array for k, array in arrays.items() if array.ndim == 1}
    pieces = [
        *((name, "numbers", vector) for name, vector in vectors.items()),
        *((name, "scales", scales) for name, (_, scales) in rounded.items()),
        *((name, "steps", steps) for name, (steps, _) in rounded.items()),
    ]
    places: Places = {name: {"shape": list(a.shape)} for name, a in arrays.items()}
    data = bytearray()
    for name, role, array in pieces:
        places[name][role] = len(data)
        data += array.tobytes()
    return places, bytes(data)
