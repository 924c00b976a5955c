"""A comparison on a terminal: one column for each cell, within 80 characters."""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_textgen.insight.compare.results import CellOnTask, CellOnText, Comparison
from lstm_textgen.report.compare.words import cautions, findings, limit, spread
from lstm_textgen.report.terminal import sanitise, say
from lstm_textgen.report.training import NAMES

NARROW = 80
SHOWN = (16, 64, 256)
"""Distances of the recall tasks that have room in the table."""


def show_comparison(found: Comparison) -> None:
    """The figures on stdout, what they mean on stderr."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for terms in found.terms:
        table.add_column(NAMES[terms.cell], justify="right", no_wrap=True)
    for heading, cells in rows(found):
        style = "bold" if not any(cells) else ""
        table.add_row(*(Text(sanitise(each), style) for each in (heading, *cells)))
    width = None if sys.stdout.isatty() else NARROW
    Console(width=width).print(table)


def say_findings(found: Comparison) -> None:
    """The sentences that follow from the figures, on stderr."""
    for sentence in findings(found):
        say(sentence)
    for note in cautions(found):
        say(f"note: {note}")


def rows(found: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Every line of the table: what it is, and a figure for each cell."""
    empty = tuple("" for _ in found.terms)
    table = [
        ("units", tuple(str(each.hidden) for each in found.terms)),
        (
            "recurrent parameters",
            tuple(f"{each.recurrent_parameters:,}" for each in found.terms),
        ),
        ("kernel", tuple(each.kernel.split(",")[0] for each in found.terms)),
        ("learning rate", tuple(f"{each.choice.rate:g}" for each in found.texts)),
        (f"{found.characters_read:,} characters read", empty),
        *_text_rows(found.texts),
    ]
    for task in found.tasks:
        table.append((f"{task.name}, {task.baseline:.1%} by guessing", empty))
        table += _task_rows(task.cells)
    return table


def _text_rows(texts: tuple[CellOnText, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("  nats per character", tuple(spread(each.nats_per_char) for each in texts)),
        ("  seconds", tuple(spread(each.seconds, ".0f") for each in texts)),
        (
            "  gradient, untrained",
            tuple(limit(each.reach_untrained, 511) for each in texts),
        ),
        (
            "  gradient, trained",
            tuple(limit(each.reach_trained, 511) for each in texts),
        ),
        ("  useful context", tuple(limit(each.context_end, 512) for each in texts)),
    ]


def _task_rows(cells: tuple[CellOnTask, ...]) -> list[tuple[str, tuple[str, ...]]]:
    table = [
        (f"  right at {distance}", tuple(_right(cell, distance) for cell in cells))
        for distance in SHOWN
    ]
    return [
        *table,
        ("  half way down at", tuple(limit(cell.half_way, 256) for cell in cells)),
    ]


def _right(cell: CellOnTask, distance: int) -> str:
    if not cell.accuracy.y:
        return "-"
    at = cell.accuracy.x.index(distance)
    percents = sorted(100 * row[at] for row in cell.accuracy.y)
    mean, half = sum(percents) / len(percents), (percents[-1] - percents[0]) / 2
    return f"{mean:.1f} ± {half:.1f} %" if len(percents) > 1 else f"{mean:.1f} %"
