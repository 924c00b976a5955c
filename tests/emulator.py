"""
A terminal in memory: what a text does to a screen, as pyte tells it.

And which characters are commands to one, as Unicode tells it.
"""

import unicodedata
from dataclasses import dataclass
from typing import Any

import pyte


@dataclass(frozen=True)
class Terminal:
    """All that a terminal remembers once a text was sent to it."""

    lines: tuple[str, ...]
    """What is to be read on it, without the empty end."""

    looks: frozenset[tuple[Any, ...]]
    """Place and look of each cell that is not plain."""

    cursor: tuple[int, int]
    """Column and row."""

    settings: dict[str, Any]
    """What outlasts the text: title, modes, character sets, margins, tabs, size."""

    is_as_it_was: bool
    """Whether those are the settings of a new terminal."""


def terminal_after(text: str, *, columns: int = 100, rows: int = 100) -> Terminal:
    """
    A new terminal to which *text* was sent.

    Args:
        text: As a program writes it: each line end also returns to the first column.
        columns: How wide it is.
        rows: How many lines it has.
    """
    screen = pyte.Screen(columns, rows)
    before = settings_of(screen)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    looks = {
        (row, column, *cell[1:])
        for row, cells in screen.buffer.items()
        for column, cell in cells.items()
        if cell[1:] != screen.default_char[1:]
    }
    place = screen.cursor.x, screen.cursor.y
    after = settings_of(screen)
    return Terminal(tuple(lines), frozenset(looks), place, after, after == before)


def settings_of(screen: pyte.Screen) -> dict[str, Any]:
    """What is not to be read on a screen, and changes how later text is shown."""
    return {
        "title": (screen.title, screen.icon_name),
        "modes": frozenset(screen.mode),
        "sets": (screen.charset, screen.g0_charset, screen.g1_charset),
        "margins": screen.margins,
        "tabs": frozenset(screen.tabstops),
        "kept": len(screen.savepoints),
        "hidden": screen.cursor.hidden,
        "pen": screen.cursor.attrs[1:],
        "size": (screen.columns, screen.lines),
    }


MARKS = {"ARABIC LETTER MARK", "LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK"}
EMBEDS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def steers(char: str) -> bool:
    """Whether Unicode says that a character is a command, line end and tab apart."""
    category = unicodedata.category(char)
    if category == "Cc":
        return char not in "\n\t"
    turns = unicodedata.bidirectional(char) in EMBEDS
    return category == "Cf" and (turns or unicodedata.name(char, "") in MARKS)


def plain(text: str) -> str:
    """*text* with U+FFFD in the place of each character that steers a terminal."""
    return "".join("\ufffd" if steers(char) else char for char in text)
