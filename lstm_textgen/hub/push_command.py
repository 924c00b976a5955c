"""`textgen push`: give a model away on a hub."""

from typing import Annotated

import typer

from lstm_textgen.ui.options import AsJson, Debug, Quiet, option, print_json


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
    from pathlib import Path

    from lstm_textgen.hub import bundle as sending
    from lstm_textgen.hub.bundle import bundle_json, show_bundle
    from lstm_textgen.hub.push_run import build_bundle
    from lstm_textgen.remote import client as hub
    from lstm_textgen.remote.repository import parse_repository
    from lstm_textgen.ui.terminal import say, write_text

    target = parse_repository(repository)
    sending.check_target(target)
    if not dry_run:
        hub.hub_library()  # whether it is installed is told before anything is drawn
    with tempfile.TemporaryDirectory() as folder:
        parcel = build_bundle(
            *(model, target, Path(folder)),
            private=private,
            licence=licence,
            language=language,
            message=message,
        )
        if dry_run:
            print_json(bundle_json(parcel)) if json else show_bundle(parcel)
            return
        pushed = sending.send_bundle(parcel)
        names = ", ".join(parcel.paths)
    if not quiet:
        say(f"{names} are at {pushed.address}")
    if json:
        commit = pushed.repository.revision
        print_json(
            {"repository": target.name, "commit": commit, "address": pushed.address}
        )
    else:
        write_text(f"{pushed.repository}\n")
