"""Rows of heat under lines of text, whoever draws them."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from rich.cells import cell_len

from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import GATED, MEMORY, SIGNALS, Unit, named

SHOWN = 1_000
"""Characters of a text that are drawn: some screens."""

ROWS = 8
"""Units that are chosen where nobody names any."""

IN_FULL = 2
"""Up to so many named units show all their signals, more only their memory."""

NAMES = {"\n": "↵", "\t": "⇥", " ": " "}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One line of heat."""

    label: str
    values: Float[np.ndarray, " T"]
    """0 to 1, or -1 to 1 where it is signed."""
    signed: bool


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
