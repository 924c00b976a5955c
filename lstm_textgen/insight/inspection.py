"""
A text, what happened inside while it was read, and which units are worth a look.

Shapes: T characters, H hidden units, U units of all layers.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import DTypeLike

from lstm_textgen.config import ModelConfig
from lstm_textgen.insight.clamp import Clamp
from lstm_textgen.insight.finder import Finding, find
from lstm_textgen.insight.signals import MEMORY, Unit
from lstm_textgen.insight.trace import Trace, read
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.tokenizer import Tokenizer

IN_TURN = 5
"""Units of each property, and units that remember longest, that come first."""


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


def inspect(
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
    whole = read(model, ids, clamps=clamps, ends=ends, keep=keep, progress=progress)
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
