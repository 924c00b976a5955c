"""
Fetch a model from a hub: whole, checked, and never half under its name.

What arrives lies in the hub's own cache first. It is read as strictly as any file of
a stranger. What came otherwise than the hub has it is taken out of the cache again, so
that the next try fetches it anew.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lstm_textgen.errors import OutputError
from lstm_textgen.files import translated_errors, write_durably
from lstm_textgen.remote.client import (
    TEXTS,
    _text,
    download_model,
)
from lstm_textgen.remote.repository import (
    MODEL_FILE,
    Repository,
)
from lstm_textgen.runs.find import RUNS, free_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """A model that is here now, in a folder of its own."""

    folder: Path
    commit: str
    files: tuple[str, ...]
    """Names of what arrived; a repository may lack card and settings."""

    was_here: bool = False
    """The folder held this very model already, and nothing was changed."""

    @property
    def path(self) -> Path:
        """The model itself."""
        return self.folder / MODEL_FILE


def pull_model(repository: Repository, folder: Path | None = None) -> Pulled:
    """
    Fetch a model into a folder, which appears when all that belongs in it is there.

    Args:
        folder: Not there yet, or empty, or holding this very model. None: one of the
            repository's name among the runs, or the next free name.

    Raises:
        OutputError: Something else is there, or no folder can be made there.
        CheckpointError, MissingError, AccessError, UnavailableError, StorageError:
            As `fetch_model`.
    """
    if folder is not None:
        _check_place(folder)
    arrived = download_model(repository)
    pinned = replace(repository, revision=arrived.commit)
    files = {name: text for name in TEXTS if (text := _text(pinned, name)) is not None}
    files[MODEL_FILE] = arrived.path.read_bytes()  # last: it makes the folder a model
    there = RUNS / repository.short_name if folder is None else folder
    with translated_errors(there):
        was_here = _holds(there, files[MODEL_FILE])
    if not was_here:
        there = free_name(RUNS, there.name) if folder is None else folder
        _place(there, files)
    names = tuple(sorted(files))
    return Pulled(folder=there, commit=arrived.commit, files=names, was_here=was_here)


def _check_place(folder: Path) -> None:
    """Refuse a place that is taken before anything is fetched."""
    with translated_errors(folder):
        taken = os.path.lexists(folder) and not folder.is_dir()
        if taken or _is_foreign(folder):
            problem = f"{folder} exists already, and holds something else."
            raise OutputError(problem, "Choose another folder with -o.")


def _is_foreign(folder: Path) -> bool:
    """Whether a folder holds anything but a model."""
    return folder.is_dir() and any(folder.iterdir()) and not _model_in(folder)


def _model_in(folder: Path) -> bool:
    return (folder / MODEL_FILE).is_file()


def _holds(folder: Path, model: bytes) -> bool:
    return _model_in(folder) and (folder / MODEL_FILE).read_bytes() == model


def _place(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside the place, then give them their names at once."""
    _check_place(folder)  # again: fetching has taken its time
    part = folder.parent / f".{secrets.token_hex(8)}.part"
    with translated_errors(folder):
        if _model_in(folder):
            problem = f"{folder} holds another model."
            raise OutputError(problem, "Choose another folder with -o.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        try:
            for name, data in files.items():
                write_durably(part / name, data)
            if folder.is_dir():  # it is empty, and may be where the user stands
                _move(files, part, folder)
                part.rmdir()
            else:
                os.rename(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _move(names: Iterable[str], part: Path, folder: Path) -> None:
    """Move files into a folder that is there: all of them, or none."""
    moved = []
    try:
        for name in names:
            os.replace(part / name, folder / name)
            moved.append(folder / name)
    except BaseException:
        for path in moved:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
