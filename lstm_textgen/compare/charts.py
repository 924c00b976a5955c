"""
A chart as a value, whoever draws it, and the arithmetic of its axes.

Which charts a comparison becomes.

A chart as SVG, in a page or as a file: no library, no script, colours from a style.

The drawing scales with the page. Its letters are sized for a phone of 360 pixels.
"""

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

from lstm_textgen.compare import style
from lstm_textgen.compare.results import (
    CellOnTask,
    CellOnText,
    Curve,
    OnTask,
    StudyResult,
)
from lstm_textgen.files import write_durably
from lstm_textgen.ui.model_facts import CELL_NAMES


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


VANISHED = 1e-7
"""Share of the gradient at k = 1 below which nothing is drawn."""


def learning_charts(found: StudyResult) -> list[Chart]:
    """Nats per character over what was read, and over the time that it took."""
    return [
        Chart(
            name="learning-by-characters",
            title="Held-out loss by characters read",
            x_label="characters read",
            y_label="nats per character",
            lines=_lines(found.texts, "by_characters"),
        ),
        Chart(
            name="learning-by-seconds",
            title="Held-out loss by seconds of training",
            x_label="seconds of training",
            y_label="nats per character",
            lines=_lines(found.texts, "by_seconds"),
        ),
    ]


def reach_charts(found: StudyResult) -> list[Chart]:
    """How much of the gradient is left k characters back."""
    return [
        Chart(
            name=f"gradient-reach-{when}",
            title=f"Gradient reach, {when}",
            x_label="k, characters back",
            y_label="gradient, as a share of k = 1",
            lines=tuple(_reach(each, when) for each in found.texts),
            y_log=True,
            y_range=(VANISHED, 10.0),
            baseline=0.01,
            baseline_name="1 %",
        )
        for when in ("untrained", "trained")
    ]


def context_chart(found: StudyResult) -> Chart:
    """What it helps to be given more."""
    return Chart(
        name="useful-context",
        title="Loss when only the last k characters are given",
        x_label="k, characters given",
        y_label="nats per character",
        lines=_lines(found.texts, "context"),
        x_log=True,
    )


def task_chart(task: OnTask) -> Chart:
    """Right answers over distance."""
    return Chart(
        name=f"recall-{task.name}",
        title=task.title.capitalize(),
        x_label="distance, characters",
        y_label="right answers",
        lines=tuple(_chart_line(cell, cell.accuracy) for cell in task.cells),
        x_log=True,
        y_range=(0.0, 1.04),
        share=True,
        baseline=task.baseline,
        baseline_name="without memory",
    )


def all_charts(found: StudyResult) -> list[Chart]:
    """Every chart, in the order of the page."""
    return [
        *(task_chart(task) for task in found.tasks),
        *reach_charts(found),
        context_chart(found),
        *learning_charts(found),
    ]


def _lines(texts: tuple[CellOnText, ...], name: str) -> tuple[Line, ...]:
    return tuple(_chart_line(each, getattr(each, name)) for each in texts)


def _chart_line(each: CellOnText | CellOnTask, curve: Curve) -> Line:
    return Line(
        cell=each.cell,
        name=CELL_NAMES[each.cell],
        x=curve.x if curve.y else (),
        y=tuple(curve.mean()),
        low=tuple(curve.low()),
        high=tuple(curve.high()),
    )


def _reach(each: CellOnText, when: str) -> Line:
    """From k = 1 on, each seed as a share of its own k = 1, as far as it is seen."""
    curve: Curve = getattr(each, when)
    rows = [[norm / row[1] for norm in row[1:]] for row in curve.y if row[1] > 0]
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    seen = max((k for k, mean in enumerate(means) if mean >= VANISHED), default=0) + 2
    return _chart_line(
        each,
        Curve(x=curve.x[1:][:seen], y=tuple(tuple(row[:seen]) for row in rows)),
    )


WIDTH, HEIGHT = 460.0, 320.0

LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 34.0, 48.0

DASHES = {"lstm": "", "gru": "7 3", "rnn": "2 3"}
"""A second way, beside colour, to tell the lines apart."""

ALONE = "svg { font-family: system-ui, sans-serif; } .paper { fill: var(--page); }"

FEW = 24
"""Up to so many points, each gets a mark that can be pointed at."""


