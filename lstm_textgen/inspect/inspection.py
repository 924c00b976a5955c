"""
Read a text and keep every signal of every unit, with habits, findings and a ranking.

A layer projects a whole window of inputs at once and steps through it character by
character; its gates are then computed for the window in one go. The equations are those
of `model.cells`.

Shapes: N ids, T characters, E inputs, H hidden units, U units of all layers, V
vocabulary, K guesses. N is T but for a model of bytes, where a character is represented
by its last byte.
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
from lstm_textgen.inspect.clamp import Clamp, ClampedLayer, clamped_layers
from lstm_textgen.inspect.gates import CELL_SIGNALS, Unit
from lstm_textgen.inspect.probes import Finding, probe_units
from lstm_textgen.model.cells import gru_gates, lstm_gates
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.model.stack import walk
from lstm_textgen.text.tokenizer import Tokenizer

TRACE_WINDOW = 512
"""Characters that are processed at a time: it bounds memory and changes no result."""

GUESSES = 5
"""How many of the most likely next characters are kept."""

FEATURED = 5
"""Units that are ranked first for each property, and for their half-life."""

SHUT_BELOW, OPEN_ABOVE = 0.1, 0.9
"""Where a gate counts as shut or open."""

GATE_EQUATIONS: dict[Cell, Callable[[Tensor, Tensor], Any]] = {
    "lstm": lstm_gates,
    "gru": gru_gates,
}

Signals = dict[str, Tensor]
"""The signals of a layer over a window by name, each (T, H)."""


@dataclass(frozen=True, slots=True, eq=False)
class Habits:
    """What the units of one layer do most of the time, over a whole text."""

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
        """Share of characters at which a gate was shut or open, mean over the gates."""
        if not self.shut:
            return None
        shares = [self.shut[gate] + self.open[gate] for gate in self.shut]
        return np.asarray(np.mean(shares, axis=0))


class HabitCounter:
    """
    Accumulates `Habits` window by window, before anything is rounded.

    Args:
        cell: The kind of cell.
        hidden: Units of the layer.
    """

    def __init__(self, cell: Cell, hidden: int) -> None:
        self._retention = CELL_SIGNALS[cell].retention_gate
        self._shut = {gate: np.zeros(hidden) for gate in CELL_SIGNALS[cell].gates}
        self._open = {gate: np.zeros(hidden) for gate in CELL_SIGNALS[cell].gates}
        self._logs = np.zeros(hidden)
        self._count = 0

    def add(self, signals: Signals, char_ends: Bool[Tensor, " N"]) -> None:
        """
        Count one more window.

        Of a character of several bytes the gates are those at the last one, but the
        memory decays at all of them.

        Args:
            signals: At every id of the window.
            char_ends: Which ids end a character.
        """
        for gate in self._shut:
            values = signals[gate].cpu()[char_ends]
            self._shut[gate] += (values < SHUT_BELOW).sum(dim=0).numpy()
            self._open[gate] += (values > OPEN_ABOVE).sum(dim=0).numpy()
        if self._retention is not None:
            logs = signals[self._retention].to(torch.float64).log().sum(dim=0)
            self._logs += logs.cpu().numpy()
        self._count += int(char_ends.sum())

    def habits(self) -> Habits:
        """The shares and half-lives over all windows."""
        shut = {gate: count / self._count for gate, count in self._shut.items()}
        open_ = {gate: count / self._count for gate, count in self._open.items()}
        if self._retention is None:
            return Habits(shut, open_, None)
        with np.errstate(divide="ignore"):
            half_life = math.log(2) / -(self._logs / self._count)
        return Habits(shut, open_, np.abs(half_life))


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What happened inside a model while it read a text."""

    cell: Cell
    layers: tuple[dict[str, Shaped[np.ndarray, "T H"]], ...]
    """The `CELL_SIGNALS` of each layer after every character, lowest layer first."""

    bits: Float[np.ndarray, " T"]
    """The surprise at each character; NaN where nothing came before it."""

    guesses: Int[np.ndarray, "T K"]
    """Ids of the most likely next characters after each one, most likely first."""

    guess_probs: Float[np.ndarray, "T K"]
    """Their probabilities."""

    habits: tuple[Habits, ...]
    """Gates and memory of each layer over the whole text."""

    def __len__(self) -> int:
        return len(self.bits)

    def after(self, start: int) -> "Trace":
        """Drop the first *start* characters; `habits` stay."""
        return replace(
            self,
            layers=tuple(
                {name: values[start:] for name, values in layer.items()}
                for layer in self.layers
            ),
            bits=self.bits[start:],
            guesses=self.guesses[start:],
            guess_probs=self.guess_probs[start:],
        )

    def memory(self) -> Shaped[np.ndarray, "T U"]:
        """The memory of every unit after each character."""
        name = CELL_SIGNALS[self.cell].memory
        return np.concatenate([layer[name] for layer in self.layers], axis=1)


