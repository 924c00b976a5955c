"""
What can go from a folder of runs, and its going.

A run is made of files that this program wrote under names of its own. Only those are
ever removed; whatever else lies in the folder stays, and then the folder stays too.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.checkpoint.durable import translated_errors
from lstm_textgen.checkpoint.finding import runs_in
from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.checkpoint.listing import files_of, size_of
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.checkpoint.store import STATE, RunDirectory
from lstm_textgen.errors import BusyError, OutputError, TextgenError

LOCKS = {".lock", ".lock.pid"}
NEVER = "was never finished"

ARRIVING = re.compile(r"\.[0-9a-f]{16}\.part")
"""How a folder is called into which a model is being fetched."""

GIVEN_UP_S = 3600.0
"""A fetched model is written within minutes; after this long its process is dead."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that can go."""

    path: Path
    size_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Pruning:
    """What can go from some runs."""

    removals: tuple[Removal, ...]
    busy: tuple[Path, ...]
    """Runs that are left alone, because something works in them."""


def plan_pruning(
    folder: Path, *, keep: int | None = None, states: bool = False
) -> Pruning:
    """
    What can go from the runs in *folder*. Nothing is changed.

    What a killed process was writing or fetching, the state before a newest one that is
    whole, and runs that never saved anything go always. A model that was not trained
    here, such as one that was fetched, is no run.

    Args:
        folder: Where the runs are.
        keep: Runs that have a model and are not among this many newest ones go too,
            0 or more. None keeps all of them.
        states: The states from which runs go on go too, where the model is whole; it
            stays. Where it is not, the states hold the last good weights.
    """
    newest = [run for run in runs_in(folder) if _was_trained(run)]
    old = set() if keep is None else set(newest[keep:])
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        paths = []
    removals: list[Removal] = []
    busy: list[Path] = []
    for part in filter(_was_given_up, paths):
        removals += [Removal(file, size_of(file), NEVER) for file in files_of(part)]
    for run in filter(_was_trained, paths):
        found = list(_of_run(run, old=run in old, states=states))
        if found and _is_busy(run):
            busy.append(run)
        else:
            removals += found
    return Pruning(tuple(removals), tuple(busy))


def prune(removals: Sequence[Removal]) -> list[Removal]:
    """
    Remove what was planned, and folders that are empty then.

    A run in which something has begun to work in the meantime is left alone.

    Returns:
        What is gone.

    Raises:
        OutputError: A file may not be removed.
        StorageError: The disk fails.
    """
    gone = []
    for run in dict.fromkeys(each.path.parent for each in removals):
        with contextlib.suppress(BusyError), RunDirectory(run).lock():
            for each in removals:
                if each.path.parent == run:
                    with translated_errors(each.path):
                        each.path.unlink(missing_ok=True)
                    gone.append(each)
            _remove_if_empty(run)
    return gone


def _was_trained(path: Path) -> bool:
    """Whether *path* is a run with settings, which only training writes; no link."""
    # not Path.is_file: it raises where a folder is closed
    settings = RunDirectory(path).settings_path
    return not path.is_symlink() and os.path.isfile(settings)


def _was_given_up(path: Path) -> bool:
    """Whether a model was on its way into *path*, and whoever fetched it was killed."""
    if not ARRIVING.fullmatch(path.name) or path.is_symlink():
        return False
    try:
        return path.is_dir() and time.time() - path.stat().st_mtime > GIVEN_UP_S
    except OSError:
        return False


def _of_run(run: Path, *, old: bool, states: bool) -> Iterable[Removal]:
    names = RunDirectory(run)
    both = names.state_path, names.previous_state_path
    unborn = not any(path.exists() for path in (names.model_path, *both))
    spare = both if states and _loads(names.model_path) else ()
    whole = {names.model_path, *both, names.metrics_path, names.settings_path}
    for path in files_of(run):
        if path.name.startswith(".") and path.suffix == ".part":
            why = NEVER
        elif path in whole and unborn:
            why = "belongs to a run without a model"
        elif path in whole and old:
            why = "belongs to an older run"
        elif path in spare:
            why = "is needed only to go on with this run"
        elif path == names.previous_state_path and _is_whole(names.state_path):
            why = "is the state before the newest"
        else:
            continue
        yield Removal(path, size_of(path), why)


def _loads(model: Path) -> bool:
    """Whether *model* is there and whole, so that no state need stand in for it."""
    try:
        load_checkpoint(model)
    except TextgenError:
        return False
    return True


def _is_whole(state: Path) -> bool:
    """Whether a run can go on from *state*; if not, the one before is needed."""
    try:
        with open_container(state, STATE) as container:
            container.read_tensors()
    except TextgenError:
        return False
    return True


def _is_busy(run: Path) -> bool:
    """Whether another process works in *run*, or nothing may be removed there."""
    try:
        RunDirectory(run).check_idle()
    except (BusyError, OutputError):
        return True
    return False


def _remove_if_empty(run: Path) -> None:
    """The folder of a run that has nothing but its lock, while that is held."""
    with contextlib.suppress(OSError):
        if {path.name for path in run.iterdir()} <= LOCKS:
            for name in LOCKS:
                (run / name).unlink(missing_ok=True)
            run.rmdir()
