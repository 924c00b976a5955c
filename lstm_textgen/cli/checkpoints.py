"""`textgen info` and `textgen checkpoints`: look at models, check and compare them."""

import dataclasses
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_textgen.config import check, to_json
from lstm_textgen.errors import ConfigError, TextgenError
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import (
    AsJson,
    CheckpointArgument,
    Debug,
    ModelArgument,
    Quiet,
    option,
    print_json,
)
from lstm_textgen.ui.table import Column, TableCell, bold, in_bytes, print_table
from lstm_textgen.ui.terminal import say, write_text

if TYPE_CHECKING:
    from lstm_textgen.checkpoint.diff import ModelDiff, TensorDistance
    from lstm_textgen.checkpoint.format import Checkpoint
    from lstm_textgen.evaluation.loss import Loss
    from lstm_textgen.runs.listing import FileCheck, ModelEntry, Removal


app = typer.Typer(
    help="""
\b
textgen checkpoints
textgen checkpoints verify model.safetensors
textgen checkpoints diff checkpoints/book checkpoints/book-2

Look at runs and models, check them, compare them, and clear them up.
""",
    rich_markup_mode="rich",
    invoke_without_command=True,
)


def info(
    checkpoint: CheckpointArgument = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen info checkpoints/fables
    textgen info model.safetensors --json

    Say what a model is, what it was trained on, and how well it does. The whole
    file is checked on the way.
    """
    from lstm_textgen.checkpoint.format import load_checkpoint, to_metadata
    from lstm_textgen.runs.find import find_checkpoint
    from lstm_textgen.ui import model_facts

    path = find_checkpoint(checkpoint)
    model = load_checkpoint(path)
    if json:
        print_json(to_metadata(model))
    else:
        facts = [
            ("what it is", model_facts.headline(model)),
            ("file", f"{path} ({in_bytes(path.stat().st_size)})"),
            *model_facts.model_facts(model),
            ("let it write", f"textgen sample {shlex.quote(str(path))}"),
        ]
        print_table([(bold(name), fact) for name, fact in facts])


@app.callback()
def list_checkpoints(
    context: typer.Context,
    folder: Annotated[
        Path, option("--in", help="Folder to look in.", default="checkpoints")
    ] = Path("checkpoints"),
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen checkpoints
    textgen checkpoints --in runs --json
    textgen checkpoints verify model.safetensors

    List the runs and models in a folder, newest first, and the bundled ones: size,
    vocabulary, held-out loss in nats, age.
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced_options(context)
        return
    from lstm_textgen.runs.find import require_folder
    from lstm_textgen.runs.listing import list_models

    require_folder(folder)
    entries = list_models(folder)
    if json:
        print_json({"checkpoints": [_entry_json(entry) for entry in entries]})
    else:
        _show_entries(entries)


def _refuse_misplaced_options(context: typer.Context) -> None:
    """
    See that no option stands before the command that it is meant for.

    It would be dropped in silence: prune would look elsewhere, verify print no JSON.
    """
    spellings = {"folder": "--in", "json": "--json", "quiet": "--quiet"}
    for name, spelling in spellings.items():
        source = context.get_parameter_source(name)
        if source and source.name == "COMMANDLINE":
            command = context.invoked_subcommand
            raise ConfigError(
                f"{spelling} stands before {command}.",
                f"Put it after the command: textgen checkpoints {command} {spelling}",
            )


def _entry_json(entry: "ModelEntry") -> dict[str, Any]:
    """An entry as JSON; null for what a file that cannot be read leaves unknown."""
    header = entry.header
    model, training = (header.model, header.training) if header else (None, None)
    saved = datetime.fromtimestamp(entry.saved_s, UTC)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "path": str(entry.path),
        "size_bytes": entry.size_bytes,
        "folder_bytes": entry.folder_bytes,
        "saved": saved.isoformat(timespec="seconds"),
        "problem": entry.problem or None,
        "model": model and to_json(model),
        "vocabulary": header and header.tokenizer.size,
        "corpus": training and training.corpus,
        "validation_nats_per_char": training and training.validation_nats_per_char,
    }


def _show_entries(entries: "Sequence[ModelEntry]") -> None:
    """Runs and models, one per line; for what cannot be read, the reason."""
    figures = ("vocabulary", "nats", "size", "on disk", "age")
    columns = [Column("name"), Column("model")]
    columns += [Column(heading, figures=True) for heading in figures]
    now = time.time()
    rows = [
        (
            entry.name,
            *(_summary(entry.header) if entry.header else (entry.problem, "", "")),
            in_bytes(entry.size_bytes),
            in_bytes(entry.folder_bytes),
            "bundled" if entry.kind == "bundled" else _age(now - entry.saved_s),
        )
        for entry in entries
    ]
    print_table(rows, columns)


def _summary(checkpoint: "Checkpoint") -> tuple[str, str, str]:
    """Shape, vocabulary and held-out loss of a model."""
    model, nats = checkpoint.model, checkpoint.training.validation_nats_per_char
    is_bytes = checkpoint.tokenizer.kind == "byte"
    return (
        f"{model.cell} {model.layers} x {model.hidden}",
        "bytes" if is_bytes else str(checkpoint.tokenizer.size),
        "" if nats is None else f"{nats:.4f}",
    )


def _age(seconds: float) -> str:
    """An age in the largest unit that it reaches."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "now"


@app.command("verify", short_help="Read files whole: digest, settings, numbers.")
def verify(
    models: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Models, or runs with all their files."),
    ],
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen checkpoints verify model.safetensors
    textgen checkpoints verify checkpoints/* --json

    Read every byte of models: the digest, the settings, names and shapes, and whether
    all numbers are finite; of the states of a run, the digest and the numbers. Ends
    with 65 if any of them is bad. The digest that is shown is that of the weights, the
    same wherever the model lies.
    """
    from lstm_textgen.runs.listing import summary

    checks = [file for model in models for file in _check_model(model)]
    if json:
        files = [
            {
                "path": str(file.path),
                "ok": file.error is None,
                "tensors_sha256": file.sha256 or None,
                "problem": file.error.problem if file.error else None,
            }
            for file in checks
        ]
        print_json({"checkpoints": files})
    elif not quiet:
        for file in checks:
            if file.error is None:
                write_text(f"fine  {file.path}  {file.sha256}\n")
    errors = [file.error for file in checks if file.error is not None]
    for error in errors if len(checks) > 1 else []:
        say(f"bad   {error}".replace("\n", " "))
    if errors:
        raise summary(checks)


def _check_model(model: str) -> "list[FileCheck]":
    """Check a model; one on a hub is downloaded, and keeps the name it has there."""
    from lstm_textgen.remote.repository import is_on_hub
    from lstm_textgen.runs.find import find_checkpoint
    from lstm_textgen.runs.listing import FileCheck, check_files

    if not is_on_hub(model):
        return check_files(model)
    try:
        checks = check_files(str(find_checkpoint(model)))
    except TextgenError as error:
        return [FileCheck(model, error=error)]
    return [dataclasses.replace(file, path=model) for file in checks]


@app.command("diff", short_help="What differs between two models.")
def diff(
    first: ModelArgument,
    second: ModelArgument,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen checkpoints diff checkpoints/book checkpoints/book-2
    textgen checkpoints diff shakespeare fables --json

    Say what differs between two models: settings, characters, training, and for every
    tensor how far one is from the other.
    """
    from lstm_textgen.checkpoint.diff import diff_models
    from lstm_textgen.checkpoint.format import load_checkpoint
    from lstm_textgen.runs.find import find_checkpoint

    one, other = (load_checkpoint(find_checkpoint(name)) for name in (first, second))
    differences = diff_models(one, other)
    if json:
        same = {"same": differences.same}
        print_json(dataclasses.asdict(differences) | same)
    else:
        _show_diff((first, second), differences)


def _show_diff(names: tuple[str, str], diff: "ModelDiff") -> None:
    """What differs between two models, and the distance between their tensors."""
    groups = [diff.settings, diff.vocabulary, diff.training, diff.about]
    if diff.only_first or diff.only_second:
        groups.insert(1, {"only these know": (diff.only_first, diff.only_second)})
    rows: list[Sequence[TableCell]] = [
        (key, _shown(here), _shown(there))
        for group in groups
        for key, (here, there) in group.items()
    ]
    if rows:
        print_table(rows, [Column(), *map(Column, names)])
    else:
        print_table([["Settings, vocabulary and training are the same."]])
    if diff.same_weights:
        print_table([["All weights are the same."]])
        return
    figures = [Column(name, figures=True) for name in ("distance", "share", "largest")]
    columns = [Column("tensor"), *figures, Column("shapes")]
    print_table([_distance_row(tensor) for tensor in diff.tensors], columns)


def _distance_row(tensor: "TensorDistance") -> tuple[str, ...]:
    here, there = tensor.specs
    shapes = here if here == there else f"{here} and {there}"
    if tensor.distance is None:
        return (tensor.name, "", "", "", shapes)
    share = "" if tensor.relative is None else f"{tensor.relative:.1%}"
    figures = f"{tensor.distance:.4g}", share, f"{tensor.largest:.3g}"
    return (tensor.name, *figures, shapes)


def _shown(value: object) -> str:
    """A setting as a person would write it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value)


@app.command("average", short_help="The mean of several models.")
def average(
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Models or runs, two or more.")
    ],
    output: Annotated[Path, option("--output", "-o", help="File to write.")],
    text: Annotated[
        list[str] | None, option(help="Judge the mean, and each model, by this text.")
    ] = None,
    split: Annotated[
        str | None,
        option(
            help="Only this part of the text they were trained on: train, validation "
            "or test.",
            default="all of the text",
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen checkpoints average a.safetensors b.safetensors -o mean.safetensors
    textgen checkpoints average runs/a runs/b -o mean.safetensors \\
        --text book.txt --split validation

    Make the model whose every weight is the mean of those of other models. It helps
    where they are copies of model.safetensors that you put aside while one run trained,
    or went on from one model; models that were born apart give noise. The state files
    of a run are not taken. With --text, all models are judged by it.
    """
    from lstm_textgen.checkpoint.average import average_models
    from lstm_textgen.checkpoint.format import load_checkpoint, save_checkpoint
    from lstm_textgen.evaluation.loss import with_loss
    from lstm_textgen.runs.find import find_checkpoint, require_free

    if split and not text:
        raise ConfigError(
            f"--split {split} names a part of a text, and there is none.",
            "Name the text by --text.",
        )
    require_free(output)
    loaded = [load_checkpoint(find_checkpoint(name)) for name in models]
    mean = average_models(loaded, models)
    losses = _losses([mean, *loaded], text, split) if text else []
    if losses and split == "validation":
        mean = with_loss(mean, losses[0])
    save_checkpoint(output, mean)
    nats = [loss.nats_per_char for loss in losses]
    if json:
        figures = {"nats_per_char": nats[0], "each": nats[1:]} if nats else {}
        print_json({"checkpoint": str(output), "of": models} | figures)
        return
    if not quiet:
        for name, nats_per_char in zip(["their mean", *models], nats, strict=False):
            say(f"{nats_per_char:.4f} nats per character  {name}")
    write_text(f"{output}\n")


def _losses(
    models: "Sequence[Checkpoint]", text: list[str], split: str | None
) -> "list[Loss]":
    """The loss of each model; all of them read the same ids."""
    from lstm_textgen.evaluation.part import read_part
    from lstm_textgen.evaluation.perplexity import exact_loss
    from lstm_textgen.model.weights import build_model
    from lstm_textgen.text.source import find_source

    first, source = models[0], find_source(resolve_names(text))
    ids = read_part(first.tokenizer, first.training, source, split)
    begins = first.tokenizer.begins
    return [exact_loss(build_model(model), ids, begins=begins) for model in models]


@app.command("prune", short_help="What can go from a folder of runs.")
def prune(
    folder: Annotated[
        Path, option("--in", help="Folder of the runs.", default="checkpoints")
    ] = Path("checkpoints"),
    keep: Annotated[
        int | None, option(help="Runs to keep, the newest.", default="all")
    ] = None,
    states: Annotated[
        bool,
        option("--states", help="Also what a run needs only to go on; models stay."),
    ] = False,
    yes: Annotated[bool, option("--yes", help="Remove what is shown.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen checkpoints prune
    textgen checkpoints prune --keep 5 --states
    textgen checkpoints prune --keep 5 --yes

    Show what can go from a folder of runs: what was never finished, states before the
    newest, runs that never saved anything. Only with --yes it is removed. Models that
    were not trained here, files that textgen did not write, and runs at work stay.
    """
    from lstm_textgen.runs.find import require_folder
    from lstm_textgen.runs.listing import plan_pruning, remove_files

    check("keep", keep, keep is None or keep >= 0, "0 or more")
    require_folder(folder)
    plan = plan_pruning(folder, keep=keep, states=states)
    for run in plan.busy:
        say(f"note: {run} is in use and stays.")
    if plan.removals and not (json or quiet):
        columns = [Column("file"), Column("size", figures=True), Column("why")]
        rows = [(str(f.path), in_bytes(f.size_bytes), f.why) for f in plan.removals]
        print_table(rows, columns)
    removed = remove_files(plan.removals) if yes else []
    if json:
        files = [
            {"path": str(file.path), "size_bytes": file.size_bytes, "why": file.why}
            for file in plan.removals
        ]
        print_json({"files": files, "removed": [str(file.path) for file in removed]})
    elif not plan.removals:
        say("There is nothing to remove.")
    elif yes:
        say(f"Removed {_amount(removed)}.")
    else:
        say(f"Nothing was removed; --yes removes {_amount(plan.removals)}.")


def _amount(removals: "Sequence[Removal]") -> str:
    size_bytes = sum(file.size_bytes for file in removals)
    files = "file" if len(removals) == 1 else "files"
    return f"{len(removals)} {files}, {size_bytes / 1e6:.1f} MB"
