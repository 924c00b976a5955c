"""The directory of a run: its model, its state for resuming, its log, its lock."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from lstm_textgen.checkpoint.container import Array, ContainerKind, pack
from lstm_textgen.checkpoint.format import Checkpoint, save_checkpoint
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.errors import (
    BusyError,
    CheckpointError,
    MissingError,
    OutputError,
    SettingsFileError,
    StorageError,
)
from lstm_textgen.files import (
    acquire_lock,
    is_there,
    open_file,
    translated_errors,
    write_durably,
)
from lstm_textgen.strict_json import parse

STATE = ContainerKind(
    key="lstm_textgen_state",
    dtypes=("F32", "BF16", "F64", "I64", "U8"),
    tensor_cap=4096,
    size_cap=8 * 2**30,
)

SETTINGS_CAP = 2**20
"""Bytes of the largest settings file that is read."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where a run keeps its files. A value: nothing is read until it is asked for."""

    path: Path

    @property
    def model_path(self) -> Path:
        """The best model so far. It loads at any time."""
        return self.path / "model.safetensors"

    @property
    def state_path(self) -> Path:
        """Everything needed to resume."""
        return self.path / "state.safetensors"

    @property
    def previous_state_path(self) -> Path:
        """The previous state, in case the newest is damaged."""
        return self.path / "state.previous.safetensors"

    @property
    def metrics_path(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def settings_path(self) -> Path:
        """The settings of the run, which make a folder a run."""
        return self.path / "run.json"

    def begin(self, settings: dict[str, Any]) -> None:
        """
        Make the folder a new run; call it while the lock is held.

        Args:
            settings: Plain JSON, as resolved.

        Raises:
            OutputError: Something but hidden files is there already.
            StorageError: The disk is full or fails.
        """
        with translated_errors(self.path):
            there = sorted(p.name for p in self.path.iterdir() if p.name[0] != ".")
        if there:
            more = f" and {len(there) - 3} more" if len(there) > 3 else ""
            raise OutputError(
                f"{self.path} is not empty: it holds {', '.join(there[:3])}{more}.",
                "Go on with that run by --resume, or choose another name with -o.",
            )
        self.save_settings(settings)

    def save_settings(self, settings: dict[str, Any]) -> None:
        """
        Write down, or write anew, what the run is.

        Raises:
            OutputError: The folder may not be written to.
            StorageError: The disk is full or fails.
        """
        text = json.dumps(settings, indent=2, allow_nan=False)
        write_durably(self.settings_path, text.encode("ascii") + b"\n")

    def settings(self) -> dict[str, Any]:
        """
        The settings that `begin` was given.

        Raises:
            MissingError: This is no run.
            SettingsFileError: The file is damaged.
        """
        path = self.settings_path
        try:
            with open_file(path) as file:
                text = file.read(SETTINGS_CAP)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = getattr(error, "strerror", None) or str(error)
            raise MissingError(
                f"{self.path} is not the folder of a run: no {path.name} can be read "
                f"there ({reason}).",
                "Check the name, or start a new run without --resume.",
            ) from error
        try:
            settings = parse(text.decode("utf-8"))
            if not isinstance(settings, dict):
                raise ValueError("not an object of settings")
        except ValueError as error:
            raise SettingsFileError(
                f"{path} is damaged ({error}).",
                "Restore it from a copy, or start a new run with -o.",
            ) from error
        return settings

    @contextmanager
    def lock(self) -> Iterator[None]:
        """
        Keep other processes out for as long as this lasts; make the folder if need be.

        What a killed process was writing is deleted by the next one that locks.

        Raises:
            BusyError: Another run works here.
            OutputError: The folder cannot be made, or may not be written to.
        """
        holder = self.path / ".lock.pid"  # filelock may empty its own file
        with translated_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = self._locked()
        try:
            with translated_errors(holder):
                for stale in self.path.glob(".*.part"):  # a killed run was writing it
                    stale.unlink()
                holder.write_text(str(os.getpid()), encoding="ascii")
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink()
            lock.release()

    def check_idle(self) -> None:
        """
        See that nobody works here, without leaving a trace.

        Raises:
            BusyError: Another run works here.
            OutputError: The folder may not be written to, or its name cannot be.
        """
        if is_there(self.path) and is_there(self.path / ".lock"):
            self._locked().release()

    def _locked(self) -> FileLock:
        with translated_errors(self.path / ".lock"):
            lock = acquire_lock(self.path / ".lock")
        if lock is None:
            raise BusyError(
                f"{self.path} is in use by {_named(self.path / '.lock.pid')}.",
                "Wait until it is done or stop it, or choose another name with -o.",
            )
        return lock

    def save_model(self, checkpoint: Checkpoint) -> None:
        """Put *checkpoint* in the place of the best model; see `save_checkpoint`."""
        save_checkpoint(self.model_path, checkpoint)

    def save_state(self, tensors: dict[str, Array], metadata: dict[str, Any]) -> None:
        """
        Save the state; keep the previous one.

        At every moment one of the two files on disk is whole.

        Args:
            tensors: Of types F32, BF16, F64, I64 and U8; names are free.
            metadata: Plain JSON, finite.

        Raises:
            CheckpointError: The state is larger than what would be read again.
            OutputError: The folder may not be written to.
            StorageError: The disk is full or fails.
        """
        data = pack(tensors, STATE, metadata)
        kept = self.path / ".state.previous.part"
        with translated_errors(self.state_path):
            try:
                _keep(self.state_path, kept)
                write_durably(self.state_path, data)
                if kept.exists():
                    os.replace(kept, self.previous_state_path)
            except BaseException:
                kept.unlink(missing_ok=True)
                raise

    def load_state(self) -> tuple[dict[str, Array], dict[str, Any], bool] | None:
        """
        Read what `save_state` kept.

        Returns:
            The tensors, the metadata, and whether they are those of the state
            before, because the newest is damaged or gone. None if there is none.

        Raises:
            CheckpointError: No state is whole.
            StorageError: The disk fails.
        """
        paths = self.state_path, self.previous_state_path
        # not Path.exists: it raises where a name is too long or a folder is closed
        there = [path for path in paths if os.path.exists(path)]
        for path in there:
            try:
                with open_container(path, STATE) as container:
                    tensors = container.read_tensors()
                return tensors, container.metadata, path != self.state_path
            except (CheckpointError, StorageError):
                if path == there[-1]:
                    raise
        return None


def _keep(path: Path, name: Path) -> None:
    """Give a file, if any, a second name, so that it survives being replaced."""
    name.unlink(missing_ok=True)
    if not path.exists():
        return
    try:
        os.link(path, name)
    except OSError:  # a file system that knows no second names
        shutil.copyfile(path, name)


def _named(holder: Path) -> str:
    """Who holds a lock, as far as that is known."""
    with contextlib.suppress(OSError, ValueError):
        return f"process {int(holder.read_text(encoding='ascii'))}"
    return "another process"
