"""Find the checkpoint that the user means, here or on a hub; names that are free."""

import difflib
import itertools
import os
from pathlib import Path

from lstm_textgen.errors import MissingError, OutputError
from lstm_textgen.paths import bundled_folder
from lstm_textgen.remote.client import download_model
from lstm_textgen.remote.repository import is_on_hub, parse_repository
from lstm_textgen.runs.directory import RunDirectory

RUNS = Path("checkpoints")
"""The default folder of runs."""

PRETRAINED = ("shakespeare", "fables")
"""Bundled models; the first is the default where nothing was trained."""


def runs_in(folder: Path) -> list[Path]:
    """
    The runs in *folder* that have a model, the newest model first.

    Hidden ones may be incomplete downloads and are skipped.
    """
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
        models = [RunDirectory(path).model_path for path in paths]
        there = [path for path in models if os.path.isfile(path)]
        dated = [(path.stat().st_mtime_ns, path) for path in there]
    except OSError:  # no such folder, or nothing that we may look at
        return []
    return [path.parent for _, path in sorted(dated, reverse=True)]


def newest_run(folder: Path) -> Path | None:
    """The run in *folder* whose model was saved last, or None."""
    return next(iter(runs_in(folder)), None)


def free_name(folder: Path, name: str) -> Path:
    """The first of *name*, *name*-2, *name*-3 and so on that is free in *folder*."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    candidates = (folder / free for free in itertools.chain([name], numbered))
    return next(path for path in candidates if not os.path.lexists(path))


def require_folder(folder: Path) -> None:
    """
    Check that a folder of runs exists, unless it is the default.

    Raises:
        MissingError: It does not.
    """
    if folder != RUNS and not os.path.isdir(folder):
        raise MissingError(
            f"There is no folder {folder}.", "Check the name, or leave --in out."
        )


def require_free(path: Path) -> None:
    """
    Check that the name of a file to be written is free.

    Raises:
        OutputError: It is not.
    """
    if os.path.lexists(path):
        what = "a folder" if os.path.isdir(path) else "a file"
        raise OutputError(
            f"{path} is there already, {what}; it is not overwritten.",
            "Choose another name with -o, or move it away.",
        )


def resolve_checkpoint(argument: str | None, *, folder: Path = RUNS) -> Path:
    """
    The file that the user means.

    Args:
        argument: A file, the folder of a run, the name of a bundled model, or None
            for the newest run, or the first bundled model where there is no run.
        folder: The folder of the runs.

    Raises:
        MissingError: There is no such model.
    """
    if argument is None:
        newest = newest_run(folder)
        return RunDirectory(newest).model_path if newest else _bundled(PRETRAINED[0])
    path = Path(argument)
    if os.path.isdir(path):
        return _model_of(RunDirectory(path))
    if os.path.exists(path):
        return path
    if argument in PRETRAINED:
        return _bundled(argument)
    names = {run.name: str(run) for run in runs_in(folder)}
    names |= {name: name for name in PRETRAINED}
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        problem = f"{path} does not exist."
        raise MissingError(problem, f"Did you mean {names[near[0]]}?")
    raise MissingError(
        f"{path} does not exist.",
        f"Name a .safetensors file, the folder of a run or a bundled model "
        f"({', '.join(PRETRAINED)}), or train: textgen train fables",
    )


def is_bundled(path: Path) -> bool:
    """Whether *path* is one of the bundled models."""
    return path.parent == bundled_folder("checkpoints")


def _bundled(name: str) -> Path:
    path = bundled_folder("checkpoints") / f"{name}.safetensors"
    if not path.is_file():
        raise MissingError(
            f"The bundled model {name} is not in {path.parent}.",
            "Install lstm-textgen again, or train one: textgen train fables",
        )
    return path


def _model_of(run: RunDirectory) -> Path:
    """The model of a run, or an error that says why it has none."""
    if os.path.isfile(run.model_path):
        return run.model_path
    if os.path.isfile(run.settings_path):
        raise MissingError(
            f"The run {run.path} has not saved a model yet.",
            f"Wait for its first save, or go on with it: textgen train --resume -o "
            f"{run.path}",
        )
    inside = newest_run(run.path)
    problem = f"{run.path} is a folder, but not one of a run."
    if inside is not None:
        raise MissingError(problem, f"Name one of the runs in it, such as {inside}.")
    raise MissingError(problem, "Name a .safetensors file or the folder of a run.")


def find_checkpoint(argument: str | None, *, folder: Path = RUNS) -> Path:
    """
    The file that the user means; a model on a hub is downloaded to the hub's cache.

    Args:
        argument: As for `resolve_checkpoint`, or `hf://user/repo[@revision]`.
        folder: The folder of the runs.

    Raises:
        ConfigError: The name of a model on a hub is invalid.
        MissingError, CheckpointError, AccessError, UnavailableError, StorageError:
            As `resolve_checkpoint` and `download_model`.
    """
    if argument is not None and is_on_hub(argument):
        return download_model(parse_repository(argument)).path
    return resolve_checkpoint(argument, folder=folder)


def model_name(argument: str | None, path: Path) -> str:
    """
    What to call a model: as on a hub, a run by its folder, or a file by its name.

    Args:
        argument: As it was given to `find_checkpoint`.
        path: What `find_checkpoint` found.
    """
    if argument is not None and is_on_hub(argument):
        return parse_repository(argument).short_name
    return path.resolve().parent.name if path.name == "model.safetensors" else path.stem
