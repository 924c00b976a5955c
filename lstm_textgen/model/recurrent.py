"""
The recurrent state of a layer and of the network, carried from window to window.

Shapes: B streams, H hidden units.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lstm_textgen.config import ModelConfig


@dataclass(frozen=True, slots=True)
class LayerState:
    """The recurrent state of one layer between two characters."""

    hidden: Float[Tensor, "B H"]
    cell: Float[Tensor, "B H"] | None = None
    """The cell state of an LSTM. GRU and RNN have `hidden` alone."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "LayerState":
        """The same state with *change* applied to each tensor."""
        cell = None if self.cell is None else change(self.cell)
        return LayerState(change(self.hidden), cell)


@dataclass(frozen=True, slots=True)
class StackState:
    """The recurrent state of all layers, lowest first."""

    layers: tuple[LayerState, ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> "StackState":
        """The same state with *change* applied to each tensor."""
        return StackState(tuple(layer.map(change) for layer in self.layers))

    def select(self, streams: slice | Tensor) -> "StackState":
        """The state of some streams, by slice or by index."""
        return self.map(lambda tensor: tensor[streams])

    def where(self, streams: Tensor, other: "StackState") -> "StackState":
        """This state for the streams that are marked, that of *other* elsewhere."""
        theirs = other.tensors()
        mixed = {
            name: torch.where(streams.unsqueeze(-1), ours, theirs[name])
            for name, ours in self.tensors().items()
        }
        return StackState.from_tensors(mixed)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under a name such as `0.hidden`, as in a file."""
        named = {f"{i}.hidden": layer.hidden for i, layer in enumerate(self.layers)}
        for i, layer in enumerate(self.layers):
            if layer.cell is not None:
                named[f"{i}.cell"] = layer.cell
        return named

    @classmethod
    def from_tensors(cls, named: dict[str, Tensor]) -> "StackState":
        """The inverse of `tensors`."""
        depth = sum(name.endswith(".hidden") for name in named)
        layers = (
            LayerState(named[f"{i}.hidden"], named.get(f"{i}.cell"))
            for i in range(depth)
        )
        return cls(tuple(layers))


def zero_state(
    config: ModelConfig,
    streams: int,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> StackState:
    """The state of *streams* streams that is all zeros."""

    def zeros() -> Tensor:
        return torch.zeros(streams, config.hidden, device=device, dtype=dtype)

    has_cell = config.cell == "lstm"
    layers = (
        LayerState(zeros(), zeros() if has_cell else None) for _ in range(config.layers)
    )
    return StackState(tuple(layers))
