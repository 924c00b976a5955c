"""
What a unit does most of the time: how its gates stand, and how long it remembers.

Shapes: T characters, H hidden units.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lstm_textgen.config import Cell
from lstm_textgen.insight.signals import GATED, KEEPER

SHUT, OPEN = 0.1, 0.9
"""Below the one a gate counts as shut, above the other as open."""


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


class Tally:
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
