"""Tables for people: what a checkpoint is, which corpora there are."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_textgen.checkpoint.format import Checkpoint, parameter_count
from lstm_textgen.evaluation.perplexity import Loss
from lstm_textgen.report.terminal import sanitise, write_drawn
from lstm_textgen.report.training import clock
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
    """What one model is, where it comes from, and what it reaches."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _facts(path, checkpoint):
        table.add_row(name, _safe(value))
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


def _facts(path: Path, checkpoint: Checkpoint) -> list[tuple[str, str]]:
    model, training = checkpoint.model, checkpoint.training
    vocabulary = checkpoint.tokenizer.size
    parameters = parameter_count(model, vocabulary)
    joined = ", each added to its input" if model.residual and model.layers > 1 else ""
    facts = [
        ("file", f"{path} ({_bytes(path.stat().st_size)})"),
        ("model", f"{model.cell}, {model.layers} x {model.hidden} units{joined}"),
        ("parameters", f"{parameters:,}"),
        ("vocabulary", _vocabulary(checkpoint)),
    ]
    if training.corpus:
        facts.append(
            ("trained on", f"{training.corpus}, {training.characters:,} characters")
        )
        facts.append(("sha256", training.sha256))
    facts.append(
        (
            "training",
            f"{training.steps:,} steps, {training.epochs:.2f} epochs, "
            f"{clock(training.seconds)}, seed {training.seed}",
        )
    )
    if training.validation_nats_per_char is not None:
        loss = Loss(training.validation_nats_per_char, 1)
        facts.append(
            (
                "held-out loss",
                f"{loss.nats_per_char:.4f} nats = {loss.bits_per_char:.3f} bits per "
                f"character, over {training.validation_characters:,} characters",
            )
        )
    made_by = ", ".join(f"{k} {v}" for k, v in sorted(checkpoint.made_by.items()))
    facts.append(("made by", made_by))
    facts.append(("licence", checkpoint.licence or "not stated"))
    return facts + ([("note", checkpoint.note)] if checkpoint.note else [])


def _vocabulary(checkpoint: Checkpoint) -> str:
    tokenizer = checkpoint.tokenizer
    if tokenizer.kind == "byte":
        return "bytes: every text"
    characters = tokenizer.decode(list(range(tokenizer.size)))
    shown = "".join(char if char.isprintable() else " " for char in characters).strip()
    cut = shown if len(shown) <= 120 else shown[:117] + "..."
    return f"{tokenizer.size} characters: {cut}"


def _safe(value: str) -> Text:
    """As plain text: no markup, nothing that steers the terminal."""
    return Text(sanitise(value))


def _bytes(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
