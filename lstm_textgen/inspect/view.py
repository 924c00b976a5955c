"""
An inspection on a terminal: heat rows under the text, then tables of what units do.

Each row is a signal of a unit, each column a character. With color a gate goes from
dark blue over gray to yellow, and a signed signal from blue over nothing to orange:
pairs that every kind of color vision tells apart. Without color, digits and letters
say the same.
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

from lstm_textgen.inspect.arrays import gate_saturation, units_above_chance
from lstm_textgen.inspect.gates import CELL_SIGNALS, Unit, unit_name
from lstm_textgen.inspect.inspection import Inspection
from lstm_textgen.inspect.probes import MIN_TEXT
from lstm_textgen.ui.table import Column, print_table
from lstm_textgen.ui.terminal import (
    say,
    shade,
    wants_color,
    write_pieces,
    write_text,
)

DRAWN = 1_000
"""Characters of a text that are drawn: some screens."""

COLUMNS = 100
"""The width where there is no terminal."""

LONGEST_LIVED = 5
"""Units that are named for their half-life, in each layer."""

UNITS_PER_PROPERTY = 3
"""Units that are named for each property."""

GATE_BACKGROUNDS = (17, 60, 66, 102, 144, 186, 228)
"""Of a terminal with 256 colors, for 0 to 1."""

NEGATIVE_BACKGROUNDS = (24, 31, 38, 45)

POSITIVE_BACKGROUNDS = (94, 130, 172, 214)
"""The same for -1 and 1, from near 0 outward; 0 itself has none."""

NEGATIVE_DIGITS = "abcdefghi"
"""Without color: one to nine ninths below 0."""

VISIBLE = {"\n": "↵", "\t": "⇥", " ": " "}

LEFT_ALIGNED = {"gate", "units", "property", "units above chance"}
"""Headings of columns with words; the others have figures."""

Styled = tuple[str, str | None]
"""Text and its style."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatRow:
    """One signal of one unit."""

    label: str
    values: Float[np.ndarray, " T"]
    """0 to 1, or -1 to 1 where it is signed."""
    signed: bool


def heat_rows(
    inspection: Inspection, units: Sequence[Unit], *, all_signals: bool
) -> list[HeatRow]:
    """
    A row for each signal, whoever draws it.

    Args:
        inspection: The text and its trace.
        units: Whose rows.
        all_signals: Every signal of each unit, not its memory alone.
    """
    signals, rows = CELL_SIGNALS[inspection.model.cell], []
    names = signals.names if all_signals else (signals.memory,)
    for unit in units:
        for name in names:
            values = inspection.signal(unit, name).astype(np.float64)
            if name == "memory":  # of any size: as a part of its largest
                values = values / (float(np.abs(values).max()) or 1.0)
            label = f"{unit_name(unit)} {name}" if all_signals else unit_name(unit)
            rows.append(HeatRow(label, values, name not in signals.gates))
    return rows


def blocks(text: str, widths: Sequence[int], columns: int) -> Iterator[tuple[int, int]]:
    """Stretches that fill *columns*, or two thirds of them where a line ends there."""
    start = used = 0
    for t, char in enumerate(text):
        if used + widths[t] > columns:
            yield start, t
            start, used = t, 0
        used += widths[t]
        if char == "\n" and 3 * used > 2 * columns:
            yield start, t + 1
            start, used = t + 1, 0
    if start < len(text):
        yield start, len(text)


def visible(char: str) -> str:
    """What stands for a character, one or two columns wide."""
    if char in VISIBLE:
        return VISIBLE[char]
    plain = char.isprintable() and not unicodedata.combining(char)
    return char if plain and cell_len(char) > 0 else "·"


