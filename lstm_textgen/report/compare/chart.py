"""A chart as a value, whoever draws it, and the arithmetic of its axes."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One cell in a chart."""

    cell: str
    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    """The mean over seeds."""
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Some lines on common axes."""

    name: str
    """For a file name."""
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_log: bool = False
    y_log: bool = False
    y_range: tuple[float, float] | None = None
    """Where the axis begins and ends; None takes what the lines need."""
    share: bool = False
    """The y are shares, shown in percent."""
    baseline: float | None = None
    """A dashed line across."""
    baseline_name: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is no point to draw: every run ran away."""
        return not any(line.x for line in self.lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """From figures to places in a drawing."""

    low: float
    high: float
    log: bool
    start: float
    """Where `low` is drawn."""
    end: float

    def at(self, value: float) -> float:
        """The place of *value*; what lies outside is drawn at the edge."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low)
        return self.start + share * (self.end - self.start)


def axes(
    chart: Chart, across: tuple[float, float], up: tuple[float, float]
) -> tuple[Axis, Axis]:
    """
    The two axes of a chart.

    Args:
        chart: Has at least one point.
        across: Where the x axis begins and ends in the drawing.
        up: The same for the y axis.
    """
    xs = [value for line in chart.lines for value in line.x]
    lows = [value for line in chart.lines for value in line.low]
    highs = [value for line in chart.lines for value in line.high]
    low, high = chart.y_range or _with_room(min(lows), max(highs), log=chart.y_log)
    x_low = min(xs) if chart.x_log else min(0.0, *xs)
    x_high = max(xs) if max(xs) > x_low else x_low + 1
    return (
        Axis(low=x_low, high=x_high, log=chart.x_log, start=across[0], end=across[1]),
        Axis(low=low, high=high, log=chart.y_log, start=up[0], end=up[1]),
    )


def ticks(axis: Axis, most: int = 6) -> list[float]:
    """Round figures along an axis, about as many as *most*."""
    if axis.log:
        return _log_ticks(axis, most)
    step = 10.0 ** math.floor(math.log10((axis.high - axis.low) / most))
    rounder = (step * factor for factor in (1, 2, 2.5, 5, 10))
    step = next(s for s in rounder if (axis.high - axis.low) / s <= most)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(axis: Axis, most: int) -> list[float]:
    """Powers of ten where there are decades, else powers of two."""
    base = 10.0 if axis.high / axis.low > 2000 else 2.0
    first = math.ceil(math.log(axis.low, base) - 1e-9)
    last = math.floor(math.log(axis.high, base) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / most))
    return [base**power for power in range(first, last + 1, every)]


def in_short(value: float) -> str:
    """A figure of an axis: `1.5`, `250k`, `1e-4`."""
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"1e{math.log10(abs(value)):.0f}" if value > 0 else f"{value:.0e}"
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:.6g}"


def _with_room(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """A little air above and below."""
    if log:
        return low / 1.5, high * 1.5
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room
