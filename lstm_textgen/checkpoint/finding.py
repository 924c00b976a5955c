"""Find the checkpoint that the user means, and names that are free."""

import itertools
import os
from pathlib import Path

from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.errors import MissingError

RUNS = Path("checkpoints")
"""Where runs are, unless the user puts them elsewhere."""


def runs_in(folder: Path) -> list[Path]:
    """The runs in *folder* that have a model, the newest model first."""
    try:
        models = [RunDirectory(path).model_path for path in folder.iterdir()]
        there = [path for path in models if os.path.isfile(path)]
        dated = [(path.stat().st_mtime_ns, path) for path in there]
    except OSError:  # no such folder, or nothing that we may look at
        return []
    return [path.parent for _, path in sorted(dated, reverse=True)]


def newest_run(folder: Path) -> Path | None:
    """The run in *folder* whose model was saved last, or None."""
    return next(iter(runs_in(folder)), None)


def free_name(folder: Path, name: str) -> Path:
    """The first of *name*, *name*-2, *name*-3 and so on that *folder* does not have."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    candidates = (folder / each for each in itertools.chain([name], numbered))
    return next(path for path in candidates if not os.path.lexists(path))


def resolve_checkpoint(argument: str | None, *, folder: Path = RUNS) -> Path:
    """
    The file that the user means.

    Args:
        argument: A file, the folder of a run, or None for the newest run.
        folder: Where the runs are.

    Raises:
        MissingError: There is no model there.
    """
    if argument is None:
        newest = newest_run(folder)
        if newest is None:
            problem = f"No run in {folder} has a model."
            raise MissingError(problem, "Train one: textgen train fables")
        return RunDirectory(newest).model_path
    path = Path(argument)
    if os.path.isdir(path):
        return _model_of(RunDirectory(path))
    if os.path.exists(path):
        return path
    meant = RunDirectory(folder / argument)
    if os.path.isfile(meant.model_path):
        raise MissingError(f"{path} does not exist.", f"Did you mean {meant.path}?")
    raise MissingError(
        f"{path} does not exist.",
        "Name a .safetensors file or the folder of a run, or train: "
        "textgen train fables",
    )


def _model_of(run: RunDirectory) -> Path:
    """The model of a run, or why there is none."""
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
