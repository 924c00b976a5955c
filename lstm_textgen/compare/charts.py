"""
The charts of a comparison: as values, and drawn as SVG.

An SVG needs no library and no script. It scales with its page; its letters are sized
for a phone of 360 pixels, and its colors are in `charts.css`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.compare.results import Curve, StudyResult, TaskResult
from lstm_textgen.config import Cell
from lstm_textgen.files import write_durably
from lstm_textgen.ui.html import asset, escape_text
from lstm_textgen.ui.model_facts import CELL_NAMES

MIN_GRADIENT = 1e-7
"""Fraction of the gradient at k = 1 below which nothing is drawn."""

WIDTH, HEIGHT = 460.0, 320.0

LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 34.0, 48.0
"""Margins around the axes."""

DASHES = {"lstm": "", "gru": "7 3", "rnn": "2 3"}
"""Tell the lines apart without color."""

MAX_MARKS = 24
"""On a line of more points, points get no marks to hover over."""

FILE_STYLE = "svg { font-family: system-ui, sans-serif; } .paper { fill: var(--page); }"
"""What a page provides, for an SVG that is a file of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Some lines on common axes."""

    name: str
    """For a file name."""
    title: str
    x_label: str
    y_label: str
    curves: tuple[tuple[Cell, Curve], ...]
    """A line each: the mean over seeds, in a band from the lowest to the highest."""
    x_log: bool = False
    y_log: bool = False
    y_range: tuple[float, float] | None = None
    """The ends of the axis; None fits them to the lines."""
    percent: bool = False
    """Whether the y are fractions, shown in percent."""
    baseline: float | None = None
    """A dashed line across."""
    baseline_name: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is no point to draw, because every run diverged."""
        return not any(curve.y for _, curve in self.curves)


def all_charts(result: StudyResult) -> list[Chart]:
    """Every chart, in the order of the page."""
    return [
        *(task_chart(task) for task in result.tasks),
        *reach_charts(result),
        context_chart(result),
        *learning_charts(result),
    ]


def task_chart(task: TaskResult) -> Chart:
    """Right answers over distance."""
    return Chart(
        name=f"recall-{task.name}",
        title=task.title.capitalize(),
        x_label="distance, characters",
        y_label="right answers",
        curves=tuple((cell.cell, cell.accuracy) for cell in task.cells),
        x_log=True,
        y_range=(0.0, 1.04),
        percent=True,
        baseline=task.baseline,
        baseline_name="without memory",
    )


def reach_charts(result: StudyResult) -> list[Chart]:
    """How much of the gradient is left k characters back, before and after training."""
    texts = result.texts
    before = tuple((text.cell, _relative(text.untrained)) for text in texts)
    after = tuple((text.cell, _relative(text.trained)) for text in texts)
    return [
        Chart(
            name=f"gradient-reach-{when}",
            title=f"Gradient reach, {when}",
            x_label="k, characters back",
            y_label="gradient, as a share of k = 1",
            curves=curves,
            y_log=True,
            y_range=(MIN_GRADIENT, 10.0),
            baseline=0.01,
            baseline_name="1 %",
        )
        for when, curves in (("untrained", before), ("trained", after))
    ]


def context_chart(result: StudyResult) -> Chart:
    """How much more context helps."""
    return Chart(
        name="useful-context",
        title="Loss when only the last k characters are given",
        x_label="k, characters given",
        y_label="nats per character",
        curves=tuple((text.cell, text.context) for text in result.texts),
        x_log=True,
    )


def learning_charts(result: StudyResult) -> list[Chart]:
    """Held-out loss over what was read, and over the time that it took."""
    texts = result.texts
    by_characters = tuple((text.cell, text.by_characters) for text in texts)
    by_seconds = tuple((text.cell, text.by_seconds) for text in texts)
    return [
        Chart(
            name=f"learning-by-{unit}",
            title=f"Held-out loss by {x_label}",
            x_label=x_label,
            y_label="nats per character",
            curves=curves,
        )
        for unit, x_label, curves in (
            ("characters", "characters read", by_characters),
            ("seconds", "seconds of training", by_seconds),
        )
    ]


def _relative(norms: Curve) -> Curve:
    """From k = 1 on, each seed as a fraction of its own k = 1, as far as visible."""
    rows = [[norm / row[1] for norm in row[1:]] for row in norms.y if row[1] > 0]
    means = Curve.over((), rows).mean()
    visible = max(
        (k for k, mean in enumerate(means) if mean >= MIN_GRADIENT), default=0
    )
    count = visible + 2
    return Curve.over(norms.x[1 : count + 1], (row[:count] for row in rows))


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Maps figures to coordinates of the drawing."""

    low: float
    high: float
    log: bool
    start: float
    """Coordinate of `low`."""
    end: float

    def at(self, value: float) -> float:
        """The coordinate of *value*; what lies outside is drawn at the edge."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def _axes(chart: Chart) -> tuple[Axis, Axis]:
    """The x and y axis of a chart that is not empty."""
    curves = [curve for _, curve in chart.curves if curve.y]
    xs = [x for curve in curves for x in curve.x]
    x_low = min(xs) if chart.x_log else min(0.0, *xs)
    x_high = max(xs) if max(xs) > x_low else x_low + 1
    if chart.y_range:
        y_low, y_high = chart.y_range
    else:
        y_low = min(y for curve in curves for y in curve.low())
        y_high = max(y for curve in curves for y in curve.high())
        padding = 0.06 * (y_high - y_low) or 0.5
        y_low, y_high = y_low - padding, y_high + padding
    return (
        Axis(low=x_low, high=x_high, log=chart.x_log, start=LEFT, end=WIDTH - RIGHT),
        Axis(low=y_low, high=y_high, log=chart.y_log, start=HEIGHT - BOTTOM, end=TOP),
    )


