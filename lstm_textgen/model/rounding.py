"""
Weights in 8 bits: every row of a matrix as whole steps of its own size.

Shapes: R rows, C columns.
"""

import numpy as np
from jaxtyping import Float, Int8

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
