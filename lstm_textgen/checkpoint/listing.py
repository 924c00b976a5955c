"""Which runs and models there are, by what their files say of themselves."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstm_textgen.bundled import bundled_folder
from lstm_textgen.checkpoint.finding import PRETRAINED
from lstm_textgen.checkpoint.format import Checkpoint, read_card
from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.errors import TextgenError

SUFFIX = ".safetensors"
Kind = Literal["run", "file", "bundled"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Listed:
    """A run or a model that was found."""

    name: str
    """What to call it in a command."""

    kind: Kind
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


def list_models(folder: Path) -> list[Listed]:
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


def _look(path: Path) -> Listed | None:
    """What *path* is, if it is a run or a model."""
    if is_run(path):
        return _run(path)
    if path.suffix == SUFFIX and os.path.isfile(path):
        return _model(path, "file", str(path))
    return None


def _run(path: Path) -> Listed:
    run = RunDirectory(path)
    folder_bytes = sum(size_of(file) for file in files_of(path))
    if os.path.isfile(run.model_path):
        return _model(run.model_path, "run", str(path), folder_bytes)
    return Listed(
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
    path: Path, kind: Kind, name: str, folder_bytes: int | None = None
) -> Listed:
    card, problem = None, ""
    try:
        card = read_card(path)
    except TextgenError as error:
        problem = error.problem
    size_bytes = size_of(path)
    return Listed(
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
