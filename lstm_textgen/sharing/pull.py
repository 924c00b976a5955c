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

from lstm_textgen.checkpoint.durable import translated_errors, write_durably
from lstm_textgen.checkpoint.finding import RUNS, free_name
from lstm_textgen.checkpoint.format import SIZE_CAP, load_checkpoint
from lstm_textgen.checkpoint.plain_json import parse
from lstm_textgen.checkpoint.reader import AGAIN as COPY_AGAIN
from lstm_textgen.errors import CheckpointError, MissingError, OutputError
from lstm_textgen.sharing.hub import fetch_file
from lstm_textgen.sharing.hub_cache import Fetched
from lstm_textgen.sharing.repository import (
    CARD_FILE,
    MODEL_FILE,
    SETTINGS_FILE,
    Repository,
)

TEXTS = (CARD_FILE, SETTINGS_FILE)
"""What a repository may lack."""

TEXT_CAP = 2**20
"""Bytes of the largest card, and of the largest file of settings."""

AGAIN = "Run the same command again to fetch it anew, or take another model."
ANOTHER = "Take another model, or another revision of it: the hub has this one so."


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A model in the hub's cache that was read and found whole."""

    path: Path
    commit: str
    """The commit that it belongs to, in full."""


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


def fetch_model(repository: Repository) -> Arrived:
    """
    Bring a model to the hub's cache, or find it there, and read all of it.

    Without a network, or with HF_HUB_OFFLINE, a model that is in the cache is found.

    Raises:
        CheckpointError: What arrived is not a model of ours, or damaged.
        MissingError: There is no such repository, revision or file.
        AccessError: The hub wants a login, or refuses the one it has.
        UnavailableError: No connection, no client, or a server that fails.
        StorageError: The disk is full or fails.
    """
    there = fetch_file(repository, MODEL_FILE, cap=SIZE_CAP)
    try:
        load_checkpoint(there.path)
    except CheckpointError as error:
        named = f"{MODEL_FILE} of {repository} (commit {there.commit[:12]})"
        problem = error.problem.replace(str(there.path), named)
        remedy = ANOTHER if error.remedy == COPY_AGAIN else error.remedy
        raise _refused(there, problem, remedy) from error
    return Arrived(path=there.path, commit=there.commit)


def pull(repository: Repository, folder: Path | None = None) -> Pulled:
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
    arrived = fetch_model(repository)
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


def _text(repository: Repository, name: str) -> bytes | None:
    """The settings or the card, if there are any and they are what they should be."""
    try:
        there = fetch_file(repository, name, cap=TEXT_CAP)
    except MissingError:
        return None
    data = there.path.read_bytes()
    try:
        text = data.decode("utf-8")
        if name == SETTINGS_FILE and not isinstance(parse(text), dict):
            raise ValueError("not an object of settings")
    except ValueError as error:
        problem = f"{name} of {repository} is damaged ({error})."
        raise _refused(there, problem, ANOTHER) from error
    return data


def _refused(there: Fetched, problem: str, remedy: str) -> CheckpointError:
    """The error about a file that is no good; *remedy* if the hub has it so."""
    is_damaged = there.is_damaged()
    if is_damaged or there.is_new:
        there.drop()
    return CheckpointError(problem, AGAIN if is_damaged else remedy)


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