def show_heat(inspection: Inspection, rows: Sequence[HeatRow], *, quiet: bool) -> None:
    """Draw the beginning of the text, rows below it, and a legend unless *quiet*."""
    color = wants_color(sys.stdout)
    width = shutil.get_terminal_size((COLUMNS, 24)).columns
    width = width if sys.stdout.isatty() else COLUMNS
    for line in heat_lines(inspection, rows, width=width, color=color):
        write_pieces([*line, ("\n", None)])
    if quiet:
        return
    for note in _legend(rows, color=color):
        say(note)
    if len(inspection.text) > DRAWN:
        say(
            f"note: {DRAWN:,} of {len(inspection.text):,} characters are drawn here; "
            "--html FILE draws them all."
        )


def heat_lines(
    inspection: Inspection, rows: Sequence[HeatRow], *, width: int, color: bool
) -> Iterator[list[Styled]]:
    """The lines, block by block: text, best guess, bits, and a line for each row."""
    signs = [visible(char) for char in inspection.text[:DRAWN]]
    widths = [cell_len(sign) for sign in signs]
    guesses = _guesses(inspection, signs)
    bits = inspection.trace.bits
    margin = max(len(label) for label in ("guess", *(row.label for row in rows))) + 2
    for start, stop in blocks(inspection.text[:DRAWN], widths, max(width - margin, 8)):
        block = range(start, stop)
        text: list[Styled] = [
            (signs[t], _surprise_style(bits[t]) if color else None) for t in block
        ]
        yield [("text".ljust(margin), None), *_joined(text)]
        yield [("guess".ljust(margin), None), ("".join(guesses[start:stop]), None)]
        digits = "".join(_bits_digit(bits[t]).ljust(widths[t]) for t in block)
        yield [("bits".ljust(margin), None), (digits, None)]
        for row in rows:
            draw = _colored if color else _digits
            cells = [draw(float(row.values[t]), row.signed, widths[t]) for t in block]
            yield [(row.label.ljust(margin), None), *_joined(cells)]
        yield [("", None)]


def _guesses(inspection: Inspection, signs: Sequence[str]) -> list[str]:
    """The most likely character before each was read, as wide as that is."""
    ids = inspection.trace.guesses[: len(signs) - 1, 0].tolist()
    names = (inspection.id_names[id] for id in ids)
    guesses = [" ", *(visible(name) if len(name) == 1 else "·" for name in names)]
    return [
        (guess if cell_len(guess) <= cell_len(sign) else "·").ljust(cell_len(sign))
        for guess, sign in zip(guesses, signs, strict=True)
    ]


def _surprise_style(bits: float) -> str | None:
    return None if math.isnan(bits) else shade(float(bits) * np.log(2))


def _bits_digit(bits: float) -> str:
    """Bits as one digit, 9 for more; a blank for NaN."""
    return " " if math.isnan(bits) else str(min(9, round(float(bits))))


def _colored(value: float, signed: bool, width: int) -> Styled:
    """A value as a background."""
    if not signed:
        level = min(int(value * len(GATE_BACKGROUNDS)), len(GATE_BACKGROUNDS) - 1)
        return " " * width, f"48;5;{GATE_BACKGROUNDS[level]}"
    size = round(min(abs(value), 1.0) * len(POSITIVE_BACKGROUNDS))
    backgrounds = NEGATIVE_BACKGROUNDS if value < 0 else POSITIVE_BACKGROUNDS
    return " " * width, f"48;5;{backgrounds[size - 1]}" if size else None


def _digits(value: float, signed: bool, width: int) -> Styled:
    """A value as a character: 0 to 9 for a gate, `a` to `i` below zero."""
    if not signed:
        return str(max(0, min(9, int(value * 10)))) * width, None
    size = round(abs(value) * 9)
    if size == 0:
        return "." * width, None
    return (NEGATIVE_DIGITS[size - 1] if value < 0 else str(size)) * width, None


def _joined(pieces: Sequence[Styled]) -> list[Styled]:
    """Neighbors of one style as one piece."""
    groups = itertools.groupby(pieces, key=lambda piece: piece[1])
    return [("".join(text for text, _ in group), style) for style, group in groups]


