"""`textgen pull`: fetch a model from a hub."""

from pathlib import Path
from typing import Annotated

import typer

from lstm_textgen.ui.options import AsJson, Debug, Quiet, option, print_json


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
    from lstm_textgen.hub import pull as fetching
    from lstm_textgen.remote.repository import parse_repository
    from lstm_textgen.ui.terminal import say, write_text

    wanted = parse_repository(repository)
    pulled = fetching.pull_model(wanted, output)
    if not quiet:
        here = ", which was here already" if pulled.was_here else ""
        say(f"{wanted} is commit {pulled.commit}{here}: {', '.join(pulled.files)}")
    if json:
        print_json(
            {
                "checkpoint": str(pulled.path),
                "repository": wanted.name,
                "commit": pulled.commit,
                "files": list(pulled.files),
            }
        )
    else:
        write_text(f"{pulled.path}\n")
