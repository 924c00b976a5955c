"""
A text, what happened inside while it was read, and which units are worth a look.

Shapes: T characters, H hidden units, U units of all layers.

Read a text, and write down what happens inside at every character.

A layer reads a whole window at once as far as its input goes, and character by
character as far as its memory goes; its gates are then worked out for the window in
one go. The equations are those of `model.cells`.

Shapes: N ids, T characters, E inputs, H hidden units, G gate rows, V vocabulary,
K guesses. Ids and characters are the same but for a model of bytes, where a character
is told by its last byte.

What a unit does most of the time: how its gates stand, and how long it remembers.

Shapes: T characters, H hidden units.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from lstm_textgen.config import Cell, ModelConfig
from lstm_textgen.inspect.clamp import Clamp, Held, hold
from lstm_textgen.inspect.gates import GATED, KEEPER, MEMORY, SIGNALS, Unit
from lstm_textgen.inspect.probes import Finding, find
from lstm_textgen.model.cells import gru_gates, lstm_gates
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.model.stack import walk
from lstm_textgen.text.tokenizer import Tokenizer

IN_TURN = 5
"""Units of each property, and units that remember longest, that come first."""


@dataclass(frozen=True, slots=True, eq=False)
class Habits:
    """The units of one layer over a whole text."""

    shut: dict[str, Float[np.ndarray, " H"]]
    """For each gate, the share of characters at which it was below 0.1."""

    open: dict[str, Float[np.ndarray, " H"]]
    """For each gate, the share of characters at which it was above 0.9."""

    half_life: Float[np.ndarray, " H"] | None
    """
    Characters after which half of a memory is left, ln 2 / -mean(ln f).

    f is the forget gate of an LSTM, the update gate of a GRU; an RNN has neither.
    The geometric mean, because the gates of a stretch multiply. Infinite for a gate
    that was never below 1.
    """

    def saturation(self) -> Float[np.ndarray, " H"] | None:
        """Share of time that a gate was shut or open, the mean over the gates."""
        if not self.shut:
            return None
        shares = [self.shut[gate] + self.open[gate] for gate in self.shut]
        return np.asarray(np.mean(shares, axis=0))


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


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is shown of a text."""

    text: str
    model: ModelConfig
    names: tuple[str, ...]
    """What each id stands for; a byte that is no character by its number."""
    trace: Trace
    findings: tuple[Finding, ...]
    """Empty for a text that is too short to find anything."""

    @cached_property
    def memory(self) -> Shaped[np.ndarray, "T U"]:
        """What every unit remembered after each character."""
        return _memory(self.trace)

    @cached_property
    def half_life(self) -> Float[np.ndarray, " U"] | None:
        """Characters after which half of a memory is left; None for an RNN."""
        lives = [habits.half_life for habits in self.trace.habits]
        known = [life for life in lives if life is not None]
        return np.concatenate(known) if known else None

    @cached_property
    def saturation(self) -> Float[np.ndarray, " U"] | None:
        """Share of the time that the gates were shut or open; None for an RNN."""
        shares = [habits.saturation() for habits in self.trace.habits]
        known = [share for share in shares if share is not None]
        return np.concatenate(known) if known else None

    @cached_property
    def interest(self) -> Float[np.ndarray, " U"]:
        """How far above chance each unit follows its best property; 0 for none."""
        above = [finding.strength - finding.chance for finding in self.findings]
        return np.asarray(np.max([np.zeros(self.units), *above], axis=0))

    @cached_property
    def spread(self) -> Float[np.ndarray, " U"]:
        """How much each unit's output moves: its standard deviation."""
        moves = [
            layer["hidden"].std(axis=0, dtype=np.float64) for layer in self.trace.layers
        ]
        return np.concatenate(moves)

    @property
    def bits_per_char(self) -> float:
        """The mean surprise; not a number where nothing was predicted."""
        known = self.trace.bits[np.isfinite(self.trace.bits)]
        return float(known.mean()) if known.size else math.nan

    @property
    def units(self) -> int:
        """U, how many there are."""
        return self.model.layers * self.model.hidden

    def place(self, number: int) -> Unit:
        """Layer and unit of the unit with this number, from 0 to U - 1."""
        return divmod(number, self.model.hidden)

    def number(self, unit: Unit) -> int:
        """The way back from `place`."""
        return unit[0] * self.model.hidden + unit[1]

    def signal(self, unit: Unit, name: str) -> Shaped[np.ndarray, " T"]:
        """One of the `SIGNALS` of a unit after each character."""
        layer, column = unit
        return np.asarray(self.trace.layers[layer][name][:, column])

    def best_property(self, number: int) -> Finding | None:
        """The property that a unit follows farthest above chance, if any."""
        if self.interest[number] <= 0:
            return None
        return max(self.findings, key=lambda one: one.strength[number] - one.chance)

    def ranked(self, layers: Sequence[int] = ()) -> list[Unit]:
        """
        The units, the most interesting first.

        First by turns the best ones of each property and those that remember longest,
        then all by their interest, and those without any by how much their output
        moves.

        Args:
            layers: Only units of these; empty for all.
        """
        ours = [
            n for n in range(self.units) if not layers or self.place(n)[0] in layers
        ]
        order = sorted(ours, key=lambda n: (-self.interest[n], -self.spread[n]))
        clearest = sorted(self.findings, key=lambda f: f.chance - f.strength.max())
        allowed = set(ours)
        best = [[n for n in f.best(self.units) if n in allowed] for f in clearest]
        if self.half_life is not None:
            lives = self.half_life
            best.append(sorted(ours, key=lambda n: -lives[n]))
        turns = itertools.zip_longest(*(numbers[:IN_TURN] for numbers in best))
        firsts = [n for turn in turns for n in turn if n is not None]
        return [self.place(n) for n in dict.fromkeys(firsts + order)]


