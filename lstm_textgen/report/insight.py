"""What the units of a model do, as tables and sentences for a terminal."""

import math
import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from lstm_textgen.insight import arrays, finder
from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import KEEPER, named
from lstm_textgen.report.terminal import write_drawn, write_text

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


def about(inspection: Inspection, number: int) -> str:
    """What one unit is known for, in a few words; empty for nothing."""
    words = []
    best = inspection.best_property(number)
    if best is not None:
        words.append(f"{best.name} (AUC {best.auc[number]:.2f})")
    if inspection.half_life is not None:
        words.append(f"half-life {characters(inspection.half_life[number])}")
    return ", ".join(words)


def characters(half_life: float) -> str:
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
        median = characters(float(np.median(habits.half_life)))
        longest = characters(float(habits.half_life[ranked[0]]))
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
    for told in arrays.findings(inspection):
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
