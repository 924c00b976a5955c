"""
The runs and models in a folder: a list, a check of their files, and pruning.

Pruning removes only files that this program wrote under names of its own. Any other
file in the folder of a run stays, and then the folder stays too.
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

MAX_NAMED = 5
"""How many bad files an error names; all of them were printed before."""

LOCKS = {".lock", ".lock.pid"}

UNFINISHED = "was never finished"

ARRIVING = re.compile(r"\.[0-9a-f]{16}\.part")
"""Name of the temporary folder of a model that is being downloaded."""

GIVEN_UP_S = 3600.0
"""A downloaded model is written within minutes; after this long its process is dead."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelEntry:
    """A run, a model file or a bundled model."""

    name: str
    """Its name in a command."""

    kind: EntryKind
    path: Path
    """The model file; that of a run may not exist yet."""

    size_bytes: int
    """Size of the model file; 0 where there is none."""

    folder_bytes: int
    """Size of all files of a run; of another model, the size of its file."""

    saved_s: float
    """When the model was saved, or the run created, in seconds since 1970."""

    header: Checkpoint | None
    """The model without its tensors; None if it cannot be read."""

    problem: str = ""
    """Why it cannot be read."""


def list_models(folder: Path) -> list[ModelEntry]:
    """
    The runs and model files in a folder, newest first, and the bundled models.

    Tensors are not read, so that a long list appears at once; `check_files` reads them.
    Hidden files and folders may be incomplete downloads and are skipped.

    Args:
        folder: The folder, in which only runs are opened.
    """
    visible = [path for path in _paths_in(folder) if not path.name.startswith(".")]
    entries = [entry for path in visible if (entry := _entry(path)) is not None]
    entries.sort(key=lambda entry: -entry.saved_s)
    shipped = bundled_folder("checkpoints")
    if folder.resolve() != shipped.resolve():
        paths = [shipped / f"{name}{SUFFIX}" for name in PRETRAINED]
        entries += [
            _model(path, "bundled", path.stem) for path in paths if os.path.isfile(path)
        ]
    return entries


def _paths_in(folder: Path) -> list[Path]:
    """What is in a folder, by name; nothing where it is missing or unreadable."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_run(path: Path) -> bool:
    """Whether *path* is the folder of a run."""
    run = RunDirectory(path)
    return any(map(os.path.isfile, (run.settings_path, run.model_path)))


def _files_in(run: Path) -> list[Path]:
    """The regular files in a folder, without links."""
    return [p for p in _paths_in(run) if p.is_file() and not p.is_symlink()]


def _size_bytes(path: Path) -> int:
    """The size of a file; 0 if it has just been removed."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _entry(path: Path) -> ModelEntry | None:
    """The entry for *path*, if it is a run or a model."""
    if _is_run(path):
        return _run(path)
    if path.suffix == SUFFIX and os.path.isfile(path):
        return _model(path, "file", str(path))
    return None


def _run(path: Path) -> ModelEntry:
    run = RunDirectory(path)
    folder_bytes = sum(map(_size_bytes, _files_in(path)))
    if os.path.isfile(run.model_path):
        return _model(run.model_path, "run", str(path), folder_bytes)
    return ModelEntry(
        name=str(path),
        kind="run",
        path=run.model_path,
        size_bytes=0,
        folder_bytes=folder_bytes,
        saved_s=_saved_s(run.settings_path),
        header=None,
        problem="no model was saved yet",
    )


def _model(
    path: Path, kind: EntryKind, name: str, folder_bytes: int | None = None
) -> ModelEntry:
    header, problem = None, ""
    try:
        header = read_header(path)
    except TextgenError as error:
        problem = error.problem
    size_bytes = _size_bytes(path)
    return ModelEntry(
        name=name,
        kind=kind,
        path=path,
        size_bytes=size_bytes,
        folder_bytes=size_bytes if folder_bytes is None else folder_bytes,
        saved_s=_saved_s(path),
        header=header,
        problem=problem,
    )


def _saved_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of checking a file."""

    path: Path | str
    """The file, or the argument where no file was found."""

    sha256: str = ""
    """Digest of the tensors."""

    error: TextgenError | None = None
    """What is wrong with it; None if nothing is."""


def check_files(argument: str) -> list[FileCheck]:
    """
    Read a model in full, and for a run its states, even before it has a model.

    Args:
        argument: As for `resolve_checkpoint`.
    """
    try:
        checks = [_check_model(resolve_checkpoint(argument))]
    except TextgenError as error:
        checks = [FileCheck(argument, error=error)]
    run = RunDirectory(Path(argument))  # below a file there are no states
    states = run.state_path, run.previous_state_path
    return checks + [_check_state(state) for state in states if os.path.exists(state)]


def summary(checks: Sequence[FileCheck]) -> TextgenError:
    """
    One error for all files that failed their check.

    Of a single check it is its own. Of several, a damaged file decides the kind of
    error over a missing one.
    """
    bad = [(check.path, check.error) for check in checks if check.error is not None]
    if len(checks) == 1:
        return bad[0][1]
    kinds = [type(error) for _, error in bad]
    kind = CheckpointError if CheckpointError in kinds else kinds[0]
    more = f" and {len(bad) - MAX_NAMED} more" if len(bad) > MAX_NAMED else ""
    names = ", ".join(str(path) for path, _ in bad[:MAX_NAMED])
    problem = f"{len(bad)} of {len(checks)} files are bad: {names}{more}."
    return kind(problem, AGAIN)


def _check_model(path: Path) -> FileCheck:
    try:
        return FileCheck(path, tensors_sha256(load_checkpoint(path).tensors))
    except TextgenError as error:
        return FileCheck(path, error=error)


def _check_state(path: Path) -> FileCheck:
    """Check that a state is whole and finite, not that it fits the run."""
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


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that can be removed."""

    path: Path
    size_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Pruning:
    """What can be removed from some runs."""

    removals: tuple[Removal, ...]
    busy: tuple[Path, ...]
    """Runs that are left alone, because another process uses them."""


