"""What a run needs of its text and of its place, before anything is written."""

import os
from pathlib import Path

from lstm_textgen.checkpoint.durable import translated_errors
from lstm_textgen.checkpoint.format import VOCABULARY_CAP
from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.errors import CorpusError, OutputError
from lstm_textgen.text.cache import EncodedText


def check_free(path: Path) -> None:
    """
    A new run may not land on anything that is there, and needs a folder above it.

    Raises:
        OutputError: Something is there, or no folder can be made there.
    """
    # hidden files are no run: a process that was killed early left a lock
    with translated_errors(path):
        if os.path.isdir(path) and all(name[0] == "." for name in os.listdir(path)):
            return
    if os.path.lexists(path):
        is_run = os.path.exists(RunDirectory(path).settings_path)
        raise OutputError(
            f"{path} exists already.",
            f"{'Add --resume to go on with it, or choose' if is_run else 'Choose'} "
            "another name with -o.",
        )
    above = next(each for each in path.absolute().parents if os.path.exists(each))
    if not (above.is_dir() and os.access(above, os.W_OK)):
        why = "may not be written to" if above.is_dir() else "is not a folder"
        raise OutputError(
            f"{path} cannot be created: {above} {why}.", "Choose another place with -o."
        )


def check_text(text: EncodedText) -> None:
    """
    There must be something to learn, and not more than a checkpoint can name.

    Raises:
        CorpusError: One character only, over and over, or too many different ones.
    """
    if text.tokenizer.size > VOCABULARY_CAP:
        raise CorpusError(
            f"The text has {text.tokenizer.size:,} different characters; a model "
            f"knows at most {VOCABULARY_CAP:,}.",
            "Take --tokenizer byte, or fold rare ones by --min-count 2 or more.",
        )
    first = text.ids[:1]
    if (text.ids[:4096] == first).all() and (text.ids == first).all():
        only = text.tokenizer.decode(text.ids[:1].tolist())
        raise CorpusError(
            f"The text is the character {only!r} and nothing else "
            f"({len(text.ids):,} times).",
            "Give a text with at least two different characters.",
        )
