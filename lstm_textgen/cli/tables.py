"""Tables of models, what differs between two, and what can be removed."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from lstm_textgen.checkpoint.diff import ModelDiff, Pair, TensorDistance
from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.runs.listing import ModelEntry as Model
from lstm_textgen.runs.listing import Removal
from lstm_textgen.ui import model_facts as card
from lstm_textgen.ui.table import (
    in_bytes,
    lines_table,
    print_table,
    safe_text,
    table_with,
)


def show_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """What one model is, where it comes from, what it reaches, what to do with it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("what it is", safe_text(card.headline(checkpoint)))
    table.add_row("file", safe_text(f"{path} ({in_bytes(path.stat().st_size)})"))
    for name, value in card.model_facts(checkpoint):
        table.add_row(name, safe_text(value))
    table.add_row("let it write", safe_text(f"textgen sample {shlex.quote(str(path))}"))
    print_table(table)


def show_models(models: Sequence[Model]) -> None:
    """Runs and models, one a line; what cannot be read tells why."""
    figures = ("vocabulary", "nats", "size", "on disk", "age")
    table = table_with("name", "model", right=figures)
    now = time.time()
    for each in models:
        age = "bundled" if each.kind == "bundled" else _age(now - each.saved_s)
        sizes = (in_bytes(each.size_bytes), in_bytes(each.folder_bytes), age)
        about = _about(each.card) if each.card else (each.problem, "", "")
        table.add_row(*map(safe_text, (each.name, *about, *sizes)))
    print_table(table)


def _about(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """Shape, vocabulary and held-out loss of a model."""
    model, nats = checkpoint.model, checkpoint.training.validation_nats_per_char
    is_bytes = checkpoint.tokenizer.kind == "byte"
    return (
        f"{model.cell} {model.layers} x {model.hidden}",
        "bytes" if is_bytes else str(checkpoint.tokenizer.size),
        "" if nats is None else f"{nats:.4f}",
    )


def show_diff(names: tuple[str, str], found: ModelDiff) -> None:
    """What differs between two models, and how far their tensors are apart."""
    table = table_with("", *names)
    groups: list[dict[str, Pair]] = [found.settings, found.vocabulary, found.training]
    if found.only_first or found.only_second:
        groups.insert(1, {"only these know": (found.only_first, found.only_second)})
    for group in [*groups, found.about]:
        for key, pair in group.items():
            table.add_row(*map(safe_text, (key, *map(_value, pair))))
    if table.row_count:
        print_table(table)
    else:
        print_table(lines_table(["Settings, vocabulary and training are the same."]))
    if found.same_weights:
        print_table(lines_table(["All weights are the same."]))
        return
    table = table_with("tensor", right=("distance", "share", "largest"))
    table.add_column(safe_text("shapes"))
    for each in found.tensors:
        table.add_row(*map(safe_text, _distance(each)))
    print_table(table)


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
    table = table_with("file", right=("size",))
    table.add_column(safe_text("why"))
    for each in removals:
        table.add_row(
            *map(safe_text, (str(each.path), in_bytes(each.size_bytes), each.why))
        )
    print_table(table)


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
