"""The directory of a run."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from lstm_textgen.errors import (
    BusyError,
    CheckpointError,
    MissingError,
    OutputError,
    SettingsFileError,
    StorageError,
)
from lstm_textgen.runs.directory import RunDirectory

HOLD = """
import pathlib, sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1] + "/.lock", timeout=0)
lock.acquire()
pathlib.Path(sys.argv[1], ".lock.pid").write_text(str({pid}))
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return begun(tmp_path / "deep" / "run", {"seed": 7})


def begun(path, settings):
    """A new run in *path*, which nobody works in any more."""
    run = RunDirectory(path)
    with run.lock():
        run.begin(settings)
    return run


def state(step):
    return {"memory": np.full((2, 3), float(step))}, {"step": step}


def loaded_step(run):
    """Which state loads, and whether it is the one before; both must agree."""
    tensors, progress, fell_back = run.load_state()
    assert np.array_equal(tensors["memory"], state(progress["step"])[0]["memory"])
    return progress["step"], fell_back


class TestBegin:
    def test_settings_come_back(self, tmp_path):
        """What was given is in run.json, for people and for going on."""
        settings = {"model": {"hidden": 3}, "text": "ä\n", "rate": 0.004}

        run = begun(tmp_path / "a" / "b", settings)

        assert run.settings() == settings
        assert RunDirectory(run.path).settings() == settings
        assert json.loads(run.settings_path.read_text(encoding="ascii")) == settings

    def test_a_folder_with_hidden_files_is_empty(self, tmp_path):
        """A lock or a part that a crash left does not stand in the way."""
        (tmp_path / ".lock").touch()

        assert begun(tmp_path, {}).settings() == {}

    def test_a_run_is_never_overwritten(self, run):
        """A folder that holds something is refused, and the error says what."""
        with pytest.raises(OutputError, match=r"run\.json") as caught:
            begun(run.path, {"seed": 8})

        assert "--resume" in caught.value.remedy
        assert "-o" in caught.value.remedy
        assert run.settings() == {"seed": 7}

    def test_a_file_in_the_way(self, tmp_path):
        """A file of that name, or instead of a parent, is refused and kept."""
        (tmp_path / "file").write_text("mine")

        for name in ("file", "file/run"):
            with pytest.raises(OutputError) as caught:
                begun(tmp_path / name, {})
            assert caught.value.remedy
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"a":1,"a":2}', "\udcff", "[" * 9999]
    )
    def test_damaged_settings(self, run, text):
        """Settings that are no object, or not JSON, are refused with their path."""
        run.settings_path.write_bytes(text.encode("utf-8", "surrogateescape"))

        with pytest.raises(SettingsFileError) as caught:
            run.settings()

        assert str(run.settings_path) in caught.value.problem

    def test_what_is_no_run(self, tmp_path):
        """A folder without run.json is no run."""
        with pytest.raises(MissingError) as caught:
            RunDirectory(tmp_path).settings()

        assert str(tmp_path) in caught.value.problem


@contextmanager
def held(run, pid="__import__('os').getpid()"):
    """Another real process that holds the lock, and is killed in the end."""
    code = HOLD.format(pid=pid)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


class TestLock:
    def test_another_process_is_named(self, run):
        """A run that is in use is refused at once, with the process that uses it."""
        with held(run) as process, pytest.raises(BusyError) as caught, run.lock():
            pass

        assert f"process {process.pid}" in caught.value.problem
        assert str(run.path) in caught.value.problem

    def test_a_killed_process_holds_nothing(self, run):
        """The system drops the lock with the process; no file has to be deleted."""
        with held(run):
            pass

        with run.lock():
            assert int((run.path / ".lock.pid").read_text()) == os.getpid()
        with run.lock():
            pass

    def test_an_unreadable_name_is_no_obstacle(self, run):
        """Where the file with the process is nonsense, it is another process."""
        by_another = pytest.raises(BusyError, match="another process")
        with held(run, pid="'\\x1b[2J'"), by_another, run.lock():
            pass

    def test_what_a_killed_run_was_writing_goes(self, run):
        """Parts of files that a kill left behind are deleted, and nothing else."""
        (run.path / ".0a1b2c.part").write_bytes(b"half a model")

        with run.lock():
            assert set(os.listdir(run.path)) == {"run.json", ".lock", ".lock.pid"}

    def test_one_process_locks_once(self, run):
        """A second lock in the same process is refused as well."""
        with run.lock(), pytest.raises(BusyError), RunDirectory(run.path).lock():
            pass


