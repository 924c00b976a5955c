"""`textgen push` and `textgen pull`: share a model on a hub, and download one."""

from pathlib import Path
from typing import Annotated

import typer

from lstm_textgen.remote.repository import parse_repository
from lstm_textgen.ui.options import AsJson, Debug, Quiet, option, print_json
from lstm_textgen.ui.terminal import say, write_text


def push(
    model: Annotated[str, typer.Argument(help="A run, or a .safetensors file.")],
    repository: Annotated[str, typer.Argument(help="Where to: user/repo.")],
    private: Annotated[
        bool, option("--private", help="Let nobody else see a new repository.")
    ] = False,
    licence: Annotated[
        str | None,
        option(
            "--licence",
            help="What others may do with it, such as cc0-1.0.",
            default="what the model says",
        ),
    ] = None,
    language: Annotated[
        str | None,
        option("--language", help="Code of its language, such as en, where not known."),
    ] = None,
    message: Annotated[
        str,
        option(
            "--message",
            "-m",
            help="What the commit says.",
            default="that textgen made it",
        ),
    ] = "",
    dry_run: Annotated[
        bool, option("--dry-run", help="Show all that would be sent, and send nothing.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen push checkpoints/fables alice/fables --dry-run
    textgen push checkpoints/fables alice/fables --licence cc0-1.0

    Send a model to a hub: the model itself, its settings as config.json, and a page
    about it as README.md. Nothing else in the folder is sent. Log in before, by
    hf auth login or with HF_TOKEN.
    """
    import tempfile

    from lstm_textgen.hub.push import PushConfig, build_bundle, send_bundle, show_bundle
    from lstm_textgen.remote.client import hub_library

    config = PushConfig(
        repository=parse_repository(repository),
        private=private,
        license=licence,
        language=language,
        message=message,
    )
    if not dry_run:
        hub_library()  # if it is not installed, say so before the sample is drawn
    with tempfile.TemporaryDirectory() as folder:
        bundle = build_bundle(model, config, Path(folder))
        if dry_run:
            print_json(bundle.to_json()) if json else show_bundle(bundle)
            return
        pushed, address = send_bundle(bundle)
    if not quiet:
        say(f"{', '.join(bundle.paths)} are at {address}")
    if json:
        print_json(
            {
                "repository": pushed.name,
                "commit": pushed.revision,
                "address": address,
            }
        )
    else:
        write_text(f"{pushed}\n")


def pull(
    repository: Annotated[
        str, typer.Argument(help="Which: user/repo, or user/repo@revision.")
    ],
    output: Annotated[
        Path | None,
        option(
            "--output",
            "-o",
            help="Folder for it.",
            default="one of its name in checkpoints/",
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen pull alice/fables
    textgen pull alice/fables@v2 -o models/fables

    Fetch a model and check all of it before it gets its name. Only the model, its
    settings and the page about it are fetched, whatever else is there. The path of
    the model goes to stdout.
    """
    from lstm_textgen.hub.pull import pull_model

    source = parse_repository(repository)
    pulled = pull_model(source, output)
    if not quiet:
        was_here = ", which was here already" if pulled.was_here else ""
        names = ", ".join(pulled.files)
        say(f"{source} is commit {pulled.commit}{was_here}: {names}")
    if json:
        print_json(
            {
                "checkpoint": str(pulled.path),
                "repository": source.name,
                "commit": pulled.commit,
                "files": list(pulled.files),
            }
        )
    else:
        write_text(f"{pulled.path}\n")
