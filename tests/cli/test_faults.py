"""Faults, met by the real process: what it promises in docs/reliability.md."""

import functools
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.runs.directory import RunDirectory

STREAMS = ("stdin", "stdout", "stderr")

PATCHED = """
import sys
{patch}
from lstm_textgen.cli import run
run()
"""
"""The program, with a fault built in."""

SLOW_TO_SAVE = """
import time
from lstm_textgen.runs.directory import RunDirectory
real = RunDirectory.save_state
def save(*args):
    real(*args)
    open("saving", "w").close()
    time.sleep(60)
RunDirectory.save_state = save
"""

SLOW_TO_TELL = """
import time
from lstm_textgen.ui import terminal
def write_text(text):
    open("telling", "w").close()
    time.sleep(60)
terminal.write_text = write_text
"""


def wait_for(path, pattern=""):
    """Return once *path* is there, or something in it of this pattern."""
    for _ in range(600):
        if list(path.glob(pattern)) if pattern else path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"{path} never came")


def contents(run):
    """Every file of a run but its lock."""
    return {
        path.name: path.read_bytes()
        for path in run.iterdir()
        if not path.name.startswith(".lock")
    }


def assert_whole(run):
    """State and model load, and no part of a file is left."""
    directory = RunDirectory(run)
    assert directory.load_state() is not None
    if directory.model_path.exists():
        load_checkpoint(directory.model_path)
    assert [path.name for path in run.glob(".*.part")] == []


def patched(patch):
    """The program, with a fault built in; as `program` of `textgen.running`."""
    return (sys.executable, "-c", PATCHED.format(patch=patch))


class TestSignals:
    def test_a_terminal_that_is_gone(self, textgen, book):
        """
        SIGHUP, which says so, is as polite as Ctrl-C and SIGTERM in `test_resume.py`.

        The line about the progress can no longer be written, which used to end it.
        """
        run = textgen.folder / "checkpoints" / "book"
        master, slave = pty.openpty()
        command = ("train", book, *textgen.small, "--steps", "1000000")
        with textgen.running(*command, **dict.fromkeys(STREAMS, slave)) as running:
            os.close(slave)
            wait_for(run / "metrics.jsonl")
            os.close(master)
            time.sleep(1.5)
            still = running.poll() is None
            running.send_signal(signal.SIGHUP)
            running.wait(30)

        assert still
        assert running.returncode == -signal.SIGHUP
        assert RunDirectory(run).load_state()[1]["position"]["step"] > 0
        assert_whole(run)

    def test_nohup_keeps_it_going(self, textgen, book):
        """What was started deaf to SIGHUP does not end by it."""
        ignore = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
        command = ("train", book, *textgen.small, "-q", "--steps", "1000000")
        with textgen.running(*command, preexec_fn=ignore) as running:
            wait_for(textgen.folder / "checkpoints" / "book" / "metrics.jsonl")
            running.send_signal(signal.SIGHUP)
            time.sleep(1.5)
            assert running.poll() is None

    def test_a_second_one_ends_at_once(self, textgen, book):
        """Whoever cannot wait for the saving presses Ctrl-C twice; nothing is torn."""
        command = ("train", book, *textgen.small, "--steps", "1000000", "-q")
        with textgen.running(*command, program=patched(SLOW_TO_SAVE)) as running:
            wait_for(textgen.folder / "saving")
            running.send_signal(signal.SIGINT)
            time.sleep(0.2)
            running.send_signal(signal.SIGINT)
            running.wait(30)

        assert running.returncode == -signal.SIGINT
        assert_whole(textgen.folder / "checkpoints" / "book")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_before_the_training_begins(self, textgen, number):
        """
        A signal while stdin is copied leaves neither a run nor the copy.

        SIGUSR1 comes too early to save anything, and does nothing; it used to end the
        process. Ctrl-C ends it by SIGINT, as later on, not with 130.
        """
        spool = textgen.folder / "tmp"
        spool.mkdir()
        streams = {"stdin": subprocess.PIPE, "env": {"TMPDIR": str(spool)}}
        with textgen.running("train", "-", **streams) as running:
            running.stdin.write("the beginning of a long text\n" * 1000)
            running.stdin.flush()
            wait_for(spool, "textgen-*/stdin")
            running.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            running.send_signal(number)
            running.wait(30)

        assert running.returncode == -number
        assert list(spool.iterdir()) == []
        assert textgen.left() == ["tmp"]

    def test_after_the_training(self, textgen, book):
        """
        While the result is told SIGUSR1 does nothing, and Ctrl-C ends it as before.
        """
        command = ("train", book, *textgen.small, "--steps", "5", "-q")
        with textgen.running(*command, program=patched(SLOW_TO_TELL)) as running:
            wait_for(textgen.folder / "telling")
            running.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            still = running.poll() is None
            running.send_signal(signal.SIGINT)
            running.wait(30)

        assert still
        assert running.returncode == -signal.SIGINT
        assert_whole(textgen.folder / "checkpoints" / "book")

    def test_saving_on_request(self, textgen, book):
        """SIGUSR1 saves the state, says so, and training goes on."""
        command = (
            "train",
            book,
            *textgen.small,
            "--steps",
            "1000000",
            "--save-every",
            "1e6",
        )
        run = textgen.folder / "checkpoints" / "book"
        with textgen.running(*command) as running:
            wait_for(run / "metrics.jsonl")
            time.sleep(1.0)
            running.send_signal(signal.SIGUSR1)
            told = next(line for line in running.stderr if "as asked" in line)
            still = running.poll() is None

        assert "saved at step" in told
        assert still
        assert RunDirectory(run).load_state()[1]["position"]["step"] > 0


