"""
Which runs and models there are, by what their files say of themselves.

Read models and runs whole, and say of every file whether it is fine.

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
from typing import Literal

import numpy as np

from lstm_textgen.checkpoint.container import tensors_sha256, widen
from lstm_textgen.checkpoint.format import Checkpoint, load_checkpoint, read_header
from lstm_textgen.checkpoint.reader import AGAIN, open_container
from lstm_textgen.errors import BusyError, CheckpointError, OutputError, TextgenError
from lstm_textgen.files import translated_errors
from lstm_textgen.paths import bundled_folder
from lstm_textgen.runs.directory import STATE, RunDirectory
from lstm_textgen.runs.find import PRETRAINED, resolve_checkpoint, runs_in

SUFFIX = ".safetensors"

EntryKind = Literal["run", "file", "bundled"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelEntry:
    """A run or a model that was found."""

    name: str
    """What to call it in a command."""

    kind: EntryKind
    path: Path
    """The model file; that of a run may not be there yet."""

    size_bytes: int
    """Of the model file; 0 where there is none."""

    folder_bytes: int
    """Of all files of a run; of another model, its own."""

    saved_s: float
    """When the model was saved, or the run made, in seconds since 1970."""

    card: Checkpoint | None
    """What the model says of itself, without tensors; None if it cannot be read."""

    problem: str = ""
    """Why it cannot be read."""


def list_models(folder: Path) -> list[ModelEntry]:
    """
    The runs and model files in a folder, newest first, and the bundled models.

    Tensors are not read, so that a long list comes at once; `verify` reads them. What
    is hidden may still be arriving, and is not looked at.

    Args:
        folder: Where to look; nothing below its runs is looked at.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError:  # no such folder, or nothing that we may look at
        paths = []
    found = [listed for path in paths if (listed := _look(path)) is not None]
    found.sort(key=lambda listed: -listed.saved_s)
    shipped = bundled_folder("checkpoints")
    if folder.resolve() != shipped.resolve():
        paths = [shipped / f"{name}{SUFFIX}" for name in PRETRAINED]
        found += [
            _model(path, "bundled", path.stem) for path in paths if os.path.isfile(path)
        ]
    return found


def is_run(path: Path) -> bool:
    """Whether *path* is the folder of a run."""
    run = RunDirectory(path)
    return any(map(os.path.isfile, (run.settings_path, run.model_path)))


def files_of(run: Path) -> list[Path]:
    """The files in a run's folder: none of its folders, and no links elsewhere."""
    try:
        paths = sorted(run.iterdir())
    except OSError:
        return []
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if it has just gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _look(path: Path) -> ModelEntry | None:
    """What *path* is, if it is a run or a model."""
    if is_run(path):
        return _run(path)
    if path.suffix == SUFFIX and os.path.isfile(path):
        return _model(path, "file", str(path))
    return None


def _run(path: Path) -> ModelEntry:
    run = RunDirectory(path)
    folder_bytes = sum(size_of(file) for file in files_of(path))
    if os.path.isfile(run.model_path):
        return _model(run.model_path, "run", str(path), folder_bytes)
    return ModelEntry(
        name=str(path),
        kind="run",
        path=run.model_path,
        size_bytes=0,
        folder_bytes=folder_bytes,
        saved_s=_saved_s(run.settings_path),
        card=None,
        problem="no model was saved yet",
    )


def _model(
    path: Path, kind: EntryKind, name: str, folder_bytes: int | None = None
) -> ModelEntry:
    card, problem = None, ""
    try:
        card = read_header(path)
    except TextgenError as error:
        problem = error.problem
    size_bytes = size_of(path)
    return ModelEntry(
        name=name,
        kind=kind,
        path=path,
        size_bytes=size_bytes,
        folder_bytes=size_bytes if folder_bytes is None else folder_bytes,
        saved_s=_saved_s(path),
        card=card,
        problem=problem,
    )


def _saved_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


NAMED = 5
"""How many bad files an error names; all of them were told before."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was found out about a file."""

    path: Path | str
    """The file, or what was asked for where there is none."""

    sha256: str = ""
    """Digest of the tensors."""

    error: TextgenError | None = None
    """What is wrong; None if nothing is."""


def check_files(argument: str) -> list[FileCheck]:
    """
    Read a model, and of a run its states too, also before it has a model.

    Args:
        argument: As for `resolve_checkpoint`.
    """
    try:
        found = [_of_model(resolve_checkpoint(argument))]
    except TextgenError as error:
        found = [FileCheck(argument, error=error)]
    run = RunDirectory(Path(argument))  # of a file, nothing is below it
    states = run.state_path, run.previous_state_path
    return found + [_of_state(state) for state in states if os.path.exists(state)]


def summary(verdicts: Sequence[FileCheck]) -> TextgenError:
    """
    The error that stands for all that is bad, of which there is some.

    Of a single file it is its own. Of several, one that is missing counts less than
    one that was read and is bad.
    """
    bad = [each for each in verdicts if each.error is not None]
    errors = [each.error for each in bad if each.error is not None]
    if len(verdicts) == 1:
        return errors[0]
    kinds = [type(error) for error in errors]
    kind = CheckpointError if CheckpointError in kinds else kinds[0]
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    names = ", ".join(str(each.path) for each in bad[:NAMED])
    problem = f"{len(bad)} of {len(verdicts)} files are bad: {names}{more}."
    return kind(problem, AGAIN)


def _of_model(path: Path) -> FileCheck:
    try:
        return FileCheck(path, tensors_sha256(load_checkpoint(path).tensors))
    except TextgenError as error:
        return FileCheck(path, error=error)


def _of_state(path: Path) -> FileCheck:
    """Whether it is whole and its numbers are finite; not whether it fits the run."""
    try:
        with open_container(path, STATE) as container:
            tensors = container.read_tensors()
        for name, tensor in tensors.items():
            if not np.isfinite(widen(tensor)).all():
                raise CheckpointError(
                    f"{path} holds something that is no finite number: {name}.",
                    "Restore it from a copy, or train with a lower learning rate.",
                )
    except TextgenError as error:
        return FileCheck(path, error=error)
    return FileCheck(path, tensors_sha256(tensors))


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


def remove_files(removals: Sequence[Removal]) -> list[Removal]:
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
