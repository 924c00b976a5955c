"""`textgen checkpoints`: look at runs and models, and check and compare them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_textgen.cli import checkpoints_change
from lstm_textgen.errors import ConfigError, TextgenError
from lstm_textgen.ui.options import AsJson, Debug, Quiet, option, print_json

if TYPE_CHECKING:
    from lstm_textgen.runs.listing import FileCheck, ModelEntry


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

Model = Annotated[
    str,
    typer.Argument(
        help="A model, a run, hf://user/repo, or shakespeare or fables.",
        show_default=False,
    ),
]


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
        _refuse_early(context)
        return
    from lstm_textgen.cli.tables import show_models
    from lstm_textgen.runs.find import require_folder
    from lstm_textgen.runs.listing import list_models

    require_folder(folder)
    found = list_models(folder)
    if json:
        print_json({"checkpoints": [_listed(each) for each in found]})
    else:
        show_models(found)


def _refuse_early(context: typer.Context) -> None:
    """
    See that no option stands before the command that it is meant for.

    It would be dropped in silence: prune would look elsewhere, verify print no JSON.
    """
    given = {"folder": "--in", "json": "--json", "quiet": "--quiet"}
    for name, spelled in given.items():
        source = context.get_parameter_source(name)
        if source and source.name == "COMMANDLINE":
            command = context.invoked_subcommand
            raise ConfigError(
                f"{spelled} stands before {command}.",
                f"Put it after the command: textgen checkpoints {command} {spelled}",
            )


def _listed(each: "ModelEntry") -> dict[str, Any]:
    """An entry as JSON; null where a file cannot be read."""
    from datetime import UTC, datetime

    from lstm_textgen.config import to_json

    card = each.card
    told: dict[str, Any] = {
        "name": each.name,
        "kind": each.kind,
        "path": str(each.path),
        "size_bytes": each.size_bytes,
        "folder_bytes": each.folder_bytes,
        "saved": datetime.fromtimestamp(each.saved_s, UTC).isoformat(
            timespec="seconds"
        ),
        "problem": each.problem or None,
    }
    model, training = (card.model, card.training) if card else (None, None)
    told["model"] = model and to_json(model)
    told["vocabulary"] = card and card.tokenizer.size
    told["corpus"] = training and training.corpus
    told["validation_nats_per_char"] = training and training.validation_nats_per_char
    return told


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
    from lstm_textgen.ui.terminal import say, write_text

    found = [each for model in models for each in _verdicts(model)]
    bad = [each for each in found if each.error is not None]
    if json:
        files = [
            {
                "path": str(each.path),
                "ok": each.error is None,
                "tensors_sha256": each.sha256 or None,
                "problem": each.error.problem if each.error else None,
            }
            for each in found
        ]
        print_json({"checkpoints": files})
    elif not quiet:
        for each in found:
            if each.error is None:
                write_text(f"fine  {each.path}  {each.sha256}\n")
    for each in bad if len(found) > 1 else []:
        say(f"bad   {each.error}".replace("\n", " "))
    if bad:
        raise summary(found)


def _verdicts(model: str) -> "list[FileCheck]":
    """What is found out about a model; one on a hub is fetched, and called by that."""
    import dataclasses

    from lstm_textgen.remote.repository import is_on_hub
    from lstm_textgen.runs.find import find_checkpoint
    from lstm_textgen.runs.listing import FileCheck
    from lstm_textgen.runs.listing import check_files as look

    if not is_on_hub(model):
        return look(model)
    try:
        found = look(str(find_checkpoint(model)))
    except TextgenError as error:
        return [FileCheck(model, error=error)]
    return [dataclasses.replace(each, path=model) for each in found]


@app.command("diff", short_help="What differs between two models.")
def diff(
    first: Model,
    second: Model,
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
    import dataclasses

    from lstm_textgen.checkpoint.diff import diff_models
    from lstm_textgen.checkpoint.format import load_checkpoint
    from lstm_textgen.cli.tables import show_diff
    from lstm_textgen.runs.find import find_checkpoint

    one, other = (load_checkpoint(find_checkpoint(name)) for name in (first, second))
    found = diff_models(one, other)
    if json:
        print_json(dataclasses.asdict(found) | {"same": found.same})
    else:
        show_diff((first, second), found)


app.command("average", short_help="The mean of several models.")(
    checkpoints_change.average
)

app.command("prune", short_help="What can go from a folder of runs.")(
    checkpoints_change.prune
)