def _legend(rows: Sequence[HeatRow], *, color: bool) -> Iterator[str]:
    yield "guess: the likeliest before each character; bits: its surprise, 9 for more"
    if any(not row.signed for row in rows):
        scale = "dark blue 0, yellow 1" if color else "digits from 0 to 9 for 0 to 1"
        yield f"gates: {scale}"
    if any(row.signed for row in rows):
        scale = (
            "blue below zero, orange above"
            if color
            else "a to i below zero, . about zero, 1 to 9 above"
        )
        yield f"the rest: {scale}; a memory as a part of its largest"


def describe_unit(inspection: Inspection, unit: Unit) -> str:
    """The best property and the half-life of a unit; empty where it has neither."""
    index, words = inspection.index_of(unit), []
    best = inspection.best_property(index)
    if best is not None:
        words.append(f"{best.name} (AUC {best.auc[index]:.2f})")
    if inspection.half_life is not None:
        words.append(f"half-life {_half_life(inspection.half_life[index])}")
    return ", ".join(words)


def show_habits(inspection: Inspection) -> None:
    """Saturation and half-life of each layer, and the units that follow a property."""
    if inspection.saturation is None:
        _write(
            "", "An RNN has no gates: its memory is written anew at every character."
        )
    else:
        gate = f"{CELL_SIGNALS[inspection.model.cell].retention_gate} gate"
        _write(
            "", "share of the time that a gate is shut (below 0.1), open (above 0.9)"
        )
        _print_table(_saturation_rows(inspection), "layer", "gate", "shut", "open")
        _write("", f"half-life of a memory in characters, by the {gate}")
        _print_table(_half_life_rows(inspection), "layer", "median", "longest", "units")
    _write("", *_findings_heading(inspection))
    if inspection.findings:
        headings = ("property", "of the text", "chance", "null", "units above chance")
        _print_table(_findings_rows(inspection), *headings)


def _write(*lines: str) -> None:
    for line in lines:
        write_text(f"{line}\n")


def _print_table(rows: Sequence[Sequence[str]], *headings: str) -> None:
    print_table(rows, [Column(name, name not in LEFT_ALIGNED) for name in headings])


def _half_life(characters: float) -> str:
    if not math.isfinite(characters) or characters >= 1e6:
        return "over 1,000,000"
    return f"{characters:,.0f}" if characters >= 10 else f"{characters:.1f}"


def _saturation_rows(inspection: Inspection) -> list[list[str]]:
    return [
        [str(row["layer"]), row["gate"], f"{row['shut']:.1%}", f"{row['open']:.1%}"]
        for row in gate_saturation(inspection)
    ]


def _half_life_rows(inspection: Inspection) -> list[list[str]]:
    rows = []
    for layer, habits in enumerate(inspection.trace.habits):
        assert habits.half_life is not None, "an RNN has no half-lives"
        longest = np.argsort(-habits.half_life)[:LONGEST_LIVED]
        rows.append(
            [
                str(layer),
                _half_life(float(np.median(habits.half_life))),
                _half_life(float(habits.half_life[longest[0]])),
                ", ".join(unit_name((layer, int(unit))) for unit in longest),
            ]
        )
    return rows


def _findings_heading(inspection: Inspection) -> list[str]:
    if len(inspection.text) < MIN_TEXT:
        return [
            f"A text below {MIN_TEXT:,} characters is too short to tell which "
            "units follow a property of it."
        ]
    if not inspection.findings:
        return ["The text has none of the properties that units are held to."]
    return [
        "units that follow a property of the text, by AUC (0.5 chance, 1 or 0 perfect)",
        "chance: the best of all units on shifted text, on any property 1 time in 20",
    ]


def _findings_rows(inspection: Inspection) -> list[list[str]]:
    rows = []
    for row in units_above_chance(inspection):
        units = row["units"][:UNITS_PER_PROPERTY]
        rows.append(
            [
                row["property"],
                f"{row['share']:.1%}",
                f"{row['chance']:.3f}",
                f"{row['null']:.2f}",
                ", ".join(f"{u['unit']} {u['auc']:.3f}" for u in units) or "none",
            ]
        )
    return rows
