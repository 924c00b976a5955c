"""What a comparison found: values with their spread over seeds, for JSON and pages."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from lstm_textgen import __version__
from lstm_textgen.config import Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A figure by seeds; None where a seed has none."""

    each: tuple[float | None, ...]

    @property
    def known(self) -> tuple[float, ...]:
        return tuple(value for value in self.each if value is not None)

    @property
    def mean(self) -> float | None:
        return sum(self.known) / len(self.known) if self.known else None

    @property
    def middle(self) -> float | None:
        """The median, in which None counts as more than any figure."""
        ranked = sorted(self.each, key=lambda x: float("inf") if x is None else x)
        return ranked[(len(ranked) - 1) // 2] if ranked else None

    def to_json(self) -> dict[str, Any]:
        """Mean, lowest, highest, and each."""
        low, high = (min(self.known), max(self.known)) if self.known else (None, None)
        return {"mean": self.mean, "low": low, "high": high, "each": list(self.each)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Figures over something, by seeds: `y[seed][point]` at `x[point]`."""

    x: tuple[float, ...]
    y: tuple[tuple[float, ...], ...]

    def mean(self) -> list[float]:
        """Over the seeds, at every point; empty without seeds."""
        return [sum(column) / len(column) for column in zip(*self.y, strict=True)]

    def low(self) -> list[float]:
        """The lowest of the seeds, at every point."""
        return [min(column) for column in zip(*self.y, strict=True)]

    def high(self) -> list[float]:
        """The highest of the seeds, at every point."""
        return [max(column) for column in zip(*self.y, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """The points, and the figures of every seed."""
        return {"x": list(self.x), "y": [list(row) for row in self.y]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A learning rate, chosen from trials."""

    rate: float
    tried: tuple[tuple[float, float | None], ...]
    """Rate and score; None for one that ran away."""
    by_chance: bool = False
    """Whether no rate did better than guessing, so that none could be chosen."""

    @property
    def at_edge(self) -> bool:
        """Whether a rate beyond those that were tried might be better still."""
        if self.by_chance:
            return False
        rates = [rate for rate, _ in self.tried]
        return self.rate in (min(rates), max(rates))

    def to_json(self) -> dict[str, Any]:
        tried = [{"rate": rate, "score": score} for rate, score in self.tried]
        told = {"rate": self.rate, "at_edge": self.at_edge, "by_chance": self.by_chance}
        return told | {"tried": tried}


@dataclass(frozen=True, kw_only=True, slots=True)
class CellOnText:
    """What one cell learned from the text."""

    cell: Cell
    choice: Choice
    """Scored by nats per character."""
    nats_per_char: Spread
    seconds: Spread
    """Of training alone."""
    by_characters: Curve
    """Nats per character over characters read."""
    by_seconds: Curve
    """The same over seconds: those of each seed are its own, here their mean."""
    untrained: Curve
    """Gradient norm over k, before training."""
    trained: Curve
    reach_untrained: Spread
    """Where the gradient falls under 1 % of that at k = 1; None: not in the window."""
    reach_trained: Spread
    context: Curve
    """Nats per character over the characters given."""
    context_end: Spread
    """The shortest context that no longer one beats by more than 0.01 nats."""
    seeds: tuple[int, ...]
    """Those whose figures these are, in their order; others ran away."""
    diverged: int
    """How many ran away and are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellOnTask:
    """How far one cell remembers in a task."""

    cell: Cell
    choice: Choice
    """Scored by mean accuracy."""
    accuracy: Curve
    """Share of right answers over distance."""
    half_way: Spread
    """The distance at which it falls half way to the baseline; None: it does not."""
    seeds: tuple[int, ...]
    diverged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OnTask:
    """All cells on one task."""

    name: str
    title: str
    example: str
    baseline: float
    steps: int
    cells: tuple[CellOnTask, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CellTerms:
    """The terms on which a cell was compared."""

    cell: Cell
    hidden: int
    recurrent_parameters: int
    parameters: int
    task_hidden: int
    task_parameters: int
    kernel: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult:
    """Everything that was found."""

    corpus: str
    characters: int
    vocabulary: int
    held_out: int
    text: str
    """The digest of the text."""
    machine: str
    seeds: int
    characters_read: int
    """By every network that is reported."""
    questions: int
    """By which a network was judged, at each distance of each task."""
    terms: tuple[CellTerms, ...]
    texts: tuple[CellOnText, ...]
    tasks: tuple[OnTask, ...]
    reach_ratios: tuple[tuple[Cell, Spread], ...]
    """Gradient at k = 100 as a share of that at k = 1: the LSTM's over another's."""
    reach_ratios_untrained: tuple[tuple[Cell, Spread], ...]
    """The same before training."""


def result_json(found: StudyResult) -> dict[str, Any]:
    """All of it as plain JSON, with the versions that made it."""
    made_by = {"textgen": __version__, "torch": torch.__version__}
    plain: dict[str, Any] = _plain(found)
    return {"format": 1, "made_by": made_by} | plain


def _plain(value: Any) -> Any:
    if isinstance(value, Spread | Curve | Choice):
        return value.to_json()
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
