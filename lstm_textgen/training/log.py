"""The events of a run on their way into its metrics."""

import contextlib
import dataclasses
from collections import deque
from pathlib import Path
from typing import Any

from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.runs import metrics
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
        self._written = 0
        self._goes_back: tuple[int, int | None] | None = None

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
            if self._goes_back is not None:
                self._written = metrics.truncate_metrics(self.path, *self._goes_back)
                self._goes_back = None
            metrics.append_metrics(self.path, self._unwritten)
        except (OutputError, StorageError) as error:
            return None if failed_before else f"{error.problem} Training goes on."
        self._written += len(self._unwritten)
        self._unwritten.clear()
        return None

    @property
    def lines(self) -> int | None:
        """How many lines there are up to now; None where that is not known."""
        written = self._goes_back[1] if self._goes_back else self._written
        return None if written is None else written + len(self._unwritten)

    def sync(self) -> None:
        """Bring the lines to the disk, if it lets us."""
        with contextlib.suppress(OutputError, StorageError):
            metrics.sync_metrics(self.path)

    def go_back(self, step: int, lines: int | None) -> None:
        """
        Forget what came after a moment, and a line that a crash has torn.

        The file is shortened when the next line is added; `add` tells if it cannot be.

        Args:
            step: The step of that moment.
            lines: How many lines there were, as `lines` told then.
        """
        now = self.lines
        if lines is None or now is None:
            self._unwritten.clear()
            self._goes_back = step, lines
            return
        for _ in range(min(len(self._unwritten), max(0, now - lines))):
            self._unwritten.pop()
        self._goes_back = step, lines - len(self._unwritten)


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