class TestState:
    def test_the_newest_loads(self, run):
        """There is none at first; then it is the one saved last."""
        assert run.load_state() is None
        for step in (1, 2, 3):
            run.save_state(*state(step))
            assert loaded_step(run) == (step, False)

    def test_the_folder_holds_two(self, run):
        """The newest and the one before are kept, and nothing else."""
        for step in (1, 2, 3):
            run.save_state(*state(step))

        names = {".lock", "run.json", "state.safetensors", "state.previous.safetensors"}
        assert set(os.listdir(run.path)) == names
        run.state_path.unlink()
        assert loaded_step(run) == (2, True)

    @pytest.mark.parametrize("damage", [b"", b"x", b"\x80\x02"])
    def test_a_damaged_one_falls_back(self, run, damage):
        """Where the newest is damaged, the one before loads, and that is told."""
        run.save_state(*state(1))
        run.save_state(*state(2))
        run.state_path.write_bytes(damage)

        assert loaded_step(run) == (1, True)

    def test_two_damaged_ones_are_an_error(self, run):
        """Where neither is whole, that is said instead of starting anew."""
        run.save_state(*state(1))
        run.save_state(*state(2))
        for path in (run.state_path, run.previous_state_path):
            path.write_bytes(path.read_bytes()[:-1])

        with pytest.raises(CheckpointError, match=r"previous.*cut off|damaged"):
            run.load_state()

    @pytest.mark.parametrize("damaged", [False, True])
    @pytest.mark.parametrize("links", [True, False])
    def test_a_whole_state_loads_at_every_moment(
        self, run, monkeypatch, damaged, links
    ):
        """
        Stopped before any change of the folder, saving leaves a state that loads.

        Also where the newest is damaged and only the one before is whole: it must
        not be thrown away before there is another.
        """
        run.save_state(*state(1))
        run.save_state(*state(2))
        if damaged:
            run.state_path.write_bytes(b"torn")
        if not links:
            monkeypatch.setattr(os, "link", self.no_link)

        moments = 0
        while self.save_stopping_at(run, moments, monkeypatch):
            expected = [(1, True)] if damaged else [(2, False)]
            assert loaded_step(run) in [*expected, (3, False)]
            moments += 1

        assert moments >= 4
        assert loaded_step(run) == (3, False)
        assert sorted(run.path.glob(".*.part")) == []

    def no_link(self, path, name):
        raise PermissionError(1, "Operation not permitted")

    def save_stopping_at(self, run, moment, monkeypatch):
        """Save state 3, cut off before a change; whether it was cut off."""

        class Cut(BaseException):
            pass

        left = iter(range(moment))
        with monkeypatch.context() as patch:
            for name in ("link", "replace", "fsync"):
                original = getattr(os, name)

                def watched(*args, _original=original):
                    if next(left, None) is None:
                        raise Cut
                    return _original(*args)

                patch.setattr(os, name, watched)
            try:
                run.save_state(*state(3))
            except Cut:
                return True
        return False

    def test_a_full_disk_keeps_both(self, run, monkeypatch):
        """When the new one does not fit, the two old ones stay as they were."""
        run.save_state(*state(1))
        run.save_state(*state(2))
        before = {path.name: path.read_bytes() for path in run.path.iterdir()}

        def fsync(handle):
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(StorageError, match="No space left"):
            run.save_state(*state(3))

        assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
