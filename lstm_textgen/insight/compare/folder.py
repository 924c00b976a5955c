"""The folder of a comparison: its pieces, and what was made of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lstm_textgen.checkpoint.durable import translated_errors, write_durably
from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.errors import OutputError
from lstm_textgen.insight.compare.pieces import Drawer

COMPARISONS = Path("comparisons")
"""Where they go without `-o`, below the current folder."""


@contextmanager
def open_folder(path: Path) -> Iterator[Drawer]:
    """
    Make the folder or find it again, and keep other processes out.

    Yields:
        The drawer of its pieces.

    Raises:
        OutputError: Other things are there, or it cannot be created.
        BusyError: Another comparison works in it.
    """
    drawer = Drawer(path / "pieces")
    with translated_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        there = sorted(each.name for each in path.iterdir() if each.name[0] != ".")
    if there and not drawer.folder.is_dir():
        raise OutputError(
            f"{path} is no folder of a comparison: it holds {', '.join(there[:3])}.",
            "Choose another one with -o.",
        )
    with RunDirectory(path).lock():
        yield drawer


def save_report(path: Path, results: dict[str, Any], page: str) -> None:
    """
    Write `results.json` and `report.html`.

    Raises:
        OutputError, StorageError: They cannot be written.
    """
    text = json.dumps(results, indent=1, allow_nan=False)
    write_durably(path / "results.json", text.encode("ascii") + b"\n")
    write_durably(path / "report.html", page.encode("utf-8"))
