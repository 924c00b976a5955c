"""
Heat rows under the text as one SVG picture, for a page or a slide.

It needs no font, script or network, and follows the light or dark setting. The colors
are those of the page that `inspect` writes.
"""

import itertools
from collections.abc import Iterator, Sequence

from lstm_textgen.inspect.view import DRAWN, HeatRow, blocks, visible
from lstm_textgen.ui.html import asset, escape_text

COLUMNS = 64
"""Characters on a line."""

CELL_WIDTH, ROW_HEIGHT = 10, 18
"""Pixels of a character and of a row."""

LETTER_WIDTH = 8
"""Pixels of a character of a label."""

LEVELS = 9
"""Shades of each scale in `heatmap.css`."""


def heatmap_svg(text: str, rows: Sequence[HeatRow], *, title: str) -> str:
    """
    Draw the beginning of a text with rows below it, as an SVG file.

    Args:
        text: At most `DRAWN` characters of it are drawn.
        rows: One or more.
        title: What a screen reader says.
    """
    signs = [visible(char) for char in text[:DRAWN]]
    left = LETTER_WIDTH * max(len(row.label) for row in rows) + 2 * CELL_WIDTH
    elements, top = [], ROW_HEIGHT
    for start, stop in blocks(text[:DRAWN], [1] * len(signs), COLUMNS):
        elements.append(_text_line(signs[start:stop], left, top))
        for row in rows:
            top += ROW_HEIGHT
            elements.append(_label(left - CELL_WIDTH, top, row.label, "end"))
            elements += _cells(row, range(start, stop), left, top)
        top += 2 * ROW_HEIGHT
    elements += _legend(rows, left, top)
    width, height = left + (COLUMNS + 1) * CELL_WIDTH, top + 2 * ROW_HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape_text(title)}</title>",
            f"<style>\n{asset('inspect', 'heatmap.css')}</style>",
            f'<rect width="{width}" height="{height}" class="paper"/>',
            *elements,
            "</svg>\n",
        ]
    )


def _text_line(signs: Sequence[str], left: int, top: int) -> str:
    """Characters, each in the middle of its column."""
    centers = (left + CELL_WIDTH * n + CELL_WIDTH // 2 for n in range(len(signs)))
    letters = escape_text("".join(signs))
    return (
        f'<text x="{" ".join(map(str, centers))}" y="{top + ROW_HEIGHT - 6}" '
        f'text-anchor="middle" xml:space="preserve">{letters}</text>'
    )


def _cells(row: HeatRow, block: range, left: int, top: int) -> Iterator[str]:
    """Rectangles; neighbors of one shade are one."""
    shades = [_shade(float(row.values[t]), row.signed) for t in block]
    for shade, run in itertools.groupby(shades):
        width = CELL_WIDTH * len(list(run))
        yield _rectangle(left, top, width, shade)
        left += width


def _shade(value: float, signed: bool) -> str:
    """The class of a value: `g0` to `g8` for a gate, `s0` to `s8` with a sign."""
    share = (value + 1) / 2 if signed else value
    level = max(0, min(LEVELS - 1, round(share * (LEVELS - 1))))
    return f"{'s' if signed else 'g'}{level}"


def _rectangle(left: int, top: int, width: int, shade: str) -> str:
    return (
        f'<rect x="{left}" y="{top + 1}" width="{width}" height="{ROW_HEIGHT - 2}" '
        f'class="{shade}"/>'
    )


def _label(x: int, top: int, label: str, anchor: str) -> str:
    return (
        f'<text x="{x}" y="{top + ROW_HEIGHT - 5}" class="soft" '
        f'text-anchor="{anchor}">{escape_text(label)}</text>'
    )


def _legend(rows: Sequence[HeatRow], left: int, top: int) -> Iterator[str]:
    """The scales that were used, with words."""
    scales = {"g": "gates: 0 to 1"} if any(not row.signed for row in rows) else {}
    if any(row.signed for row in rows):
        scales["s"] = f"{'the rest' if scales else 'memory'}: below zero, above"
    for kind, label in scales.items():
        for level in range(LEVELS):
            yield _rectangle(left, top, CELL_WIDTH, f"{kind}{level}")
            left += CELL_WIDTH
        yield _label(left + CELL_WIDTH, top, label, "start")
        left += CELL_WIDTH + LETTER_WIDTH * (len(label) + 3)
