"""
Gates and memory under the text, as lines of a terminal.

Each row is a signal of a unit, each column a character. With colour a share goes from
dark blue over grey to yellow, and what has a sign from blue over nothing to orange:
pairs that every kind of colour vision tells apart. Without colour digits say the same.
"""

import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from rich.cells import cell_len

from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import Unit
from lstm_textgen.report.colour import shade
from lstm_textgen.report.heat_rows import SHOWN, Row, blocks, heat_rows, sign
from lstm_textgen.report.terminal import say, wants_colour, write_pieces

COLUMNS = 100
"""How wide where there is no terminal."""

SHARES = (17, 60, 66, 102, 144, 186, 228)
"""Backgrounds of a terminal with 256 colours, for 0 to 1."""

BELOW = (24, 31, 38, 45)
ABOVE = (94, 130, 172, 214)
"""The same for -1 and 1, from near 0 outwards; 0 itself has none."""

LETTERS = "abcdefghi"
"""Without colour, a tenth below 0, two tenths, and so on."""

Styled = tuple[str, str | None]


def show_heat(
    inspection: Inspection, units: Sequence[Unit], *, in_full: bool, quiet: bool
) -> None:
    """
    Draw the beginning of the text and what some units do.

    Args:
        inspection: The text and its arrays.
        units: Whose rows.
        in_full: All signals of each, instead of its memory.
        quiet: No words on what the colours mean.
    """
    colour = wants_colour(sys.stdout)
    width = shutil.get_terminal_size((COLUMNS, 24)).columns
    width = width if sys.stdout.isatty() else COLUMNS
    rows = list(heat_rows(inspection, units, in_full=in_full))
    for line in heat_lines(inspection, rows, width=width, colour=colour):
        write_pieces([*line, ("\n", None)])
    if not quiet:
        _legend(rows, colour=colour)
    if len(inspection.text) > SHOWN and not quiet:
        say(
            f"note: {SHOWN:,} of {len(inspection.text):,} characters are drawn here; "
            "--html FILE draws them all."
        )


def heat_lines(
    inspection: Inspection, rows: Sequence[Row], *, width: int, colour: bool
) -> Iterator[list[Styled]]:
    """The lines, block by block: text, best guess, bits, and a row for each signal."""
    signs = [sign(char) for char in inspection.text[:SHOWN]]
    widths = [cell_len(sign) for sign in signs]
    guesses = _guessed(inspection, signs)
    bits = inspection.trace.bits
    margin = max(len(label) for label in ("guess", *(row.label for row in rows))) + 2
    for start, stop in blocks(inspection.text[:SHOWN], widths, max(width - margin, 8)):
        here = range(start, stop)
        text: list[Styled] = [(signs[t], _surprise(bits[t], colour)) for t in here]
        yield [("text".ljust(margin), None), *_joined(text)]
        yield [("guess".ljust(margin), None), ("".join(guesses[start:stop]), None)]
        numbers = "".join(_whole(bits[t]).ljust(widths[t]) for t in here)
        yield [("bits".ljust(margin), None), (numbers, None)]
        for row in rows:
            cells = [_cell(row, t, widths[t], colour) for t in here]
            yield [(row.label.ljust(margin), None), *_joined(cells)]
        yield [("", None)]


def _guessed(inspection: Inspection, signs: Sequence[str]) -> list[str]:
    """What was the likeliest at each place, before it was read, as wide as it is."""
    before = inspection.trace.guesses[: len(signs) - 1, 0].tolist()
    names = (inspection.names[id] for id in before)
    guessed = [" ", *(sign(name) if len(name) == 1 else "·" for name in names)]
    return [
        (guess if cell_len(guess) <= cell_len(sign) else "·").ljust(cell_len(sign))
        for guess, sign in zip(guessed, signs, strict=True)
    ]


def _surprise(bits: float, colour: bool) -> str | None:
    if not colour or bits != bits:
        return None
    return shade(float(bits) * np.log(2))


def _cell(row: Row, place: int, width: int, colour: bool) -> Styled:
    """One character's share of a row."""
    value = float(row.values[place])
    if colour:
        return " " * width, _background(value, row.signed)
    if not row.signed:
        return _digit(value) * width, None
    size = round(abs(value) * 9)
    if size == 0:
        return "." * width, None
    return (LETTERS[size - 1] if value < 0 else str(size)) * width, None


def _background(value: float, signed: bool) -> str | None:
    if not signed:
        return f"48;5;{SHARES[min(int(value * len(SHARES)), len(SHARES) - 1)]}"
    size = round(min(abs(value), 1.0) * len(ABOVE))
    if size == 0:
        return None
    return f"48;5;{(BELOW if value < 0 else ABOVE)[size - 1]}"


def _digit(share: float) -> str:
    """0 to 9 for 0 to 1."""
    return str(max(0, min(9, int(share * 10))))


def _whole(bits: float) -> str:
    """Bits as one digit, 9 for more; a blank for what is no number."""
    return " " if bits != bits else str(min(9, round(float(bits))))


def _joined(pieces: Sequence[Styled]) -> list[Styled]:
    """Neighbours of one style as one piece."""
    groups = itertools.groupby(pieces, key=lambda piece: piece[1])
    return [("".join(text for text, _ in group), style) for style, group in groups]


def _legend(rows: Sequence[Row], *, colour: bool) -> None:
    """What the rows mean, on stderr."""
    say("guess: the likeliest before each character; bits: its surprise, 9 for more")
    if any(not row.signed for row in rows):
        scale = "dark blue 0, yellow 1" if colour else "digits from 0 to 9 for 0 to 1"
        say(f"gates: {scale}")
    if any(row.signed for row in rows):
        scale = "blue below zero, orange above"
        plain = "a to i below zero, . about zero, 1 to 9 above"
        say(
            f"the rest: {scale if colour else plain}; a memory as a part of its largest"
        )
