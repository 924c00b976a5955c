"""
What changes over a run: the share of its budget that is used, the learning rate, and
when an epoch reads the end of the text: shortly before the end of the run.
"""

import math
import time
from collections.abc import Callable

from lstm_textgen.config import BudgetConfig

END_MARGIN = 0.15
"""Share of what is left when the last epoch begins: the machine may become slower by as
much, and the end of the text is still read."""


def rate_factor(progress: float, warm_up: float) -> float:
    """
    What the highest learning rate is multiplied by.

    Args:
        progress: Share of the budget that is used, 0 to 1.
        warm_up: Share in which the factor rises linearly. 0 turns it off.

    Returns:
        A factor from 0 to 1; 0 at the end, so that the run anneals to its budget.

    Source:
        Bergsma et al. (2025), Straight to Zero: Why Linearly Decaying the Learning
        Rate to Zero Works Best for LLMs. https://arxiv.org/abs/2502.15938
    """
    if progress >= 1:
        return 0.0
    if progress < warm_up:
        return progress / warm_up
    return (1 - progress) / (1 - warm_up)


def share_since(began: float, progress: float) -> float:
    """Share of the time from *began* to the end of the budget that is over, 0 to 1."""
    return max(0.0, progress - began) / max(1 - began, 1e-9)


def windows_ahead(done: int, began: float, progress: float) -> float:
    """
    How many windows are left, at the pace of those so far.

    Args:
        done: Windows that were read.
        began: Progress at the first of them.
        progress: Share of the budget that is used after them.

    Returns:
        0 or more; infinite before the first window.
    """
    if progress <= began:
        return math.inf
    return done * (1 - progress) / (progress - began)


def end_of_text_at(epochs: float) -> float | None:
    """
    When in an epoch to read the end of the text, so that the run ends soon after it.

    A run of few epochs reads part of the text one time fewer than the other, and part
    of it long before the run ends. What follows the text, the held-out part first, is
    most like its end.

    Args:
        epochs: Left, this one counted in.

    Returns:
        A share of the epoch, or None while more than two are left.
    """
    if epochs > 2:
        return None
    return (epochs - END_MARGIN) % 1 if epochs > 1 else (1 - END_MARGIN) * epochs


class Meter:
    """
    Measures progress through a budget, from 0 to 1.

    Args:
        budget: Minutes, epochs or steps.
        ticks: Steps in one epoch.
        started_s: When the clock of this process began to count.
        spent_s: Seconds that earlier parts of a resumed run have used.
        reserve_s: Seconds of a budget in minutes to leave for the last evaluation.
        clock: Seconds that never jump back.
    """

    def __init__(
        self,
        budget: BudgetConfig,
        *,
        ticks: int,
        started_s: float,
        spent_s: float = 0.0,
        reserve_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._zero_s = started_s - spent_s
        self._limit_s: float | None = None
        if budget.minutes is not None:
            limit_s = 60 * budget.minutes
            self._limit_s = limit_s - min(reserve_s, limit_s / 4)
        elif budget.epochs is not None:
            self._steps = max(1, math.ceil(round(budget.epochs * ticks, 6)))
        else:
            assert budget.steps is not None, "BudgetConfig has exactly one"
            self._steps = budget.steps

    def elapsed_s(self) -> float:
        """Seconds that the run has taken, all its parts together."""
        return self._clock() - self._zero_s

    def progress(self, step: int | float) -> float:
        """Share of the budget that is used after *step* steps, 0 to 1; halves count."""
        if self._limit_s is not None:
            return min(1.0, self.elapsed_s() / self._limit_s)
        return min(1.0, step / self._steps)
