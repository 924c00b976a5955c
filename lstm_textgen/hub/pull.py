"""Pull a model into a folder of its own: all of its files, or none."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lstm_textgen.errors import OutputError
from lstm_textgen.files import translated_errors, write_durably
from lstm_textgen.remote.client import download_model, download_text
from lstm_textgen.remote.repository import (
    CARD_FILE,
    MODEL_FILE,
    SETTINGS_FILE,
    Repository,
)
from lstm_textgen.runs.find import RUNS, free_name

CHOOSE_ANOTHER = "Choose another folder with -o."


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """A model in a folder of its own."""

    path: Path
    """The model file."""

    commit: str
    """The full hash of its commit."""

    files: tuple[str, ...]
    """What was downloaded; a repository may lack model card and settings."""

    was_here: bool = False
    """The folder held this very model already, and nothing was changed."""


def pull_model(repository: Repository, folder: Path | None = None) -> Pulled:
    """
    Download a model into a folder, which appears once all of its files are there.

    Args:
        folder: Does not exist, is empty, or holds this very model. None: a folder in
            `RUNS` with the repository's name, or the next free name.

    Raises:
        OutputError: Something else is there, or the folder cannot be created.
        CheckpointError, MissingError, AccessError, UnavailableError, StorageError:
            As `download_model`.
    """
    if folder is not None:
        _check_target(folder)
    model = download_model(repository)
    pinned = replace(repository, revision=model.commit)
    files = {}
    for name in (CARD_FILE, SETTINGS_FILE):
        if (text := download_text(pinned, name)) is not None:
            files[name] = text
    files[MODEL_FILE] = model.path.read_bytes()  # last: it makes the folder a model
    target = folder or RUNS / repository.short_name
    with translated_errors(target):
        was_here = _holds(target, files[MODEL_FILE])
    if not was_here:
        target = folder or free_name(RUNS, target.name)
        _write_folder(target, files)
    return Pulled(
        path=target / MODEL_FILE,
        commit=model.commit,
        files=tuple(sorted(files)),
        was_here=was_here,
    )


def _check_target(folder: Path) -> None:
    """Refuse a folder that holds something else, before anything is downloaded."""
    with translated_errors(folder):
        if folder.is_dir():
            is_taken = any(folder.iterdir()) and not _has_model(folder)
        else:
            is_taken = os.path.lexists(folder)
        if is_taken:
            problem = f"{folder} exists already, and holds something else."
            raise OutputError(problem, CHOOSE_ANOTHER)


def _has_model(folder: Path) -> bool:
    return (folder / MODEL_FILE).is_file()


def _holds(folder: Path, model: bytes) -> bool:
    return _has_model(folder) and (folder / MODEL_FILE).read_bytes() == model


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside the folder, then give them their names at once."""
    _check_target(folder)  # again: the download has taken time
    part = folder.parent / f".{secrets.token_hex(8)}.part"
    with translated_errors(folder):
        if _has_model(folder):
            raise OutputError(f"{folder} holds another model.", CHOOSE_ANOTHER)
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        try:
            for name, data in files.items():
                write_durably(part / name, data)
            if folder.is_dir():  # empty, and perhaps the current directory
                _move(list(files), part, folder)
                part.rmdir()
            else:
                os.rename(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _move(names: list[str], part: Path, folder: Path) -> None:
    """Move files into an existing folder: all of them, or none."""
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
