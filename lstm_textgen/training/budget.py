"""How much of a run's budget is used, whichever way the budget is given."""

import math
import time
from collections.abc import Callable

from lstm_textgen.config import BudgetConfig


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
