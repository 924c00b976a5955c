"""
A chart as SVG, in a page or as a file: no library, no script, colours from a style.

The drawing scales with the page. Its letters are sized for a phone of 360 pixels.
"""

from html import escape
from pathlib import Path

from lstm_textgen.checkpoint.durable import write_durably
from lstm_textgen.report.compare import style
from lstm_textgen.report.compare.chart import Axis, Chart, Line, axes, in_short, ticks

WIDTH, HEIGHT = 460.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 34.0, 48.0

DASHES = {"lstm": "", "gru": "7 3", "rnn": "2 3"}
"""A second way, beside colour, to tell the lines apart."""

ALONE = "svg { font-family: system-ui, sans-serif; } .paper { fill: var(--page); }"

FEW = 24
"""Up to so many points, each gets a mark that can be pointed at."""


def draw(chart: Chart) -> str:
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
    opening, *rest = draw(chart).split("\n")
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
