"""Read back the log of a run: one JSON object a line."""

import contextlib
from pathlib import Path
from typing import Any

from lstm_textgen.checkpoint.plain_json import parse


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """
    The records of a log, in their order.

    Lines that are no JSON objects are left out: a crash may have torn one, and a run
    may be writing another at this moment.

    Args:
        path: `RunDirectory.metrics_path`.

    Returns:
        Nothing where there is no log, or none that may be read.
    """
    records = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    for line in lines:
        with contextlib.suppress(ValueError):
            record = parse(line.decode("utf-8"))
            if isinstance(record, dict):
                records.append(record)
    return records