def ticks(axis: Axis, most: int = 6) -> list[float]:
    """Round figures along an axis, at most about *most*."""
    if axis.log:
        return _log_ticks(axis, most)
    step = 10.0 ** math.floor(math.log10((axis.high - axis.low) / most))
    rounder = (step * factor for factor in (1, 2, 2.5, 5, 10))
    step = next(s for s in rounder if (axis.high - axis.low) / s <= most)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(axis: Axis, most: int) -> list[float]:
    """Powers of ten over many decades, else powers of two."""
    base = 10.0 if axis.high / axis.low > 2000 else 2.0
    first = math.ceil(math.log(axis.low, base) - 1e-9)
    last = math.floor(math.log(axis.high, base) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / most))
    return [base**power for power in range(first, last + 1, stride)]


def tick_label(value: float) -> str:
    """A figure of an axis: `1.5`, `250k`, `1e-4`."""
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"1e{math.log10(abs(value)):.0f}" if value > 0 else f"{value:.0e}"
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:.6g}"


def chart_svg(chart: Chart) -> str:
    """The chart as an `svg` element; a sentence where there is nothing to draw."""
    if chart.is_empty:
        return "<p>Nothing to draw: every run ran away.</p>"
    return "\n".join([_opening_tag(chart), *_svg_parts(chart), "</svg>"])


def save_svg(chart: Chart, folder: Path) -> Path:
    """
    Draw a chart that is not empty into `NAME.svg`, which needs nothing else.

    Raises:
        OutputError, StorageError: The file cannot be written.
    """
    path = folder / f"{chart.name}.svg"
    lines = [
        _opening_tag(chart, ' xmlns="http://www.w3.org/2000/svg"'),
        f"<style>\n{asset('compare', 'charts.css')}{FILE_STYLE}</style>",
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" class="paper"/>',
        *_svg_parts(chart),
        "</svg>",
        "",
    ]
    write_durably(path, "\n".join(lines).encode("utf-8"))
    return path


def _opening_tag(chart: Chart, namespace: str = "") -> str:
    return (
        f'<svg{namespace} viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape_text(chart.title)}">'
    )


def _svg_parts(chart: Chart) -> Iterable[str]:
    x, y = _axes(chart)
    yield from _grid(chart, x, y)
    if chart.baseline is not None:
        at = y.at(chart.baseline)
        yield _across(at, "baseline")
        yield _text(WIDTH - RIGHT - 2, at - 5, chart.baseline_name, "tick", "end")
    for cell, curve in chart.curves:
        if curve.y:
            yield from _line(chart, cell, curve, x, y)
    yield from _legend(chart)


def _text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
        f"{escape_text(words)}</text>"
    )


def _across(y: float, kind: str) -> str:
    return (
        f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}" '
        f'class="{kind}"/>'
    )


def _grid(chart: Chart, x: Axis, y: Axis) -> Iterable[str]:
    for value in ticks(y):
        yield _across(y.at(value), "grid")
        label = f"{value:.0%}" if chart.percent else tick_label(value)
        yield _text(LEFT - 7, y.at(value) + 4, label, "tick", "end")
    for value in ticks(x, most=10 if x.log else 6):
        yield _text(x.at(value), HEIGHT - BOTTOM + 18, tick_label(value), "tick")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, chart.x_label, "label")
    center = (TOP + HEIGHT - BOTTOM) / 2
    yield (
        f'<text transform="translate(13 {center:.0f}) rotate(-90)" class="label" '
        f'text-anchor="middle">{escape_text(chart.y_label)}</text>'
    )


def _line(chart: Chart, cell: Cell, curve: Curve, x: Axis, y: Axis) -> Iterable[str]:
    """The band from the lowest to the highest seed, the mean, and its marks."""
    xs = [x.at(value) for value in curve.x]
    mean, low, high = curve.mean(), curve.low(), curve.high()

    def points(values: tuple[float, ...]) -> list[str]:
        return [f"{a:.1f},{y.at(b):.1f}" for a, b in zip(xs, values, strict=True)]

    band = points(high) + points(low)[::-1]
    yield f'<polygon points="{" ".join(band)}" class="band {cell}"/>'
    yield (
        f'<polyline points="{" ".join(points(mean))}" class="line {cell}" '
        f'stroke-dasharray="{DASHES[cell]}"/>'
    )
    if len(xs) > MAX_MARKS:
        return
    form = ".1%" if chart.percent else ".4g"
    for i, at in enumerate(xs):
        tooltip = (
            f"{CELL_NAMES[cell]}, {curve.x[i]:,.4g}: {mean[i]:{form}} "
            f"({low[i]:{form}} to {high[i]:{form}})"
        )
        yield (
            f'<circle cx="{at:.1f}" cy="{y.at(mean[i]):.1f}" r="3.2" '
            f'class="mark {cell}"><title>{escape_text(tooltip)}</title></circle>'
        )


def _legend(chart: Chart) -> Iterable[str]:
    at = LEFT
    for cell, _ in chart.curves:
        yield (
            f'<line x1="{at:g}" x2="{at + 26:g}" y1="16" y2="16" '
            f'class="line {cell}" stroke-dasharray="{DASHES[cell]}"/>'
        )
        yield _text(at + 32, 20.0, CELL_NAMES[cell], "name", "start")
        at += 58 + 7.5 * len(CELL_NAMES[cell])
