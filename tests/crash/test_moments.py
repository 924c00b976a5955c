"""Training killed, or refused by the disk, at every moment that touches the disk."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.config import BudgetConfig
from lstm_textgen.model.machine import choose_machine
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.source import find_source
from lstm_textgen.training.events import Evaluated
from lstm_textgen.training.loop import Control
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.prepare import prepare_run
from lstm_textgen.training.run import open_run

SETTINGS = (
    *("--hidden", "8", "--layers", "1", "--embedding", "4", "--threads", "1"),
    *("--streams", "4", "--window", "16", "--precision", "float32", "--steps", "2"),
)
WARM = Path(__file__).parents[1] / "cli" / "warm.py"
CALLS = ["fsync", "/^rename", "/^link", "/^unlink", "write"]

MOST = 400
"""Moments of one call: a run that makes more of them is not the run meant here."""


@pytest.fixture(scope="module")
def book(tmp_path_factory, kill):
    """A text, read once so that its ids are in the cache."""
    folder = tmp_path_factory.mktemp("crash")
    os.environ["TEXTGEN_CACHE"] = str(folder / "cache")
    path = folder / "book.txt"
    path.write_text(kill.TEXT)  # long enough to calibrate by
    train(path, folder / "whole")
    model = load_checkpoint(RunDirectory(folder / "whole").model_path)
    assert model.training.temperature is not None
    return path


def words(book, run):
    return ["train", str(book), "-o", str(run), *SETTINGS, "-q", "--resume"]


def train(book, run, *, stop=False):
    """The same in this very process; to *stop* is after the first of its two steps."""
    overrides = Overrides(
        model={"hidden": 8, "layers": 1, "embedding": 4},
        optimizer={"streams": 4, "window": 16},
        budget=BudgetConfig(steps=2),
        run={"precision": "float32"},
    )
    machine = choose_machine("cpu", 1)
    source = find_source([str(book)])
    prepared = prepare_run(source, overrides, machine, output=run, resume=True)
    control = Control()
    with open_run(prepared, started_s=time.monotonic(), control=control) as events:
        for event in events:
            if stop and isinstance(event, Evaluated):
                control.ask_to_stop("interrupted")


@pytest.fixture(scope="module")
def disturbed(book):
    """
    The program with something done to it at a system call.

    strace looks at every call of a process, and importing torch makes a hundred
    thousand. So the program is a fork of a process that has imported it, and waits
    until strace is attached.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    server = subprocess.Popen(
        [sys.executable, WARM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )

    def run(run, call, what):
        gate = run.with_name(f"{run.name}.gate")
        os.mkfifo(gate)
        streams = {name: f"{gate}.{name}" for name in ("stdout", "stderr")}
        request = {
            "arguments": words(book, run),
            "folder": str(book.parent),
            "environment": environment,
            "stdin": os.devnull,
            "gate": str(gate),
        } | streams
        server.stdin.write(json.dumps(request).encode() + b"\n")
        server.stdin.flush()
        with attached(Path(f"{gate}.pid"), call, what):
            gate.write_bytes(b"")
            code = json.loads(server.stdout.readline())
        told = {name: Path(path).read_text() for name, path in streams.items()}
        return subprocess.CompletedProcess((), code, **told)

    yield run
    server.stdin.close()
    server.stdout.close()
    server.wait(60)


@contextlib.contextmanager
def attached(number, call, what):
    """strace on the process whose number appears in a file."""
    until = time.monotonic() + 60
    while not number.exists():
        assert time.monotonic() < until, "the program does not begin"
        time.sleep(0.002)
    strace = ["strace", "-f", "-p", number.read_text(), "-o", os.devnull]
    strace += ["-e", f"trace={call}", "-e", f"inject={call}:{what}"]
    with subprocess.Popen(strace, stderr=subprocess.PIPE, text=True) as process:
        assert "attached" in process.stderr.readline()
        yield
        process.communicate(timeout=60)


@pytest.fixture(scope="module", autouse=True)
def _strace(needs):
    program = shutil.which("strace")
    traced = program and subprocess.run(
        [program, "-f", "-qq", "-o", os.devnull, "true"],
        capture_output=True,
    )
    needs(program, "strace is not installed")
    needs(traced.returncode == 0, f"strace does not run here: {traced.stderr!r}")


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_every_call(book, disturbed, kill, call, tmp_path):
    """
    The n-th call of its kind is the last thing that the process does, for every n.

    What is there then loads, no later save is disturbed by what was left, and going
    on ends as a run that nobody killed.
    """
    expected = kill.digest(book.parent / "whole")
    for moment in range(1, MOST):
        run = tmp_path / f"run{moment}"
        process = disturbed(run, call, f"signal=SIGKILL:when={moment}")
        if process.returncode == 0:
            break
        report = kill.Report()
        if run.exists():
            kill.inspect(run, report)
        assert report.broken == [], (call, moment)
        train(book, run)
        assert kill.digest(run) == expected, (call, moment)
        kill.check_metrics(run, book.parent / "whole", 2, report)
        assert report.broken == [], (call, moment)
        assert list(run.glob(".*.part")) == [], (call, moment)
    else:
        pytest.fail(f"{MOST} calls of {call} and no end")

    assert moment > 3, process.stderr


FAULTS = pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        ("fsync", "EIO", "Input/output error"),
        ("fsync", "ENOSPC", "No space left"),
        ("/^rename", "EIO", "Input/output error"),
    ],
)


@FAULTS
@pytest.mark.parametrize("moment", [1, 3, 6])
def test_a_disk_that_fails(book, disturbed, kill, tmp_path, call, error, told, moment):
    """
    From the n-th call on the disk refuses: code 74, two lines, and no word "saved".

    What was saved before is still there and loads, and no temporary file is left.
    """
    run = tmp_path / "run"
    process = disturbed(run, call, f"error={error}:when={moment}+")
    *_, problem, remedy = process.stderr.splitlines()

    assert process.returncode == 74, process.stderr
    assert told in problem
    assert remedy.startswith("  try: ")
    assert "saved" not in process.stderr
    assert process.stdout == ""
    assert list(run.glob(".*.part")) == []
    report = kill.Report()
    kill.inspect(run, report)
    assert report.broken == []
    train(book, run)
    assert kill.digest(run) == kill.digest(book.parent / "whole")


@FAULTS
def test_a_disk_that_fails_when_a_run_goes_on(
    book, disturbed, kill, tmp_path, call, error, told
):
    """
    A disk that takes nothing at all leaves the model and the state as they were.

    To the byte; on a disk that is mended the run ends as one that met no fault.
    """
    run = tmp_path / "run"
    train(book, run, stop=True)
    directory = RunDirectory(run)
    paths = directory.model_path, directory.state_path, directory.previous_state_path
    before = [path.read_bytes() for path in paths]
    process = disturbed(run, call, f"error={error}:when=1+")

    assert process.returncode == 74, process.stderr
    assert told in process.stderr.splitlines()[-2]
    assert "saved" not in process.stderr
    assert [path.read_bytes() for path in paths] == before
    assert list(run.glob(".*.part")) == []
    train(book, run)
    assert kill.digest(run) == kill.digest(book.parent / "whole")
