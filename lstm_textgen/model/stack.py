"""The walk up the layers of a network, for torch tensors and numpy arrays alike."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class Addable(Protocol):
    """An array of any library: what a residual connection adds up."""

    def __add__(self, other: Any, /) -> Any: ...


X = TypeVar("X", bound=Addable)
"""What a layer reads and gives out."""

S = TypeVar("S")
"""The recurrent state of one layer."""


def walk(
    x: X,
    states: Sequence[S],
    layer_step: Callable[[int, X, S], tuple[X, S]],
    *,
    residual: bool,
) -> tuple[X, tuple[S, ...]]:
    """
    Pass an input up through all layers.

        x' = x + f(x)    above the lowest layer, with residual connections
        x' = f(x)        everywhere else

    Args:
        x: What the lowest layer reads; the caller decides what that is.
        states: The recurrent state of each layer before, lowest first.
        layer_step: f: from depth, input and state before to output and state after.
        residual: Whether each layer but the lowest adds its output to its input.

    Returns:
        The output of the highest layer, and the state of each layer after.
    """
    after = []
    for depth, before in enumerate(states):
        output, state = layer_step(depth, x, before)
        x = x + output if residual and depth > 0 else output
        after.append(state)
    return x, tuple(after)
