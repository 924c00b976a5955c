"""The metrics of a run: one JSON object a line, each step once, and no torn line."""

import contextlib
import json
import math
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.files import sync_file, translated_errors, write_durably
from lstm_textgen.strict_json import parse

MAX_UNWRITTEN = 10_000
"""Records that are kept while the file cannot be written."""


class MetricsLog:
    """
    Writes the metrics of a run. Failing to write them does not stop the training.

    Args:
        path: A file of JSON lines; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unwritten: deque[dict[str, Any]] = deque(maxlen=MAX_UNWRITTEN)
        self._written = 0
        self._truncates_to: tuple[int, int | None] | None = None

    def add(self, record: dict[str, Any]) -> str | None:
        """
        Write a line.

        Returns:
            A warning, the first time that it fails; then the line is kept, and tried
            again with the next one.
        """
        failed_before = bool(self._unwritten)
        self._unwritten.append(record)
        try:
            if self._truncates_to is not None:
                self._written = truncate_metrics(self.path, *self._truncates_to)
                self._truncates_to = None
            append_metrics(self.path, self._unwritten)
        except (OutputError, StorageError) as error:
            return None if failed_before else f"{error.problem} Training goes on."
        self._written += len(self._unwritten)
        self._unwritten.clear()
        return None

    @property
    def lines(self) -> int | None:
        """How many lines there are up to now; None where that is not known."""
        written = self._truncates_to[1] if self._truncates_to else self._written
        return None if written is None else written + len(self._unwritten)

    def sync(self) -> None:
        """Bring the lines to the disk, if there are any and that is possible."""
        with contextlib.suppress(OSError):
            sync_file(self.path)

    def truncate(self, step: int, lines: int | None) -> None:
        """
        Remove records logged after the given step, and a line that a crash has torn.

        The file is shortened when the next line is added, whose warning says if it
        cannot be.

        Args:
            step: The step of that moment.
            lines: How many lines there were, as `lines` at that moment.
        """
        now = self.lines
        if lines is None or now is None:
            self._unwritten.clear()
            self._truncates_to = step, lines
            return
        for _ in range(min(len(self._unwritten), max(0, now - lines))):
            self._unwritten.pop()
        self._truncates_to = step, lines - len(self._unwritten)


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


def truncate_metrics(path: Path, step: int, most: int | None = None) -> int:
    """
    Remove records logged after the given step, so that no step is logged twice.

    Lines that are not JSON objects go too: a crash may have torn one.

    Args:
        path: The metrics; they need not exist.
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
    All records in order; none where no file can be read.

    Lines that are not JSON objects are left out: a crash may have torn one, and a run
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
    """Whether a line is whole and not from after *step*."""
    if not line.endswith(b"\n"):
        return False
    try:
        record = parse(line.decode("utf-8"))
    except ValueError:
        return False
    at = record.get("step", 0) if isinstance(record, dict) else math.inf
    return isinstance(at, int | float) and at <= step
