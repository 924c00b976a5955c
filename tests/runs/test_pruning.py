"""What can go from a folder of runs, and what never goes."""

import errno
import os

import numpy as np
import pytest
from filelock import FileLock

from lstm_textgen.checkpoint.container import pack
from lstm_textgen.checkpoint.format import save_checkpoint
from lstm_textgen.runs.directory import STATE
from lstm_textgen.runs.listing import plan_pruning, remove_files


@pytest.fixture
def runs(tmp_path, checkpoint):
    """A folder with runs; models and states are such, other files hold their names."""
    folder = tmp_path / "runs"
    folder.mkdir()

    def make(name, *files, age_s=0):
        run = folder / name
        run.mkdir()
        for file in files:
            (run / file).write_bytes(STATE_BYTES if "state" in file else file.encode())
        model = run / "model.safetensors"
        if model.exists():
            save_checkpoint(model, checkpoint)
            os.utime(model, ns=(0, 10**18 - age_s * 10**9))
        return run

    make.folder = folder
    return make


WHOLE = ("model.safetensors", "state.safetensors", "metrics.jsonl", "run.json")
STATE_BYTES = pack({"weight": np.ones(2)}, STATE, {"step": 1})


def names(pruning):
    """Run and file of all that would go."""
    return sorted(
        f"{removal.path.parent.name}/{removal.path.name}"
        for removal in pruning.removals
    )


def test_only_what_nobody_needs_goes_unasked(runs):
    """Unfinished files, the state before the newest, runs without a model."""
    runs("done", *WHOLE, "state.previous.safetensors", ".0123.part")
    runs("unborn", "run.json", "metrics.jsonl")

    found = plan_pruning(runs.folder)

    assert names(found) == [
        "done/.0123.part",
        "done/state.previous.safetensors",
        "unborn/metrics.jsonl",
        "unborn/run.json",
    ]
    for removal in found.removals:
        assert removal.size_bytes == removal.path.stat().st_size


def test_a_plan_changes_nothing(runs):
    """Looking is free: no file is made, none is gone."""
    runs("done", *WHOLE, "state.previous.safetensors", ".lock")
    before = sorted(path for path in runs.folder.rglob("*"))

    plan_pruning(runs.folder, keep=0, states=True)

    assert sorted(path for path in runs.folder.rglob("*")) == before


def test_states_and_old_runs_go_if_it_is_asked_for(runs):
    """The newest by the time of their models stay."""
    for age, name in enumerate(("new", "older", "oldest")):
        runs(name, *WHOLE, age_s=age)

    states = plan_pruning(runs.folder, states=True)
    old = plan_pruning(runs.folder, keep=2)

    assert names(states) == [
        f"{name}/state.safetensors" for name in ("new", "older", "oldest")
    ]
    assert names(old) == sorted(f"oldest/{name}" for name in WHOLE)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_states_stay_where_the_model_is_damaged(runs, damage):
    """
    They hold the last good weights.

    It was once enough that a file of the name was there, whatever was in it.
    """
    model = runs("done", *WHOLE) / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1]) if damage == "cut" else model.unlink()

    assert names(plan_pruning(runs.folder, states=True)) == []


def test_a_closed_folder_closes_no_other(runs, monkeypatch):
    """What may not be looked into is no run; the others are pruned all the same."""
    closed = str(runs("closed", *WHOLE))
    runs("done", *WHOLE, "state.previous.safetensors")
    stat = os.stat

    def refusing(path, *args, **more):
        if str(path).startswith(f"{closed}/"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return stat(path, *args, **more)

    monkeypatch.setattr(os, "stat", refusing)

    assert names(plan_pruning(runs.folder)) == ["done/state.previous.safetensors"]


def test_a_pull_that_was_killed_leaves_nothing(runs):
    """Its hidden folder goes, an hour after its last file came; no other one does."""
    hidden = runs(f".{'0a' * 8}.part", "model.safetensors", "README.md")
    os.utime(hidden, (0, 0))
    runs(f".{'0b' * 8}.part", "README.md")
    os.utime(runs(".mine.part", "model.safetensors"), (0, 0))

    found = plan_pruning(runs.folder)
    remove_files(found.removals)

    assert names(found) == [f"{hidden.name}/{f}" for f in ("README.md", WHOLE[0])]
    left = {path.name for path in runs.folder.iterdir()}
    assert left == {f".{'0b' * 8}.part", ".mine.part"}


def test_what_the_user_put_there_stays(runs):
    """Notes, other models, folders, links, and models that were not trained here."""
    old = runs("old", *WHOLE, "notes.txt", "best.safetensors", ".lock")
    (old / "samples").mkdir()
    fetched = runs("fetched", "model.safetensors", "README.md", age_s=9)
    (runs.folder / "loose.safetensors").write_text("loose")
    elsewhere = runs.folder.parent / "elsewhere"
    runs("elsewhere-in", *WHOLE).rename(elsewhere)
    (runs.folder / "link").symlink_to(elsewhere)

    remove_files(plan_pruning(runs.folder, keep=0, states=True).removals)

    assert {path.name for path in old.iterdir()} >= {
        *("notes.txt", "best.safetensors", "samples")
    }
    assert not (old / "model.safetensors").exists()
    assert len(list(fetched.iterdir())) == 2
    assert (runs.folder / "loose.safetensors").exists()
    assert {path.name for path in elsewhere.iterdir()} == set(WHOLE)


def test_an_empty_folder_goes_with_its_run(runs):
    """Its lock is nobody's any more."""
    run = runs("old", *WHOLE, ".lock")

    remove_files(plan_pruning(runs.folder, keep=0).removals)

    assert not run.exists()


def test_a_run_at_work_is_left_alone(runs):
    """It is named instead, and neither its model nor its state goes."""
    run = runs("busy", *WHOLE, "state.previous.safetensors")

    with FileLock(run / ".lock"):
        found = plan_pruning(runs.folder, keep=0)
    with FileLock(run / ".lock"):
        remove_files(plan_pruning(runs.folder, keep=0).removals)

    assert (found.removals, found.busy) == ((), (run,))
    assert {path.name for path in run.iterdir()} >= set(WHOLE)


def test_a_run_that_was_begun_in_between_is_left_alone(runs):
    """Between the plan and the removal somebody went on with it."""
    run = runs("begun", *WHOLE)
    found = plan_pruning(runs.folder, keep=0)

    with FileLock(run / ".lock"):
        gone = remove_files(found.removals)

    assert gone == []
    assert {path.name for path in run.iterdir()} >= set(WHOLE)


def test_no_folder_has_nothing_to_prune(tmp_path):
    """It is no error to look where nothing was trained."""
    assert plan_pruning(tmp_path / "none").removals == ()


def test_a_state_from_which_alone_a_run_can_go_on_stays(runs):
    """The newest is damaged, or there is no model yet: then nothing is old."""
    damaged = runs("damaged", *WHOLE, "state.previous.safetensors")
    (damaged / "state.safetensors").write_bytes(STATE_BYTES[:-1])
    runs("early", "state.safetensors", "run.json")

    assert names(plan_pruning(runs.folder)) == []
    assert "early/state.safetensors" not in names(
        plan_pruning(runs.folder, keep=0, states=True)
    )
