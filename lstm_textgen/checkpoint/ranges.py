"""How large the numbers of a model may be, so that all that it computes is finite."""

from torch import Tensor

LARGEST = 2.0**53
"""
No network learns a weight near it, and 8192 products of two still sum to a finite
number.
"""

LARGEST_HIDDEN = 1.0
"""What any cell gives out lies from -1 to 1, and so does what it begins with."""

LARGEST_CELL = 1024.0
"""A memory cell gains at most 1 at a character."""


def largest(name: str) -> float:
    """How far from 0 the numbers of a tensor may be, by its name."""
    if not name.startswith("initial."):
        return LARGEST
    return LARGEST_CELL if name.endswith(".cell") else LARGEST_HIDDEN


def out_of_range(tensors: dict[str, Tensor]) -> str | None:
    """
    The first of *tensors* with a number that no checkpoint holds.

    Returns:
        Its name and its range, for an error; None if all are in order.
    """
    for name, tensor in tensors.items():
        # no mask of the size of the tensor; both are NaN where any number is
        lowest, highest = tensor.aminmax()
        limit = largest(name)
        if not (lowest >= -limit and highest <= limit):
            told = "2^53" if limit == LARGEST else f"{limit:g}"
            return f"no number from -{told} to {told}: {name}"
    return None
