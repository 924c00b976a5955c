"""Whether a cell keeps up with another on a task: by what is clear, not by luck."""

import math
from dataclasses import dataclass

from lstm_textgen.insight.compare.results import CellOnTask, OnTask

KEEPS_UP = 0.05
"""Share of right answers by which a cell may be behind and still keeps up."""

CLEAR = 3.0
"""Standard errors, of the questions that were asked, beyond which it is not luck."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cell beside another on one task."""

    learned: bool
    """Whether either is half way from guessing to perfect at any distance."""
    behind_from: float | None
    """The first distance at which it is clearly less often right."""
    ahead_from: float | None
    """The first distance at which it is clearly more often right."""


def verdict(task: OnTask, cell: str, beside: str, questions: int) -> Verdict | None:
    """
    Hold one cell to another, where at least one of them knows anything.

    Args:
        task: What was asked.
        cell: The one that is judged.
        beside: The one that it is held to.
        questions: By which each network was judged, at each distance.

    Returns:
        None where all networks of one of them ran away.
    """
    cells = {each.cell: each for each in task.cells}
    ours, theirs = cells[cell], cells[beside]  # type: ignore[index]
    if not (ours.accuracy.y and theirs.accuracy.y):
        return None
    middle = (1 + task.baseline) / 2
    behind: list[float] = []
    ahead: list[float] = []
    learned = False
    means = ours.accuracy.mean(), theirs.accuracy.mean()
    for distance, own, other in zip(ours.accuracy.x, *means, strict=True):
        if max(own, other) < middle:
            continue
        learned = True
        errors = _error(own, ours, questions), _error(other, theirs, questions)
        if abs(own - other) > max(KEEPS_UP, CLEAR * math.hypot(*errors)):
            (behind if own < other else ahead).append(distance)
    return Verdict(learned, next(iter(behind), None), next(iter(ahead), None))


def _error(share: float, cell: CellOnTask, questions: int) -> float:
    """The standard error of a mean share of right answers."""
    return math.sqrt(share * (1 - share) / (questions * len(cell.accuracy.y)))