def inspect_text(
    model: CharModel,
    tokenizer: Tokenizer,
    text: str,
    *,
    opening: str = "",
    clamps: Sequence[Clamp] = (),
    keep: DTypeLike = np.float32,
    progress: Callable[[int], None] | None = None,
) -> Inspection:
    """
    Read *text* and find out what its units do.

    Args:
        model: Reads it from its initial state.
        tokenizer: Knows every character of it.
        text: At least 1 character.
        opening: What is read before, and not shown.
        clamps: What is held while it reads.
        keep: How the numbers are kept, as for `trace.read`.
        progress: Called with the number of ids of each window read.
    """
    ids = tokenizer.encode(opening + text)
    begins = tokenizer.begins
    ends = None if begins is None else np.append(begins[ids][1:], True)
    whole = trace_text(
        model, ids, clamps=clamps, ends=ends, keep=keep, progress=progress
    )
    trace = whole.after(len(opening))
    return Inspection(
        text=text,
        model=model.config,
        names=tuple(_name(tokenizer, id) for id in range(tokenizer.size)),
        trace=trace,
        findings=tuple(find(text, _memory(trace))),
    )


def _memory(trace: Trace) -> Shaped[np.ndarray, "T U"]:
    name = MEMORY[trace.cell]
    return np.concatenate([layer[name] for layer in trace.layers], axis=1)


def _name(tokenizer: Tokenizer, id: int) -> str:
    if tokenizer.kind == "byte" and id > 0x7F:
        return f"\\x{id:02x}"
    return tokenizer.decode([id])


TRACE_WINDOW = 512
"""Characters that are worked on at a time: memory, not meaning."""

GUESSES = 5
"""How many of the likeliest next characters are kept."""

GATE_EQUATIONS: dict[Cell, Callable[[Tensor, Tensor], Any]] = {
    "lstm": lstm_gates,
    "gru": gru_gates,
}

Signals = dict[str, Tensor]


@torch.inference_mode()
def trace_text(
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
    tallies = [HabitCounter(config.cell, config.hidden) for _ in layers]
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
    signals: list[Signals] = []

    def layer_step(
        depth: int, x: Tensor, before: LayerState
    ) -> tuple[Tensor, LayerState]:
        read, after = read_layer(model.config.cell, held[depth], x, before)
        signals.append(read)
        return read["hidden"], after

    for start in range(0, len(ids), TRACE_WINDOW):
        window = torch.from_numpy(ids[start : start + TRACE_WINDOW].astype(np.int64))
        x = model.embedding(window.to(model.head.weight.device))
        signals.clear()
        x, after = walk(x, state.layers, layer_step, residual=model.config.residual)
        state = StackState(after)
        nats = model.head(x).log_softmax(dim=-1).neg().cpu()
        yield start, list(signals), nats


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
    gates = GATE_EQUATIONS[cell](a, m) if cell in GATE_EQUATIONS else None
    own = {"hidden": hidden, "memory": memory}
    named = {name: own[name] for name in SIGNALS[cell] if name in own}
    opened = (name for name in SIGNALS[cell] if name not in own)
    return {name: getattr(gates, name) for name in opened} | named, state


SHUT, OPEN = 0.1, 0.9
"""Below the one a gate counts as shut, above the other as open."""


class HabitCounter:
    """
    Counts what `Habits` tells, window by window, before anything is rounded.

    Args:
        cell: The kind of cell.
        hidden: Its units.
    """

    def __init__(self, cell: Cell, hidden: int) -> None:
        self._keeper = KEEPER.get(cell)
        zeros = {gate: np.zeros(hidden) for gate in GATED[cell]}
        self._shut, self._open = (
            zeros,
            {gate: zero.copy() for gate, zero in zeros.items()},
        )
        self._logs = np.zeros(hidden)
        self._count = 0

    def add(
        self, gates: dict[str, Float[Tensor, "T H"]], ends: Bool[Tensor, " T"]
    ) -> None:
        """
        One more window; of the signals in it only the gates count.

        A character may be several bytes: its gates are those at the last of them, but
        a memory goes through all.

        Args:
            gates: The signals.
            ends: Which places end a character.
        """
        for gate in self._shut:
            values = gates[gate].cpu()[ends]
            self._shut[gate] += (values < SHUT).sum(dim=0).numpy()
            self._open[gate] += (values > OPEN).sum(dim=0).numpy()
        if self._keeper is not None:
            logs = gates[self._keeper].to(torch.float64).log().sum(dim=0)
            self._logs += logs.cpu().numpy()
        self._count += int(ends.sum())

    def habits(self) -> Habits:
        """The shares and half-lives of everything that was added."""
        shut = {gate: count / self._count for gate, count in self._shut.items()}
        open_ = {gate: count / self._count for gate, count in self._open.items()}
        if self._keeper is None:
            return Habits(shut, open_, None)
        with np.errstate(divide="ignore"):
            half_life = math.log(2) / -(self._logs / self._count)
        return Habits(shut, open_, np.abs(half_life))
