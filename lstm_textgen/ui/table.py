"""Print tables: as wide as the terminal, and safe for every stream."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_textgen.ui.terminal import sanitize, write_drawn

PIPE_COLUMNS = 10_000
"""Columns where there is no terminal: more than any table needs."""

TableCell = str | Text


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; long cells continue on the next line."""

    heading: str = ""

    figures: bool = False
    """Aligned to the right."""

    wraps: bool = True
    """May become narrower than its longest cell."""


def print_table(
    rows: Sequence[Sequence[TableCell]], columns: Sequence[Column] = ()
) -> None:
    """
    Print a table on stdout: as wide as a terminal; into a pipe no line is broken.

    Not printed by rich, which stops with an error at a character that the stream
    cannot hold.

    Args:
        rows: Cells are plain text without markup, or come from `bold`.
        columns: One for each cell of a row; without any, there is no heading.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.show_header = bool(columns)
    for column in columns or [Column()] * len(rows[0]):
        table.add_column(
            _safe(column.heading),
            justify="right" if column.figures else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(_safe, row))
    console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    with console.capture() as drawn:
        console.print(table)
    write_drawn(drawn.get())


def bold(text: str) -> Text:
    """A cell in bold."""
    return Text(sanitize(text), "bold")


def _safe(cell: TableCell) -> Text:
    """Without markup, and without anything that steers the terminal."""
    return cell if isinstance(cell, Text) else Text(sanitize(cell))


def in_bytes(size: int | None) -> str:
    """A size as people read it, such as `4.2 MB`."""
    if size is None:
        return "?"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
