"""
Read a text, and write down what happens inside at every character.

A layer reads a whole window at once as far as its input goes, and character by
character as far as its memory goes; its gates are then worked out for the window in
one go. The equations are those of `model.cells`.

Shapes: N ids, T characters, E inputs, H hidden units, G gate rows, V vocabulary,
K guesses. Ids and characters are the same but for a model of bytes, where a character
is told by its last byte.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from lstm_textgen.config import Cell
from lstm_textgen.insight.clamp import Clamp, Held, hold
from lstm_textgen.insight.habits import Habits, Tally
from lstm_textgen.insight.signals import SIGNALS
from lstm_textgen.model.cells import gru_gates, lstm_gates
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.state import LayerState, StackState

WINDOW = 512
"""Characters that are worked on at a time: memory, not meaning."""

GUESSES = 5
"""How many of the likeliest next characters are kept."""

OPEN: dict[Cell, Callable[[Tensor, Tensor], Any]] = {
    "lstm": lstm_gates,
    "gru": gru_gates,
}

Signals = dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What happened inside while a text was read."""

    cell: Cell
    layers: tuple[dict[str, Shaped[np.ndarray, "T H"]], ...]
    """The `SIGNALS` of each layer after every character, lowest layer first."""

    bits: Float[np.ndarray, " T"]
    """The surprise at each character; not a number where nothing stood before it."""

    guesses: Int[np.ndarray, "T K"]
    """Ids of the likeliest next characters after each one, the likeliest first."""

    chances: Float[np.ndarray, "T K"]
    """Their probabilities."""

    habits: tuple[Habits, ...]
    """Gates and memory of each layer over the whole text."""

    def __len__(self) -> int:
        return len(self.bits)

    def after(self, start: int) -> "Trace":
        """The same without the first *start* characters; `habits` stay."""
        return replace(
            self,
            layers=tuple(
                {name: values[start:] for name, values in layer.items()}
                for layer in self.layers
            ),
            bits=self.bits[start:],
            guesses=self.guesses[start:],
            chances=self.chances[start:],
        )


@torch.inference_mode()
def read(
    model: CharModel,
    ids: Int[np.ndarray, " N"] | NDArray[np.unsignedinteger],
    *,
    clamps: Sequence[Clamp] = (),
    ends: NDArray[np.bool_] | None = None,
    keep: DTypeLike = np.float32,
    progress: Callable[[int], None] | None = None,
) -> Trace:
    """
    Read a text from its beginning and keep everything.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: The text, at least 1 id.
        clamps: What is held while it reads.
        ends: Which ids end a character: only there something is kept, and the bits
            of a character are those of all its ids. None for all.
        keep: How the numbers of the layers are kept. float16 takes half the room.
        progress: Called with the number of ids of each window read.
    """
    ends = np.ones(len(ids), np.bool_) if ends is None else ends
    count, config = int(ends.sum()), model.config
    guesses = min(GUESSES, model.vocabulary)
    layers: tuple[dict[str, NDArray[Any]], ...] = tuple(
        {name: np.empty((count, config.hidden), keep) for name in SIGNALS[config.cell]}
        for _ in range(config.layers)
    )
    found = np.empty((count, guesses), np.int64), np.empty((count, guesses))
    bits = np.full(len(ids), math.nan)
    tallies = [Tally(config.cell, config.hidden) for _ in layers]
    done = 0
    for start, signals, costs in _windows(model, ids, clamps):
        here = torch.from_numpy(ends[start : start + len(costs)])
        rows = slice(done, done := done + int(here.sum()))
        for kept, tally, layer in zip(layers, tallies, signals, strict=True):
            tally.add(layer, here)
            for name, values in kept.items():
                values[rows] = layer[name].cpu()[here].numpy()
        paid, likeliest = costs[here].topk(guesses, largest=False)
        found[0][rows], found[1][rows] = likeliest.numpy(), paid.neg().exp().numpy()
        coming = torch.from_numpy(ids[start + 1 : start + 1 + len(costs)].astype(int))
        nats = costs[: len(coming)].gather(1, coming[:, None])[:, 0]
        bits[start + 1 : start + 1 + len(nats)] = nats.numpy() / math.log(2)
        if progress is not None:
            progress(len(costs))
    begins = np.flatnonzero(np.append(True, ends[:-1]))
    by_character = np.add.reduceat(bits, begins)[:count]
    habits = tuple(tally.habits() for tally in tallies)
    return Trace(config.cell, layers, by_character, *found, habits)


def _windows(
    model: CharModel, ids: NDArray[Any], clamps: Sequence[Clamp]
) -> Iterator[tuple[int, list[Signals], Float[Tensor, "T V"]]]:
    """
    Window by window: where it begins, the signals of each layer, and nats.

    The nats are what each character would cost as the next one.
    """
    held, state = hold(model, clamps), model.initial_state(1)
    for start in range(0, len(ids), WINDOW):
        window = torch.from_numpy(ids[start : start + WINDOW].astype(np.int64))
        x = model.embedding(window.to(model.head.weight.device))
        states, signals = [], []
        for depth, (layer, before) in enumerate(zip(held, state.layers, strict=True)):
            found, after = read_layer(model.config.cell, layer, x, before)
            residual = depth > 0 and model.config.residual
            x = x + found["hidden"] if residual else found["hidden"]
            states.append(after)
            signals.append(found)
        state = StackState(tuple(states))
        yield start, signals, model.head(x).log_softmax(dim=-1).neg().cpu()


def read_layer(
    cell: Cell, layer: Held, x: Float[Tensor, "T E"], state: LayerState
) -> tuple[Signals, LayerState]:
    """
    Read a window with one layer.

    Returns:
        Its signals, each (T, H), and its memory after the window.
    """
    a = layer.inputs(x)
    m = torch.empty_like(a)
    hidden = a.new_empty(len(x), state.hidden.shape[1])
    memory = torch.empty_like(hidden)
    for now in range(len(x)):
        m[now : now + 1], state = layer.step(a[now : now + 1], state)
        hidden[now] = state.hidden[0]
        if state.cell is not None:
            memory[now] = state.cell[0]
    gates = OPEN[cell](a, m) if cell in OPEN else None
    own = {"hidden": hidden, "memory": memory}
    named = {name: own[name] for name in SIGNALS[cell] if name in own}
    opened = (name for name in SIGNALS[cell] if name not in own)
    return {name: getattr(gates, name) for name in opened} | named, state
