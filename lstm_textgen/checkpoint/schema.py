"""
The tensors that a model of some settings has: names, shapes, ranges, and their count.

Computed in plain Python, so that a hostile file is refused before anything is built.
"""

import math
from collections.abc import Mapping

from lstm_textgen.checkpoint.container import Array, widen
from lstm_textgen.config import GATE_COUNT, ModelConfig

MAX_WEIGHT = 2.0**53
"""
No trained weight comes near this, and 8192 products of two still sum to a finite
number.
"""

MAX_HIDDEN = 1.0
"""The output of every cell lies from -1 to 1, and so does its initial hidden state."""

MAX_CELL = 1024.0
"""The cell state of an LSTM grows by at most 1 at a character."""


def tensor_shapes(model: ModelConfig, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """
    The shape of every tensor by its name, in the order of the network's `state_dict`.

    Args:
        model: The settings.
        vocabulary: How many different ids there are.
    """
    E, H, G = model.embedding, model.hidden, GATE_COUNT[model.cell] * model.hidden
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (vocabulary, E)}
    for depth in range(model.layers):
        shapes |= {
            f"layers.{depth}.weight_ih_l0": (G, H if depth else E),
            f"layers.{depth}.weight_hh_l0": (G, H),
            f"layers.{depth}.bias_ih_l0": (G,),
            f"layers.{depth}.bias_hh_l0": (G,),
        }
    shapes |= {"head.weight": (vocabulary, H), "head.bias": (vocabulary,)}
    if model.initial_state == "learned":
        parts = ("hidden", "cell") if model.cell == "lstm" else ("hidden",)
        for depth in range(model.layers):
            shapes |= {f"initial.{depth}.{part}": (H,) for part in parts}
    return shapes


def parameter_count(model: ModelConfig, vocabulary: int) -> int:
    """How many numbers a model has."""
    return sum(math.prod(shape) for shape in tensor_shapes(model, vocabulary).values())


def out_of_range(tensors: Mapping[str, Array]) -> str | None:
    """
    The first of *tensors* with a number outside its range, or with a NaN.

    Returns:
        Its name and its range, for an error; None if all numbers are in range.
    """
    for name, tensor in tensors.items():
        # no mask of the size of the tensor; both are NaN where any number is
        numbers = widen(tensor)
        lowest, highest = numbers.min(), numbers.max()
        limit = max_magnitude(name)
        if not (lowest >= -limit and highest <= limit):
            shown = "2^53" if limit == MAX_WEIGHT else f"{limit:g}"
            return f"no number from -{shown} to {shown}: {name}"
    return None


def max_magnitude(name: str) -> float:
    """How far from 0 the numbers of a tensor may be, by its name."""
    if not name.startswith("initial."):
        return MAX_WEIGHT
    return MAX_CELL if name.endswith(".cell") else MAX_HIDDEN
