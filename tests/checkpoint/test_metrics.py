"""The log of a run, read back."""

from lstm_textgen.checkpoint.metrics import read_metrics
from lstm_textgen.checkpoint.store import RunDirectory


def test_what_was_logged_comes_back(tmp_path):
    """In its order; a number that is none is null."""
    run = RunDirectory.create(tmp_path / "run", {})
    run.append_metrics([{"step": 1, "loss": 2.5}])
    run.append_metrics([{"step": 2, "loss": float("nan")}])

    found = read_metrics(run.metrics_path)
    assert found == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": None}]


def test_what_is_no_record_is_left_out(tmp_path):
    """A torn line, another kind of value, bytes that are no text."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n\n[1]\n\xff\n{"a": 1, "a": 2}\n{"step": 2}\n{"st')

    assert read_metrics(path) == [{"step": 1}, {"step": 2}]


def test_no_log_is_an_empty_one(tmp_path):
    """So is a folder of that name."""
    assert read_metrics(tmp_path / "metrics.jsonl") == []
    assert read_metrics(tmp_path) == []