def plan_pruning(
    folder: Path, *, keep: int | None = None, states: bool = False
) -> Pruning:
    """
    What can be removed from the runs in *folder*. Nothing is changed.

    Always included are temporary files of killed processes, the previous state where
    the newest is whole, and runs that never saved anything. A model that was not
    trained here, such as a downloaded one, is not a run.

    Args:
        folder: The folder of the runs.
        keep: How many of the newest runs with a model to keep, 0 or more; the older
            ones are included. None keeps all of them.
        states: Also include the states of runs whose model is whole. Where it is not,
            the states have the last good weights.
    """
    newest = [run for run in runs_in(folder) if _was_trained(run)]
    old = set() if keep is None else set(newest[keep:])
    paths = _paths_in(folder)
    removals: list[Removal] = []
    busy: list[Path] = []
    for part in filter(_was_given_up, paths):
        files = _files_in(part)
        removals += [Removal(file, _size_bytes(file), UNFINISHED) for file in files]
    for run in filter(_was_trained, paths):
        of_run = list(_removals(run, old=run in old, states=states))
        if of_run and _is_busy(run):
            busy.append(run)
        else:
            removals += of_run
    return Pruning(tuple(removals), tuple(busy))


def remove_files(removals: Sequence[Removal]) -> list[Removal]:
    """
    Remove the files of a plan, and the folders that are empty then.

    A run that another process has begun to use in the meantime is left alone.

    Returns:
        What was removed.

    Raises:
        OutputError: A file may not be removed.
        StorageError: The disk fails.
    """
    removed = []
    for run in dict.fromkeys(removal.path.parent for removal in removals):
        with contextlib.suppress(BusyError), RunDirectory(run).lock():
            for removal in removals:
                if removal.path.parent == run:
                    with translated_errors(removal.path):
                        removal.path.unlink(missing_ok=True)
                    removed.append(removal)
            _remove_if_empty(run)
    return removed


def _was_trained(path: Path) -> bool:
    """Whether *path* is a run with settings, which only training writes; no link."""
    # not Path.is_file: it raises where a folder is closed
    settings = RunDirectory(path).settings_path
    return not path.is_symlink() and os.path.isfile(settings)


def _was_given_up(path: Path) -> bool:
    """Whether *path* is the folder of a download whose process was killed."""
    if not ARRIVING.fullmatch(path.name) or path.is_symlink():
        return False
    try:
        return path.is_dir() and time.time() - path.stat().st_mtime > GIVEN_UP_S
    except OSError:
        return False


def _removals(path: Path, *, old: bool, states: bool) -> Iterable[Removal]:
    """The files of one run that can be removed."""
    run = RunDirectory(path)
    both = run.state_path, run.previous_state_path
    unsaved = not any(file.exists() for file in (run.model_path, *both))
    has_model = states and _check_model(run.model_path).error is None
    own = {run.model_path, *both, run.metrics_path, run.settings_path}
    for file in _files_in(path):
        if file.name.startswith(".") and file.suffix == ".part":
            why = UNFINISHED
        elif file in own and unsaved:
            why = "belongs to a run without a model"
        elif file in own and old:
            why = "belongs to an older run"
        elif file in both and has_model:
            why = "is needed only to go on with this run"
        elif file == run.previous_state_path and _is_whole(run.state_path):
            why = "is the state before the newest"
        else:
            continue
        yield Removal(file, _size_bytes(file), why)


def _is_whole(state: Path) -> bool:
    """Whether a run can resume from *state*; if not, it needs the previous one."""
    try:
        with open_container(state, STATE) as container:
            container.read_tensors()
    except TextgenError:
        return False
    return True


def _is_busy(run: Path) -> bool:
    """Whether another process uses *run*, or nothing may be removed there."""
    try:
        RunDirectory(run).check_idle()
    except (BusyError, OutputError):
        return True
    return False


def _remove_if_empty(run: Path) -> None:
    """Remove the folder of a run that has nothing but its lock, which is held."""
    with contextlib.suppress(OSError):
        if {path.name for path in run.iterdir()} <= LOCKS:
            for name in LOCKS:
                (run / name).unlink(missing_ok=True)
            run.rmdir()
