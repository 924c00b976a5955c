"""The commands of `textgen checkpoints` that write or remove files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import AsJson, Debug, Quiet, option, print_json

if TYPE_CHECKING:
    from lstm_textgen.checkpoint.format import Checkpoint
    from lstm_textgen.evaluation.loss import Loss
    from lstm_textgen.runs.listing import Removal


def average(
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Models or runs, two or more.")
    ],
    output: Annotated[Path, option("--output", "-o", help="File to write.")],
    text: Annotated[
        list[str] | None,
        option("--text", help="Judge the mean, and each model, by this text."),
    ] = None,
    split: Annotated[
        str | None,
        option(
            "--split",
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
    from lstm_textgen.checkpoint import average as averaging
    from lstm_textgen.checkpoint.format import load_checkpoint, save_checkpoint
    from lstm_textgen.errors import ConfigError
    from lstm_textgen.runs.find import find_checkpoint, require_free
    from lstm_textgen.ui.terminal import say, write_text

    if split and not text:
        raise ConfigError(
            f"--split {split} names a part of a text, and there is none.",
            "Name the text by --text.",
        )
    require_free(output)
    loaded = [load_checkpoint(find_checkpoint(name)) for name in models]
    mean = averaging.average_models(loaded, models)
    losses: list[Loss] = []
    if text:
        losses = _judged([mean, *loaded], text, split)
        if split == "validation":
            mean = averaging.with_loss(
                mean, losses[0].nats_per_char, losses[0].characters
            )
    save_checkpoint(output, mean)
    nats = [loss.nats_per_char for loss in losses]
    if json:
        told: dict[str, Any] = {"checkpoint": str(output), "of": models}
        told |= {"nats_per_char": nats[0], "each": nats[1:]} if nats else {}
        print_json(told)
        return
    for name, each in zip(["their mean", *models], nats, strict=False):
        if not quiet:
            say(f"{each:.4f} nats per character  {name}")
    write_text(f"{output}\n")


def _judged(
    models: "Sequence[Checkpoint]", text: list[str], split: str | None
) -> "list[Loss]":
    """The loss of each model; all of them read the same ids."""
    from lstm_textgen.evaluation.part import read_part
    from lstm_textgen.evaluation.perplexity import exact_loss
    from lstm_textgen.model.weights import build_model
    from lstm_textgen.text.source import find_source

    ids = read_part(models[0], find_source(resolve_names(text)), split)
    begins = models[0].tokenizer.begins
    return [exact_loss(build_model(model), ids, begins=begins) for model in models]


def prune(
    folder: Annotated[
        Path, option("--in", help="Folder of the runs.", default="checkpoints")
    ] = Path("checkpoints"),
    keep: Annotated[
        int | None,
        option("--keep", help="Runs to keep, the newest.", default="all"),
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
    from lstm_textgen.cli.tables import show_removals
    from lstm_textgen.config import check
    from lstm_textgen.runs import listing as pruning
    from lstm_textgen.runs.find import require_folder
    from lstm_textgen.ui.terminal import say

    check("keep", keep, keep is None or keep >= 0, "0 or more")
    require_folder(folder)
    found = pruning.plan_pruning(folder, keep=keep, states=states)
    for run in found.busy:
        say(f"note: {run} is in use and stays.")
    if found.removals and not (json or quiet):
        show_removals(found.removals)
    gone = pruning.remove_files(found.removals) if yes else []
    if json:
        files = [
            {"path": str(each.path), "size_bytes": each.size_bytes, "why": each.why}
            for each in found.removals
        ]
        print_json({"files": files, "removed": [str(each.path) for each in gone]})
    elif not found.removals:
        say("There is nothing to remove.")
    elif yes:
        say(f"Removed {_amount(gone)}.")
    else:
        say(f"Nothing was removed; --yes removes {_amount(found.removals)}.")


def _amount(removals: "Sequence[Removal]") -> str:
    size_bytes = sum(each.size_bytes for each in removals)
    files = "file" if len(removals) == 1 else "files"
    return f"{len(removals)} {files}, {size_bytes / 1e6:.1f} MB"
