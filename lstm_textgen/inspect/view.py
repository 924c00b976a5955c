"""
What the units of a model do, as tables and sentences for a terminal.

Gates and memory under the text, as lines of a terminal.

Each row is a signal of a unit, each column a character. With colour a share goes from
dark blue over grey to yellow, and what has a sign from blue over nothing to orange:
pairs that every kind of colour vision tells apart. Without colour digits say the same.

Rows of heat under lines of text, whoever draws them.
"""

import itertools
import math
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from lstm_textgen.inspect import arrays
from lstm_textgen.inspect import probes as finder
from lstm_textgen.inspect.gates import GATED, KEEPER, MEMORY, SIGNALS, Unit, named
from lstm_textgen.inspect.inspection import Inspection
from lstm_textgen.ui.terminal import (
    say,
    shade,
    wants_color,
    write_drawn,
    write_pieces,
    write_text,
)

WIDE = 10_000
"""Columns where there is no terminal: more than anything needs."""

LONGEST = 5
"""Units that are named for their long memory, in each layer."""


def show_habits(inspection: Inspection) -> None:
    """Saturation and half-life of each layer, and the units that follow something."""
    _print("")
    if inspection.saturation is None:
        _print("An RNN has no gates: its memory is written anew at every character.")
    else:
        _print("share of the time that a gate is shut (below 0.1), open (above 0.9)")
        _show(_saturation(inspection))
        _print("", f"half-life of a memory in characters, by the {_keeper(inspection)}")
        _show(_half_lives(inspection))
    _print("", *_heading(inspection))
    if inspection.findings:
        _show(_followers(inspection))


def show_about(inspection: Inspection, number: int) -> str:
    """What one unit is known for, in a few words; empty for nothing."""
    words = []
    best = inspection.best_property(number)
    if best is not None:
        words.append(f"{best.name} (AUC {best.auc[number]:.2f})")
    if inspection.half_life is not None:
        words.append(f"half-life {shown_characters(inspection.half_life[number])}")
    return ", ".join(words)


def shown_characters(half_life: float) -> str:
    """A half-life as people read it."""
    if not math.isfinite(half_life) or half_life >= 1e6:
        return "over 1,000,000"
    return f"{half_life:,.0f}" if half_life >= 10 else f"{half_life:.1f}"


def _keeper(inspection: Inspection) -> str:
    return f"{KEEPER[inspection.model.cell]} gate"


def _saturation(inspection: Inspection) -> Table:
    table = _table("layer", "gate", "shut", "open")
    for told in arrays.saturation(inspection):
        shares = (f"{told['shut']:.1%}", f"{told['open']:.1%}")
        table.add_row(str(told["layer"]), told["gate"], *shares)
    return table


def _half_lives(inspection: Inspection) -> Table:
    table = _table("layer", "median", "longest", "units")
    for layer, habits in enumerate(inspection.trace.habits):
        assert habits.half_life is not None, "an RNN has no half-lives"
        ranked = np.argsort(-habits.half_life)[:LONGEST]
        units = ", ".join(named((layer, int(unit))) for unit in ranked)
        median = shown_characters(float(np.median(habits.half_life)))
        longest = shown_characters(float(habits.half_life[ranked[0]]))
        table.add_row(str(layer), median, longest, units)
    return table


def _heading(inspection: Inspection) -> list[str]:
    if len(inspection.text) < finder.LEAST_TEXT:
        return [
            f"A text below {finder.LEAST_TEXT:,} characters is too short to tell which "
            "units follow a property of it."
        ]
    if not inspection.findings:
        return ["The text has none of the properties that units are held to."]
    return [
        "units that follow a property of the text, by AUC (0.5 chance, 1 or 0 perfect)",
        "chance: the best of all units on shifted text, on any property 1 time in 20",
    ]


def _followers(inspection: Inspection) -> Table:
    table = _table("property", "of the text", "chance", "null", "units above chance")
    for told in arrays.probe_findings(inspection):
        units = [f"{each['unit']} {each['auc']:.3f}" for each in told["units"][:3]]
        table.add_row(
            told["property"],
            f"{told['share']:.1%}",
            f"{told['chance']:.3f}",
            f"{told['null']:.2f}",
            ", ".join(units) or "none",
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        words = heading in ("property", "gate", "units", "units above chance")
        table.add_column(heading, justify="left" if words else "right")
    return table


def _show(table: Table) -> None:
    """As wide as a terminal; into a pipe or a file, no line is broken."""
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as drawn:
        console.print(table)
    write_drawn(drawn.get())


def _print(*lines: str) -> None:
    for line in lines:
        write_text(f"{line}\n")


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
    colour = wants_color(sys.stdout)
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


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One line of heat."""

    label: str
    values: Float[np.ndarray, " T"]
    """0 to 1, or -1 to 1 where it is signed."""
    signed: bool


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


SHOWN = 1_000
"""Characters of a text that are drawn: some screens."""

ROWS = 8
"""Units that are chosen where nobody names any."""

IN_FULL = 2
"""Up to so many named units show all their signals, more only their memory."""

NAMES = {"\n": "↵", "\t": "⇥", " ": " "}


def heat_rows(
    inspection: Inspection, units: Sequence[Unit], *, in_full: bool
) -> Iterator[Row]:
    """
    A row for each signal.

    Args:
        inspection: The text and its arrays.
        units: Whose rows.
        in_full: All signals of each, instead of its memory.
    """
    cell = inspection.model.cell
    for unit in units:
        for name in SIGNALS[cell] if in_full else (MEMORY[cell],):
            values = inspection.signal(unit, name).astype(np.float64)
            largest = 1.0
            if name == "memory":  # of any size
                largest = float(np.abs(values).max()) or 1.0
            label = f"{named(unit)} {name}" if in_full else named(unit)
            yield Row(label, values / largest, name not in GATED[cell])


def blocks(text: str, widths: Sequence[int], columns: int) -> Iterator[tuple[int, int]]:
    """Stretches that fill *columns*, or two thirds of them where a line ends there."""
    start = used = 0
    for place, char in enumerate(text):
        if used + widths[place] > columns:
            yield start, place
            start, used = place, 0
        used += widths[place]
        if char == "\n" and 3 * used > 2 * columns:
            yield start, place + 1
            start, used = place + 1, 0
    if start < len(text):
        yield start, len(text)


def sign(char: str) -> str:
    """Something to see in the place of a character, one or two columns wide."""
    if char in NAMES:
        return NAMES[char]
    plain = char.isprintable() and not unicodedata.combining(char)
    return char if plain and cell_len(char) > 0 else "·"
