"""Tables for people: what checkpoints are, how they differ, which corpora there are."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_textgen.ui.terminal import sanitize, write_drawn

WIDE = 10_000
"""Columns where there is no terminal: more than anything needs."""


def print_table(table: Table) -> None:
    """
    As wide as a terminal; into a pipe or a file, no line is broken.

    Not printed by rich, which stops with an error at a character that the stream
    cannot hold.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as drawn:
        console.print(table)
    write_drawn(drawn.get())


def safe_text(value: str) -> Text:
    """As plain text: no markup, nothing that steers the terminal."""
    return Text(sanitize(value))


def in_bytes(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def table_with(*left: str, right: Sequence[str] = ()) -> Table:
    """A table with these headings, first those of text and then those of figures."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in left:
        table.add_column(safe_text(heading), overflow="fold")
    for heading in right:
        table.add_column(safe_text(heading), justify="right", overflow="fold")
    return table


def lines_table(lines: list[str]) -> Table:
    """Sentences as they are."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for line in lines:
        table.add_row(safe_text(line))
    return table