class TestDisks:
    @pytest.fixture
    def halfway(self, textgen, book):
        """The command of a run that was stopped on its way, in a folder `run`."""
        command = ("train", book, *textgen.small, "--steps", "1500", "-q", "-o")
        with textgen.running(*command, "run") as running:
            wait_for(textgen.folder / "run" / "model.safetensors")
            running.send_signal(signal.SIGTERM)
            running.wait(30)
        progress = RunDirectory(textgen.folder / "run").load_state()[1]
        assert 0 < progress["position"]["step"] < 1500
        return command

    def refused_and_as_before(self, outcome, before, after):
        """Code 74, nothing said to be saved, and nothing changed but the log."""
        assert (outcome.code, outcome.stdout) == (74, ""), outcome.stderr
        assert "saved" not in outcome.stderr
        for files in (before, after):
            files.pop("metrics.jsonl", None)
        assert {"model.safetensors", "state.safetensors"} < set(before)
        assert after == before

    def assert_same_end(self, run, whole):
        """What was learned, and all that going on needs, is that of the other run."""
        for name in ("model.safetensors", "state.safetensors"):
            ours, theirs = load_file(run / name), load_file(whole / name)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours), name

    @pytest.mark.parametrize("save_every", [0, 30])
    def test_files_may_not_grow_so_large(self, textgen, halfway, save_every):
        """
        A limit on the size of files is told as one, with exit code 74.

        The model and the state from before stay, to the byte, whichever is to be
        saved first, and going on without the limit ends as if there had been none.
        """
        run = textgen.folder / "run"
        before = contents(run)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        outcome = textgen.run(
            *(*halfway, "run", "--resume", "--save-every", save_every),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard)),
        )

        self.refused_and_as_before(outcome, before, contents(run))
        assert textgen(*halfway, "run", "--resume").code == 0
        assert textgen(*halfway, "whole").code == 0
        self.assert_same_end(run, textgen.folder / "whole")

    def test_a_disk_that_gets_full(self, textgen, halfway, mounted):
        """
        On a disk without any space left the run ends with 74.

        The model and the state from before stay, to the byte, and with space again
        the run ends as if nothing had been.
        """
        disk = mounted(size="2m")
        run, there = textgen.folder / "run", textgen.folder / "there"
        before = contents(run)
        disk.keep(run)
        command = (*halfway, disk.path / "run", "--resume")

        outcome = textgen.run(*command, program=disk.filled_program)
        disk.show(there)
        after = contents(there / "run")
        self.refused_and_as_before(outcome, before, after)
        outcome = textgen.run(*command, program=disk.program)
        disk.show(there)
        assert outcome.code == 0, outcome.stderr
        assert textgen(*halfway, "whole").code == 0
        self.assert_same_end(there / "run", textgen.folder / "whole")

    def test_a_read_only_folder(self, textgen, book, mounted):
        """It is refused before the text is read, with code 73."""
        disk = mounted(size="2m", read_only=True)
        command = ("train", book, *textgen.small, "-o", disk.path / "run")
        outcome = textgen.run(*command, "--steps", "4", program=disk.program)

        outcome.assert_refused(73, str(disk.path))


