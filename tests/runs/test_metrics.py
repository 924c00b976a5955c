"""The log of a run."""

import os

import pytest

from lstm_textgen.errors import OutputError, StorageError
from lstm_textgen.runs import metrics
from tests.builders import file_size_limited


@pytest.fixture
def log(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_one_line_each(log):
    """Records are JSON lines in order; what is not finite is null."""
    metrics.append_metrics(log, [{"step": 1, "loss": 2.5}])
    metrics.append_metrics(
        log, [{"step": 2, "loss": float("nan"), "more": [float("inf")]}]
    )

    assert log.read_text().splitlines() == [
        '{"step": 1, "loss": 2.5}',
        '{"step": 2, "loss": null, "more": [null]}',
    ]


def test_records_are_read_back(log):
    """In their order; what is no record is left out, and no log is an empty one."""
    log.write_bytes(b'{"step": 1}\n\n[1]\n\xff\n{"a": 1, "a": 2}\n{"step": 2}\n{"st')

    assert metrics.read_metrics(log) == [{"step": 1}, {"step": 2}]
    assert metrics.read_metrics(log.with_name("none")) == []
    assert metrics.read_metrics(log.parent) == []


def test_truncating_forgets_what_came_after(log):
    """Later and torn lines go, and what has no step stays."""
    kept = b'{"run": "a"}\n{"step": 1}\n{"step": 2}\n'
    log.write_bytes(kept + b'{"step": 3}\n{"st\n[1]\n\xff\n{"step": 2')

    metrics.truncate_metrics(log, 2)
    assert log.read_bytes() == kept

    metrics.append_metrics(log, [{"step": 3}])
    assert log.read_bytes() == kept + b'{"step": 3}\n'


def test_truncating_to_a_number_of_lines(log):
    """What is of the same step and came later goes too; a good log is not touched."""
    log.write_bytes(b'{"step": 1}\n{"step": 2}\n{"step": 2, "more": 1}\n{"step": 3}\n')

    assert metrics.truncate_metrics(log, 2, 2) == 2
    assert log.read_bytes() == b'{"step": 1}\n{"step": 2}\n'
    before = log.stat().st_ino
    assert metrics.truncate_metrics(log, 2, 3) == 2
    assert log.stat().st_ino == before


def test_a_log_that_is_not_there(log):
    """A run without a log has none afterwards either."""
    assert metrics.truncate_metrics(log, 5) == 0
    metrics.MetricsLog(log).sync()

    assert not log.exists()


def test_a_log_that_cannot_be_written(log):
    """A folder of that name is an error that names it."""
    log.mkdir()

    with pytest.raises(OutputError, match=r"metrics\.jsonl"):
        metrics.append_metrics(log, [{"step": 1}])


def test_a_disk_that_gets_full_tears_no_line(log):
    """
    Where only half a line fits, none of it stays, and the lines before are whole.

    /dev/full would do for an error, but takes no first half; a limit on the size of
    files does.
    """
    metrics.append_metrics(log, [{"step": 1}])
    before = log.read_bytes()
    refused = pytest.raises(StorageError, match="too large")
    with refused, file_size_limited(len(before) + 5):
        metrics.append_metrics(log, [{"step": 2}])

    assert log.read_bytes() == before


def test_the_log_reaches_the_disk(log, monkeypatch):
    """`sync` asks the disk for this very file; a disk that fails stops no training."""
    metrics.append_metrics(log, [{"step": 1}])
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle)))
    metrics.MetricsLog(log).sync()

    assert [status.st_ino for status in synced] == [log.stat().st_ino]

    def fail(handle):
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", fail)
    metrics.MetricsLog(log).sync()
