"""
Gates and memory under the text as one SVG picture, for a page or a slide.

It needs no font, script or network, and follows the light or dark setting. The
colours are those of the page that `inspect` writes.
"""

import itertools
from collections.abc import Iterator, Sequence
from html import escape

from lstm_textgen.inspect.gates import Unit
from lstm_textgen.inspect.inspection import Inspection
from lstm_textgen.inspect.view import SHOWN, Row, blocks, heat_rows, sign

COLUMNS = 64
"""Characters on a line."""

ACROSS, DOWN = 10, 18
"""Pixels of a character and of a row."""

LETTER = 8
"""Pixels of a character of a label."""

LEVELS = 9
"""Shades of each scale."""

SHARE = ("#ffffff", "#c9d9ec", "#7ea6d3", "#2f6cb0", "#0a2f66")

SIGNED = ("#08519c", "#6baed6", "#ffffff", "#fdae6b", "#a63603")

DARK_SHARE = ("#14161a", "#1d3a5f", "#2f6fae", "#6db3f2", "#e3f2ff")

DARK_SIGNED = ("#58b0ff", "#1f4f80", "#14161a", "#80481a", "#ffab4a")
"""From 0 to 1, and from -1 to 1, on light and on dark paper."""


def heat_svg(
    inspection: Inspection, units: Sequence[Unit], *, in_full: bool, title: str
) -> str:
    """
    The beginning of the text and what some units do, as an SVG file.

    Args:
        inspection: The text and its arrays; at most `SHOWN` characters are drawn.
        units: Whose rows, one or more.
        in_full: All signals of each, instead of its memory.
        title: What a screen reader says.
    """
    rows = list(heat_rows(inspection, units, in_full=in_full))
    signs = [sign(char) for char in inspection.text[:SHOWN]]
    left = LETTER * max(len(row.label) for row in rows) + 2 * ACROSS
    parts, top = [], DOWN
    for start, stop in blocks(inspection.text[:SHOWN], [1] * len(signs), COLUMNS):
        here = range(start, stop)
        parts.append(_line(signs[start:stop], left, top))
        for row in rows:
            top += DOWN
            parts.append(_words(left - ACROSS, top, row.label, "end"))
            parts += _cells(row, here, left, top)
        top += 2 * DOWN
    parts += _legend(rows, left, top)
    width, height = left + (COLUMNS + 1) * ACROSS, top + 2 * DOWN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_style()}</style>",
            f'<rect width="{width}" height="{height}" class="paper"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _line(signs: Sequence[str], left: int, top: int) -> str:
    """Characters, each in the middle of its column."""
    places = " ".join(str(left + ACROSS * n + ACROSS // 2) for n in range(len(signs)))
    return (
        f'<text x="{places}" y="{top + DOWN - 6}" text-anchor="middle" '
        f'xml:space="preserve">{escape("".join(signs))}</text>'
    )


def _cells(row: Row, here: range, left: int, top: int) -> Iterator[str]:
    """Rectangles; neighbours of one shade are one."""
    shades = [_shade(float(row.values[place]), row.signed) for place in here]
    at = left
    for shade, same in itertools.groupby(shades):
        width = ACROSS * len(list(same))
        yield (
            f'<rect x="{at}" y="{top + 1}" width="{width}" height="{DOWN - 2}" '
            f'class="{shade}"/>'
        )
        at += width


def _shade(value: float, signed: bool) -> str:
    """The class of a value: `g0` to `g8` for a gate, `s0` to `s8` with a sign."""
    share = (value + 1) / 2 if signed else value
    level = max(0, min(LEVELS - 1, round(share * (LEVELS - 1))))
    return f"{'s' if signed else 'g'}{level}"


def _words(x: int, top: int, words: str, anchor: str) -> str:
    return (
        f'<text x="{x}" y="{top + DOWN - 5}" class="soft" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _legend(rows: Sequence[Row], left: int, top: int) -> Iterator[str]:
    """The scales that were used, with words."""
    scales = {"g": "gates: 0 to 1"} if any(not row.signed for row in rows) else {}
    if any(row.signed for row in rows):
        scales["s"] = f"{'the rest' if scales else 'memory'}: below zero, above"
    at = left
    for kind, words in scales.items():
        for level in range(LEVELS):
            yield (
                f'<rect x="{at}" y="{top + 1}" width="{ACROSS}" height="{DOWN - 2}" '
                f'class="{kind}{level}"/>'
            )
            at += ACROSS
        yield _words(at + ACROSS, top, words, "start")
        at += ACROSS + LETTER * (len(words) + 3)


def _style() -> str:
    light = _scales(SHARE, SIGNED)
    dark = _scales(DARK_SHARE, DARK_SIGNED)
    return (
        "text{font:14px ui-monospace,Menlo,Consolas,monospace;fill:#1a1c1f}"
        ".soft{font-size:13px;fill:#5b6169}.paper{fill:#ffffff}"
        f"{light}@media(prefers-color-scheme:dark){{text{{fill:#e7e9ec}}"
        f".soft{{fill:#a0a7b0}}.paper{{fill:#14161a}}{dark}}}"
    )


def _scales(share: Sequence[str], signed: Sequence[str]) -> str:
    return "".join(
        f".{kind}{level}{{fill:{_mixed(stops, level / (LEVELS - 1))}}}"
        for kind, stops in (("g", share), ("s", signed))
        for level in range(LEVELS)
    )


def _mixed(stops: Sequence[str], share: float) -> str:
    """The colour at a share of the way along *stops*."""
    at = share * (len(stops) - 1)
    index = min(int(at), len(stops) - 2)
    pairs = (
        (int(stops[index][i : i + 2], 16), int(stops[index + 1][i : i + 2], 16))
        for i in (1, 3, 5)
    )
    mixed = (round(a + (b - a) * (at - index)) for a, b in pairs)
    return "#" + "".join(f"{part:02x}" for part in mixed)