@dataclass(frozen=True, eq=False)
class Inspection:
    """A text with its trace, and which units are worth a look."""

    text: str
    model: ModelConfig
    id_names: tuple[str, ...]
    """What each id stands for; a byte above 0x7F by its number."""
    trace: Trace
    findings: tuple[Finding, ...]
    """Empty for a text that is too short to find anything."""

    @cached_property
    def memory(self) -> Shaped[np.ndarray, "T U"]:
        """The memory of every unit after each character."""
        return self.trace.memory()

    @cached_property
    def half_life(self) -> Float[np.ndarray, " U"] | None:
        """Characters after which half of a memory is left; None for an RNN."""
        return _joined([habits.half_life for habits in self.trace.habits])

    @cached_property
    def saturation(self) -> Float[np.ndarray, " U"] | None:
        """Share of the time that the gates were shut or open; None for an RNN."""
        return _joined([habits.saturation() for habits in self.trace.habits])

    @cached_property
    def interest(self) -> Float[np.ndarray, " U"]:
        """How far above chance each unit follows its best property; at least 0."""
        margins = [finding.strength - finding.chance for finding in self.findings]
        return np.asarray(np.max([np.zeros(self.units), *margins], axis=0))

    @cached_property
    def output_std(self) -> Float[np.ndarray, " U"]:
        """The standard deviation of each unit's output."""
        deviations = [
            layer["hidden"].std(axis=0, dtype=np.float64) for layer in self.trace.layers
        ]
        return np.concatenate(deviations)

    @property
    def bits_per_char(self) -> float:
        """The mean surprise; NaN where nothing was predicted."""
        known = self.trace.bits[np.isfinite(self.trace.bits)]
        return float(known.mean()) if known.size else math.nan

    @property
    def units(self) -> int:
        """U, the units of all layers."""
        return self.model.layers * self.model.hidden

    def unit_at(self, index: int) -> Unit:
        """Layer and unit of a column of `memory`, 0 to U - 1."""
        return divmod(index, self.model.hidden)

    def index_of(self, unit: Unit) -> int:
        """The inverse of `unit_at`."""
        return unit[0] * self.model.hidden + unit[1]

    def units_of(self, layers: Sequence[int] = ()) -> list[Unit]:
        """All units of some layers in their order; empty for all layers."""
        units = map(self.unit_at, range(self.units))
        return [unit for unit in units if not layers or unit[0] in layers]

    def signal(self, unit: Unit, name: str) -> Shaped[np.ndarray, " T"]:
        """One of the `CELL_SIGNALS` of a unit after each character."""
        layer, column = unit
        return np.asarray(self.trace.layers[layer][name][:, column])

    def best_property(self, index: int) -> Finding | None:
        """The property that a unit follows farthest above chance, if any."""
        if self.interest[index] <= 0:
            return None
        return max(self.findings, key=lambda f: f.strength[index] - f.chance)

    def ranked(self, layers: Sequence[int] = ()) -> list[Unit]:
        """
        The units, the most interesting first.

        First in turn the best ones of each property and those with the longest
        half-life, then all by their interest, and those without any by how much their
        output varies.

        Args:
            layers: Only units of these; empty for all.
        """
        indices = [self.index_of(unit) for unit in self.units_of(layers)]
        by_interest = sorted(
            indices, key=lambda n: (-self.interest[n], -self.output_std[n])
        )
        clearest = sorted(self.findings, key=lambda f: f.chance - f.strength.max())
        allowed = set(indices)
        best = [
            [n for n in finding.above_chance(self.units) if n in allowed]
            for finding in clearest
        ]
        if self.half_life is not None:
            lives = self.half_life
            best.append(sorted(indices, key=lambda n: -lives[n]))
        turns = itertools.zip_longest(*(ranking[:FEATURED] for ranking in best))
        featured = [n for turn in turns for n in turn if n is not None]
        return [self.unit_at(n) for n in dict.fromkeys(featured + by_interest)]


def _joined(
    layers: Sequence[Float[np.ndarray, " H"] | None],
) -> Float[np.ndarray, " U"] | None:
    known = [values for values in layers if values is not None]
    return np.concatenate(known) if known else None


def inspect_text(
    model: CharModel,
    tokenizer: Tokenizer,
    text: str,
    *,
    opening: str = "",
    clamps: Sequence[Clamp] = (),
    dtype: DTypeLike = np.float32,
    progress: Callable[[int], None] | None = None,
) -> Inspection:
    """
    Read *text* and find out what its units do.

    Args:
        model: Reads it from its initial state.
        tokenizer: Knows every character of it.
        text: At least 1 character.
        opening: Read before it, and not shown.
        clamps: What is held while it is read.
        dtype: How the signals are kept. float16 takes half the room.
        progress: Called with the number of ids of each window read.
    """
    ids = tokenizer.encode(opening + text)
    begins = tokenizer.begins
    whole = trace_text(
        model,
        ids,
        clamps=clamps,
        char_ends=None if begins is None else np.append(begins[ids][1:], True),
        dtype=dtype,
        progress=progress,
    )
    trace = whole.after(len(opening))
    return Inspection(
        text=text,
        model=model.config,
        id_names=tuple(map(tokenizer.id_name, range(tokenizer.size))),
        trace=trace,
        findings=tuple(probe_units(text, trace.memory())),
    )


