"""The directory of a run: its model, its state for going on, its log, its lock."""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from lstm_textgen.checkpoint.container import Kind, pack
from lstm_textgen.checkpoint.durable import translated_errors, write_durably
from lstm_textgen.checkpoint.format import Checkpoint, save_checkpoint
from lstm_textgen.checkpoint.opening import open_file
from lstm_textgen.checkpoint.plain_json import parse
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.errors import (
    BusyError,
    CheckpointError,
    MissingError,
    OutputError,
    SettingsFileError,
    StorageError,
)

STATE = Kind(
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
        """Everything that going on needs."""
        return self.path / "state.safetensors"

    @property
    def previous_state_path(self) -> Path:
        """The state before that one, in case that one is damaged."""
        return self.path / "state.previous.safetensors"

    @property
    def metrics_path(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def settings_path(self) -> Path:
        """The settings of the run, which make a folder a run."""
        return self.path / "run.json"

    @classmethod
    def create(cls, path: Path, settings: dict[str, Any]) -> "RunDirectory":
        """
        Make the folder of a new run, and its parents.

        Args:
            path: Not there yet, or a folder with nothing but hidden files.
            settings: Plain JSON, as resolved.

        Raises:
            OutputError: Something is there already, or it cannot be created.
            StorageError: The disk is full or fails.
        """
        if os.path.lexists(path) and not path.is_dir():
            problem = f"{path} is a file, and a run needs a folder."
            raise OutputError(problem, "Choose another name with -o.")
        with translated_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            there = sorted(p.name for p in path.iterdir() if p.name[0] != ".")
        if there:
            more = f" and {len(there) - 3} more" if len(there) > 3 else ""
            raise OutputError(
                f"{path} is not empty: it holds {', '.join(there[:3])}{more}.",
                "Go on with that run by --resume, or choose another name with -o.",
            )
        run = cls(path)
        text = json.dumps(settings, indent=2, allow_nan=False)
        write_durably(run.settings_path, text.encode("ascii") + b"\n")
        return run

    def settings(self) -> dict[str, Any]:
        """
        The settings that `create` was given.

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
        Keep other processes out for as long as this lasts.

        The system drops the lock when the process dies, however that happens. What
        a killed process was writing is deleted by the next one that locks.

        Raises:
            BusyError: Another run works here.
            OutputError: The folder may not be written to.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        holder = self.path / ".lock.pid"  # apart: filelock may empty its own file
        with translated_errors(self.path / ".lock"):
            try:
                lock.acquire()
            except Timeout as error:
                raise BusyError(
                    f"{self.path} is in use by {_named(holder)}.",
                    "Wait until it is done or stop it, or choose another name with -o.",
                ) from error
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

    def save_model(self, checkpoint: Checkpoint) -> None:
        """Put *checkpoint* in the place of the best model; see `save_checkpoint`."""
        save_checkpoint(self.model_path, checkpoint)

    def save_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """
        Keep what going on needs, and the state before it.

        At every moment one of the two files on disk is whole.

        Args:
            tensors: Of types F32, BF16, F64, I64 and U8; names are free.
            progress: Plain JSON, finite.

        Raises:
            CheckpointError: The state is larger than what would be read again.
            OutputError: The folder may not be written to.
            StorageError: The disk is full or fails.
        """
        data = pack(tensors, STATE, progress)
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

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any], bool] | None:
        """
        Read what `save_state` kept.

        Returns:
            The tensors, the progress, and whether they are those of the state
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

    def append_metrics(self, records: Iterable[dict[str, Any]]) -> None:
        """
        Add a line for each record; numbers that are not finite become null.

        Raises:
            OutputError: The file may not be written to.
            StorageError: The disk is full or fails.
        """
        lines = [json.dumps(_finite(record), allow_nan=False) for record in records]
        text = "".join(f"{line}\n" for line in lines)
        with translated_errors(self.metrics_path), self.metrics_path.open("ab") as file:
            file.write(text.encode("ascii"))

    def truncate_metrics(self, step: int) -> None:
        """
        Forget what was logged after *step*, so that going on logs nothing twice.

        Lines that are no JSON objects go too: a crash may have torn one.
        """
        path = self.metrics_path
        with translated_errors(path), contextlib.suppress(FileNotFoundError):
            lines = path.read_bytes().splitlines(keepends=True)
            write_durably(path, [line for line in lines if _keeps(line, step)])


def _keep(path: Path, name: Path) -> None:
    """Give a file, if it is there, a second name that outlives a new file's coming."""
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


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _keeps(line: bytes, step: int) -> bool:
    """Whether a line of the log is whole and not from after *step*."""
    if not line.endswith(b"\n"):
        return False
    try:
        record = parse(line.decode("utf-8"))
    except ValueError:
        return False
    at = record.get("step", 0) if isinstance(record, dict) else math.inf
    return isinstance(at, int | float) and at <= step