def chart_svg(chart: Chart) -> str:
    """The chart as an `svg` element; a sentence where there is nothing to draw."""
    if chart.is_empty:
        return "<p>Nothing to draw: every run ran away.</p>"
    across, up = (LEFT, WIDTH - RIGHT), (HEIGHT - BOTTOM, TOP)
    x, y = axes(chart, across, up)
    parts = [
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(chart.title)}">',
        *_grid(chart, x, y),
        *_baseline(chart, y),
        *(part for line in chart.lines for part in _line(chart, line, x, y)),
        *_legend(chart),
        "</svg>",
    ]
    return "\n".join(parts)


def save_svg(chart: Chart, folder: Path) -> Path:
    """
    Draw a chart that is not empty into `NAME.svg`, which needs nothing else.

    Raises:
        OutputError, StorageError: The file cannot be written.
    """
    path = folder / f"{chart.name}.svg"
    write_durably(path, _alone(chart).encode("utf-8"))
    return path


def _alone(chart: Chart) -> str:
    """The element of `draw` with a title, paper and style of its own."""
    opening, *rest = chart_svg(chart).split("\n")
    return "\n".join(
        [
            opening.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'),
            f"<style>{style.COLOURS}{style.PLOT}{ALONE}</style>",
            f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" class="paper"/>',
            *rest,
            "",
        ]
    )


def _text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _grid(chart: Chart, x: Axis, y: Axis) -> list[str]:
    parts = []
    for value in ticks(y):
        at = y.at(value)
        parts.append(
            f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{at:.1f}" y2="{at:.1f}" '
            'class="grid"/>'
        )
        words = f"{value:.0%}" if chart.share else in_short(value)
        parts.append(_text(LEFT - 7, at + 4, words, "tick", "end"))
    for value in ticks(x, most=10 if x.log else 6):
        parts.append(_text(x.at(value), HEIGHT - BOTTOM + 18, in_short(value), "tick"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 8, chart.x_label, "label"))
    centre = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(13 {centre:.0f}) rotate(-90)" class="label" '
        f'text-anchor="middle">{escape(chart.y_label)}</text>'
    )
    return parts


def _baseline(chart: Chart, y: Axis) -> list[str]:
    if chart.baseline is None:
        return []
    at = y.at(chart.baseline)
    return [
        f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{at:.1f}" y2="{at:.1f}" '
        'class="baseline"/>',
        _text(WIDTH - RIGHT - 2, at - 5, chart.baseline_name, "tick", "end"),
    ]


def _line(chart: Chart, line: Line, x: Axis, y: Axis) -> list[str]:
    if not line.x:
        return []
    across = [x.at(value) for value in line.x]

    def points(values: tuple[float, ...]) -> list[str]:
        return [f"{a:.1f},{y.at(b):.1f}" for a, b in zip(across, values, strict=True)]

    band = points(line.high) + points(line.low)[::-1]
    parts = [
        f'<polygon points="{" ".join(band)}" class="band {line.cell}"/>',
        f'<polyline points="{" ".join(points(line.y))}" class="line {line.cell}" '
        f'stroke-dasharray="{DASHES.get(line.cell, "")}"/>',
    ]
    if len(line.x) <= FEW:
        parts += [
            f'<circle cx="{a:.1f}" cy="{y.at(line.y[i]):.1f}" r="3.2" '
            f'class="mark {line.cell}"><title>{escape(_told(chart, line, i))}'
            "</title></circle>"
            for i, a in enumerate(across)
        ]
    return parts


def _told(chart: Chart, line: Line, i: int) -> str:
    """What a point says to who points at it."""

    def figure(value: float) -> str:
        return f"{value:.1%}" if chart.share else f"{value:.4g}"

    spread = f" ({figure(line.low[i])} to {figure(line.high[i])})"
    return f"{line.name}, {line.x[i]:,.4g}: {figure(line.y[i])}{spread}"


def _legend(chart: Chart) -> list[str]:
    parts, at = [], LEFT
    for line in chart.lines:
        parts.append(
            f'<line x1="{at:g}" x2="{at + 26:g}" y1="16" y2="16" '
            f'class="line {line.cell}" '
            f'stroke-dasharray="{DASHES.get(line.cell, "")}"/>'
        )
        parts.append(_text(at + 32, 20.0, line.name, "name", "start"))
        at += 58 + 7.5 * len(line.name)
    return parts