@torch.inference_mode()
def trace_text(
    model: CharModel,
    ids: Int[np.ndarray, " N"] | NDArray[np.unsignedinteger],
    *,
    clamps: Sequence[Clamp] = (),
    char_ends: NDArray[np.bool_] | None = None,
    dtype: DTypeLike = np.float32,
    progress: Callable[[int], None] | None = None,
) -> Trace:
    """
    Read a text from its beginning and keep everything.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: The text, at least 1 id.
        clamps: What is held while it is read.
        char_ends: Which ids end a character: signals are kept only there, and the
            bits of a character are those of all its ids. None for all.
        dtype: How the signals are kept. float16 takes half the room.
        progress: Called with the number of ids of each window read.
    """
    char_ends = np.ones(len(ids), np.bool_) if char_ends is None else char_ends
    count, config = int(char_ends.sum()), model.config
    guess_count = min(GUESSES, model.vocabulary)
    layers: tuple[dict[str, NDArray[Any]], ...] = tuple(
        {
            name: np.empty((count, config.hidden), dtype)
            for name in CELL_SIGNALS[config.cell].names
        }
        for _ in range(config.layers)
    )
    guesses = np.empty((count, guess_count), np.int64)
    guess_probs = np.empty((count, guess_count))
    id_bits = np.full(len(ids), math.nan)
    counters = [HabitCounter(config.cell, config.hidden) for _ in layers]
    done = 0
    for start, signals, nats in _windows(model, ids, clamps):
        ends = torch.from_numpy(char_ends[start : start + len(nats)])
        rows = slice(done, done := done + int(ends.sum()))
        for kept, counter, layer in zip(layers, counters, signals, strict=True):
            counter.add(layer, ends)
            for name, values in kept.items():
                values[rows] = layer[name].cpu()[ends].numpy()
        best_nats, best_ids = nats[ends].topk(guess_count, largest=False)
        guesses[rows] = best_ids.numpy()
        guess_probs[rows] = best_nats.neg().exp().numpy()
        next_ids = torch.from_numpy(ids[start + 1 :][: len(nats)].astype(np.int64))
        next_nats = nats[: len(next_ids)].gather(1, next_ids[:, None])[:, 0]
        id_bits[start + 1 :][: len(next_nats)] = next_nats.numpy() / math.log(2)
        if progress is not None:
            progress(len(nats))
    char_begins = np.flatnonzero(np.append(True, char_ends[:-1]))
    bits = np.add.reduceat(id_bits, char_begins)[:count]
    habits = tuple(counter.habits() for counter in counters)
    return Trace(config.cell, layers, bits, guesses, guess_probs, habits)


def _windows(
    model: CharModel, ids: NDArray[Any], clamps: Sequence[Clamp]
) -> Iterator[tuple[int, list[Signals], Float[Tensor, "N V"]]]:
    """Window by window: its start, the signals of each layer, nats of what follows."""
    layers, state = clamped_layers(model, clamps), model.initial_state(1)
    signals: list[Signals] = []

    def layer_step(
        depth: int, x: Tensor, before: LayerState
    ) -> tuple[Tensor, LayerState]:
        layer_signals, after = read_layer(model.config.cell, layers[depth], x, before)
        signals.append(layer_signals)
        return layer_signals["hidden"], after

    for start in range(0, len(ids), TRACE_WINDOW):
        window = torch.from_numpy(ids[start : start + TRACE_WINDOW].astype(np.int64))
        x = model.embedding(window.to(model.head.weight.device))
        signals.clear()
        x, after = walk(x, state.layers, layer_step, residual=model.config.residual)
        state = StackState(after)
        nats = model.head(x).log_softmax(dim=-1).neg().cpu()
        yield start, list(signals), nats


def read_layer(
    cell: Cell, layer: ClampedLayer, x: Float[Tensor, "N E"], state: LayerState
) -> tuple[Signals, LayerState]:
    """
    Read a window with one layer.

    Returns:
        Its signals, each (N, H), and its state after the window.
    """
    a = layer.project_input(x)
    m = torch.empty_like(a)
    hidden = a.new_empty(len(x), state.hidden.shape[1])
    memory = torch.empty_like(hidden)
    for n in range(len(x)):
        m[n : n + 1], state = layer.step(a[n : n + 1], state)
        hidden[n] = state.hidden[0]
        if state.cell is not None:
            memory[n] = state.cell[0]
    signals = {"memory": memory, "hidden": hidden}
    if cell in GATE_EQUATIONS:
        gates = GATE_EQUATIONS[cell](a, m)
        for name in (*CELL_SIGNALS[cell].gates, "candidate"):
            signals[name] = getattr(gates, name)
    return {name: signals[name] for name in CELL_SIGNALS[cell].names}, state
