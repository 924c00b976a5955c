"""Tables for people: what checkpoints are, how they differ, which corpora there are."""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_textgen.checkpoint.comparing import Comparison, Pair, TensorDistance
from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.checkpoint.listing import Listed as Model
from lstm_textgen.checkpoint.pruning import Removal
from lstm_textgen.report import card
from lstm_textgen.report.terminal import sanitise, write_drawn
from lstm_textgen.sharing.corpora import Listed

WIDE = 10_000
"""Columns where there is no terminal: more than anything needs."""


def show_corpora(listed: list[Listed]) -> None:
    """All corpora that have a name, one a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "language", "size", "here", "licence", "what it is"):
        right = heading == "size"
        table.add_column(
            heading,
            justify="right" if right else "left",
            no_wrap=heading != "what it is",
            overflow="fold",
        )
    for entry in listed:
        corpus = entry.corpus
        size = entry.path.stat().st_size if entry.path else corpus.size_bytes
        here = "bundled" if corpus.bundled else ("yes" if entry.path else "no")
        cells = (
            *(corpus.name, corpus.language, _bytes(size), here),
            *(corpus.licence, corpus.about),
        )
        table.add_row(*(_safe(cell) for cell in cells))
    _print(table)


def show_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """What one model is, where it comes from, what it reaches, what to do with it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("what it is", _safe(card.headline(checkpoint)))
    table.add_row("file", _safe(f"{path} ({_bytes(path.stat().st_size)})"))
    for name, value in card.facts(checkpoint):
        table.add_row(name, _safe(value))
    table.add_row("let it write", _safe(f"textgen sample {shlex.quote(str(path))}"))
    _print(table)


def _print(table: Table) -> None:
    """
    As wide as a terminal; into a pipe or a file, no line is broken.

    Not printed by rich, which stops with an error at a character that the stream
    cannot hold.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as drawn:
        console.print(table)
    write_drawn(drawn.get())


def _safe(value: str) -> Text:
    """As plain text: no markup, nothing that steers the terminal."""
    return Text(sanitise(value))


def _bytes(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def show_models(models: Sequence[Model]) -> None:
    """Runs and models, one a line; what cannot be read tells why."""
    figures = ("vocabulary", "nats", "size", "on disk", "age")
    table = _columns("name", "model", right=figures)
    now = time.time()
    for each in models:
        age = "bundled" if each.kind == "bundled" else _age(now - each.saved_s)
        sizes = (_bytes(each.size_bytes), _bytes(each.folder_bytes), age)
        about = _about(each.card) if each.card else (each.problem, "", "")
        table.add_row(*map(_safe, (each.name, *about, *sizes)))
    _print(table)


def _about(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """Shape, vocabulary and held-out loss of a model."""
    model, nats = checkpoint.model, checkpoint.training.validation_nats_per_char
    is_bytes = checkpoint.tokenizer.kind == "byte"
    return (
        f"{model.cell} {model.layers} x {model.hidden}",
        "bytes" if is_bytes else str(checkpoint.tokenizer.size),
        "" if nats is None else f"{nats:.4f}",
    )


def show_comparison(names: tuple[str, str], found: Comparison) -> None:
    """What differs between two models, and how far their tensors are apart."""
    table = _columns("", *names)
    groups: list[dict[str, Pair]] = [found.settings, found.vocabulary, found.training]
    if found.only_first or found.only_second:
        groups.insert(1, {"only these know": (found.only_first, found.only_second)})
    for group in [*groups, found.about]:
        for key, pair in group.items():
            table.add_row(*map(_safe, (key, *map(_value, pair))))
    if table.row_count:
        _print(table)
    else:
        _print(_lines(["Settings, vocabulary and training are the same."]))
    if found.same_weights:
        _print(_lines(["All weights are the same."]))
        return
    table = _columns("tensor", right=("distance", "share", "largest"))
    table.add_column(_safe("shapes"))
    for each in found.tensors:
        table.add_row(*map(_safe, _distance(each)))
    _print(table)


def _distance(tensor: TensorDistance) -> tuple[str, ...]:
    one, other = tensor.specs
    shapes = one if one == other else f"{one} and {other}"
    if tensor.distance is None:
        return (tensor.name, "", "", "", shapes)
    share = "" if tensor.relative is None else f"{tensor.relative:.1%}"
    figures = f"{tensor.distance:.4g}", share, f"{tensor.largest:.3g}"
    return (tensor.name, *figures, shapes)


def show_removals(removals: Sequence[Removal]) -> None:
    """What would go, one file a line."""
    table = _columns("file", right=("size",))
    table.add_column(_safe("why"))
    for each in removals:
        table.add_row(*map(_safe, (str(each.path), _bytes(each.size_bytes), each.why)))
    _print(table)


def _columns(*left: str, right: Sequence[str] = ()) -> Table:
    """A table with these headings, first those of text and then those of figures."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in left:
        table.add_column(_safe(heading), overflow="fold")
    for heading in right:
        table.add_column(_safe(heading), justify="right", overflow="fold")
    return table


def _lines(lines: list[str]) -> Table:
    """Sentences as they are."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for line in lines:
        table.add_row(_safe(line))
    return table


def _value(value: object) -> str:
    """A setting as a person would write it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value)


def _age(seconds: float) -> str:
    """Since when, in the largest unit of which there is at least one."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "now"
