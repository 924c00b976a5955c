"""`textgen corpora`: list the texts that have a name, and download them."""

import dataclasses
from typing import Annotated, Any

import typer

from lstm_textgen.errors import MissingError
from lstm_textgen.text.registry import (
    CORPORA,
    Corpus,
    corpus_named,
    corpus_path,
    similar_name,
)
from lstm_textgen.ui.options import AsJson, Debug, Quiet, print_json
from lstm_textgen.ui.table import Column, in_bytes, print_table
from lstm_textgen.ui.terminal import say, write_text

app = typer.Typer(rich_markup_mode="rich", invoke_without_command=True)


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

    Texts that have a name: bundled ones, and public ones that can be fetched.
    """
    if context.invoked_subcommand is not None:
        return
    if json:
        print_json({"corpora": [_to_json(corpus) for corpus in CORPORA]})
    else:
        show_corpora()


def _to_json(corpus: Corpus) -> dict[str, Any]:
    path = corpus_path(corpus)
    return dataclasses.asdict(corpus) | {"path": str(path) if path else None}


def show_corpora() -> None:
    """A table of all corpora that have a name."""
    columns = [
        Column("name", wraps=False),
        Column("language", wraps=False),
        Column("size", figures=True, wraps=False),
        Column("here", wraps=False),
        Column("licence", wraps=False),
        Column("what it is"),
    ]
    rows = []
    for corpus in CORPORA:
        path = corpus_path(corpus)
        size_bytes = path.stat().st_size if path else corpus.size_bytes
        row = (
            corpus.name,
            corpus.language,
            in_bytes(size_bytes),
            "bundled" if corpus.bundled else ("yes" if path else "no"),
            corpus.licence,
            corpus.about,
        )
        rows.append(row)
    print_table(rows, columns)


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
    from lstm_textgen.ui.progress import download_bar

    corpus = corpus_named(name)
    if corpus is None:
        similar = similar_name(name)
        remedy = f"Did you mean {similar}?" if similar else "See them: textgen corpora"
        raise MissingError(f"There is no corpus {name!r}.", remedy)
    with download_bar(name, quiet=quiet) as progress:
        installed = install_corpus(corpus, progress=progress)
    if not quiet:
        for note in installed.notes:
            say(f"note: {note}")
    if json:
        print_json({"name": name, "path": str(installed.path)})
    else:
        write_text(f"{installed.path}\n")