def _can_mount():
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(mount, capture_output=True).returncode == 0
    )


@pytest.fixture
def mounted(textgen, needs):
    """A small disk of its own, seen only by the process that is run with it."""
    needs(_can_mount(), "no file system can be mounted here")

    class Disk:
        path = textgen.folder / "disk"
        store = textgen.folder / "disk.tar"

        def __init__(self, size, read_only=False):
            self.path.mkdir()
            self.size, self.read_only = size, read_only

        def keep(self, folder):
            """What it holds from now on."""
            subprocess.run(
                ["tar", "cf", self.store, "-C", folder.parent, folder.name], check=True
            )

        def show(self, folder):
            """Put what it holds into *folder*."""
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            subprocess.run(["tar", "xf", self.store, "-C", folder], check=True)

        @property
        def program(self):
            return self._shell("true")

        @property
        def filled_program(self):
            return self._shell(f"dd if=/dev/zero of={self.path}/full bs=1k; true")

        def _shell(self, then):
            """Mount it with what it held, run, and keep what it holds then."""
            mount = f"mount -t tmpfs -o size={self.size} tmpfs {self.path}"
            load = f"test ! -e {self.store} || tar xf {self.store} -C {self.path}"
            lock = f"mount -o remount,ro {self.path}" if self.read_only else "true"
            keep = f"rm -f {self.path}/full; tar cf {self.store} -C {self.path} ."
            script = (
                f"{{ {mount} && {load} && {then}; {lock}; }} >/dev/null 2>&1; "
                f'"$0" -m lstm_textgen "$@"; code=$?; {keep}; exit $code'
            )
            return ("unshare", "-rm", "sh", "-c", script, sys.executable)

    return Disk


def test_a_reader_while_it_saves(textgen, book):
    """Old or new, never torn: model and state load whenever they are looked at."""
    run = RunDirectory(textgen.folder / "checkpoints" / "book")
    command = ("train", book, *textgen.small, "--steps", "30000", "--save-every", "0")
    seen = set()
    with textgen.running(*command, "-q") as running:
        wait_for(run.model_path)
        while running.poll() is None and len(seen) < 6:
            load_checkpoint(run.model_path)
            with safe_open(run.state_path, "np") as state:
                assert state.keys()
            _, progress, fell_back = run.load_state()
            assert not fell_back
            seen.add(progress["position"]["step"])

    assert len(seen) > 2


def test_more_than_the_memory_holds(textgen, book):
    """The error names what is too large; nothing is left behind."""
    model = ("--hidden", "1024", "--layers", "1", "--embedding", "4")
    batch = ("--streams", "3500", "--window", "3500", "--precision", "float32")
    outcome = textgen.run("train", book, *model, *batch, "--steps", "5")

    outcome.assert_refused(2, "3500", "1024", "--streams")
    assert textgen.left() == ["book.txt"]
