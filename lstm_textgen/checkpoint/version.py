"""Which formats of a checkpoint are understood, and what to do about a newer one."""

import re
from pathlib import Path
from reprlib import repr as shorten
from typing import Any

from lstm_textgen.checkpoint.reader import AGAIN
from lstm_textgen.errors import CheckpointError

FORMAT = 1
"""
The format that is written, and the newest that is understood. A newer file whose
`min_reader` is not above it may say more, but nothing that changes the meaning.
"""


def check_format(metadata: dict[str, Any], path: Path) -> None:
    """
    See that a file is of a format that this program reads.

    Args:
        metadata: The text about the tensors, a stranger's word.
        path: The file, for the error.

    Raises:
        CheckpointError: It is too new, or names a format that cannot be.
    """
    written: Any = metadata.get("format")
    needed: Any = metadata.get("min_reader")
    numbers = type(written) is int and type(needed) is int
    if not (numbers and 1 <= needed <= written):
        found = f"format {shorten(written)}, to be read from {shorten(needed)} on"
        raise CheckpointError(f"{path} names a format that cannot be: {found}.", AGAIN)
    if needed > FORMAT:
        raise CheckpointError(
            f"{path} needs a textgen that reads format {shorten(needed)}; this one "
            f"reads format {FORMAT}.",
            _upgrade(metadata.get("made_by")),
        )


def _upgrade(made_by: Any) -> str:
    """How to get the version that wrote a file; it is a stranger's word."""
    wrote = made_by.get("lstm_textgen") if isinstance(made_by, dict) else None
    if isinstance(wrote, str) and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}", wrote):
        return f"Upgrade: pip install 'lstm-textgen>={wrote}'"
    return "Upgrade: pip install --upgrade lstm-textgen"
