"""`textgen corpora`: texts to learn from, bundled or to be fetched."""

from typing import Annotated

import typer
from rich.table import Table

from lstm_textgen.text.registry import CorpusEntry
from lstm_textgen.ui.options import AsJson, Debug, Quiet, print_json
from lstm_textgen.ui.table import in_bytes, print_table, safe_text


def show_corpora(listed: list[CorpusEntry]) -> None:
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
            *(corpus.name, corpus.language, in_bytes(size), here),
            *(corpus.licence, corpus.about),
        )
        table.add_row(*(safe_text(cell) for cell in cells))
    print_table(table)


app = typer.Typer(
    help="""
\b
textgen corpora
textgen corpora get tinyshakespeare

Texts that have a name: bundled ones, and public ones that can be fetched.
""",
    rich_markup_mode="rich",
    invoke_without_command=True,
)


@app.callback()
def list_corpora(
    context: typer.Context,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen corpora
    textgen corpora get tinyshakespeare

    List the texts that have a name: bundled ones, and public ones to fetch.
    """
    if context.invoked_subcommand is not None:
        return
    import dataclasses

    from lstm_textgen.text.registry import all_corpora

    listed = all_corpora()
    if json:
        entries = [
            dataclasses.asdict(entry.corpus)
            | {"path": str(entry.path) if entry.path else None}
            for entry in listed
        ]
        print_json({"corpora": entries})
    else:
        show_corpora(listed)


@app.command("get", short_help="Fetch a text and check its digest.")
def get(
    name: Annotated[str, typer.Argument(help="One of those that are listed.")],
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen corpora get tinyshakespeare
    textgen train tinyshakespeare

    Fetch a text, check its digest, and keep it where train finds it by name. A
    transfer that broke goes on where it stopped.
    """
    from lstm_textgen.corpora.install import install_corpus
    from lstm_textgen.errors import MissingError
    from lstm_textgen.text.registry import known, nearest
    from lstm_textgen.ui.progress import fetching_bar
    from lstm_textgen.ui.terminal import say, write_text

    corpus = known(name)
    if corpus is None:
        near = nearest(name)
        remedy = f"Did you mean {near[0]}?" if near else "See them: textgen corpora"
        raise MissingError(f"There is no corpus {name!r}.", remedy)
    with fetching_bar(name, quiet=quiet) as progress:
        got = install_corpus(corpus, progress=progress)
    for note in [] if quiet else got.notes:
        say(f"note: {note}")
    if json:
        print_json({"name": name, "path": str(got.path)})
    else:
        write_text(f"{got.path}\n")
