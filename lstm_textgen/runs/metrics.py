"""The log of a run: one JSON object a line, each step once, and no torn line."""

import contextlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lstm_textgen.files import translated_errors, write_durably
from lstm_textgen.strict_json import parse


def append_metrics(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """
    Add a line for each record, all or none; numbers that are not finite become null.

    Raises:
        OutputError: The file may not be written to.
        StorageError: The disk is full or fails; the file is as it was.
    """
    lines = [json.dumps(_finite(record), allow_nan=False) for record in records]
    data = "".join(f"{line}\n" for line in lines).encode("ascii")
    with translated_errors(path), path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            while data:  # a disk that gets full takes a part first
                data = data[file.write(data) :]
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise


def sync_metrics(path: Path) -> None:
    """
    Bring what was added to the disk, so that the log is never behind the state.

    Raises:
        StorageError: The disk fails.
    """
    with (
        translated_errors(path),
        contextlib.suppress(FileNotFoundError),
        path.open("rb") as file,
    ):
        os.fsync(file.fileno())


def truncate_metrics(path: Path, step: int, most: int | None = None) -> int:
    """
    Forget what was logged after a moment, so that going on logs nothing twice.

    Lines that are no JSON objects go too: a crash may have torn one.

    Args:
        path: The log; it need not exist.
        step: Lines of later steps go.
        most: How many lines there were at that moment, where that is known; those
            of this very step that came later go too.

    Returns:
        How many lines are left.

    Raises:
        OutputError: The file may not be written to.
        StorageError: The disk is full or fails; the file is as it was.
    """
    with translated_errors(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return 0
        lines = data.splitlines(keepends=True)
        kept = [line for line in lines if _keeps(line, step)][:most]
        if kept != lines:
            write_durably(path, kept)
    return len(kept)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """
    The records of a log, in their order; none where there is no log to be read.

    Lines that are no JSON objects are left out: a crash may have torn one, and a run
    may be writing another at this moment.
    """
    records = []
    with contextlib.suppress(OSError):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                record = parse(line.decode("utf-8"))
                records += [record] if isinstance(record, dict) else []
    return records


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _keeps(line: bytes, step: int) -> bool:
    """Whether a line of the log is whole and not from after *step*."""
    if not line.endswith(b"\n"):
        return False
    try:
        record = parse(line.decode("utf-8"))
    except ValueError:
        return False
    at = record.get("step", 0) if isinstance(record, dict) else math.inf
    return isinstance(at, int | float) and at <= step
