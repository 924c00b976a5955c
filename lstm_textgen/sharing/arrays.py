"""A model as arrays of numpy, for readers without torch; and as an `.npz` file."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.checkpoint.format import Checkpoint, describe
from lstm_textgen.checkpoint.plain_json import canonical

Arrays = dict[str, NDArray[np.float32]]


def float_arrays(checkpoint: Checkpoint) -> Arrays:
    """Every parameter under its name, in float32: numpy knows no bfloat16."""
    return {
        name: checkpoint.tensors[name].float().numpy()
        for name in sorted(checkpoint.tensors)
    }


def npz_bytes(checkpoint: Checkpoint) -> bytes:
    """
    The file that `numpy.load` opens: the parameters under their names, in float32.

    Under `metadata` stands what the checkpoint says of itself: JSON, as bytes. The
    same model gives the same bytes. `docs/format.md` has a reader of it.
    """
    # as bytes, because an array of text drops a NUL at its end
    metadata = np.frombuffer(canonical(describe(checkpoint)).encode("ascii"), np.uint8)
    file = io.BytesIO()
    arrays: dict[str, Any] = {**float_arrays(checkpoint), "metadata": metadata}
    np.savez(file, **arrays)
    return file.getvalue()
