"""The events of a run on their way into its metrics."""

import contextlib
import dataclasses
from collections import deque
from pathlib import Path
from typing import Any

from lstm_textgen.checkpoint import metrics
from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.evaluation.perplexity import Loss
from lstm_textgen.training.events import Event

MOST_KEPT = 10_000
"""Events that are kept while the file cannot be written."""


class RunLog:
    """
    The metrics of a run. That they cannot be written is no reason to stop training.

    Args:
        path: A file of JSON lines; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unwritten: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)

    def add(self, event: Event) -> str | None:
        """
        Write a line.

        Returns:
            A warning, the first time that it fails; then the line is kept, and
            tried again with the next one.
        """
        failed_before = bool(self._unwritten)
        self._unwritten.append(_record(event))
        try:
            metrics.append(self.path, self._unwritten)
        except (OutputError, StorageError) as error:
            return None if failed_before else f"{error.problem} Training goes on."
        self._unwritten.clear()
        return None

    def sync(self) -> None:
        """Bring the lines to the disk, if it lets us."""
        with contextlib.suppress(OutputError, StorageError):
            metrics.sync(self.path)

    def go_back(self, step: int) -> None:
        """
        Forget what came after *step*, and a line that a crash has torn.

        Raises:
            StorageError: The disk is full or fails.
        """
        self._unwritten.clear()
        metrics.truncate(self.path, step)


def _record(event: Event) -> dict[str, Any]:
    """An event as a line of the metrics."""
    record: dict[str, Any] = {"event": type(event).__name__}
    for name in (field.name for field in dataclasses.fields(event)):
        value = getattr(event, name)
        if isinstance(value, Loss):
            record["nats_per_char"] = value.nats_per_char
            record["characters"] = value.characters
        elif isinstance(value, Path):
            record[name] = value.name
        else:
            record[name] = value
    return record
