"""What a run reports: frozen records, in the order in which they happen."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.signals import StopReason


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened in a run."""

    step: int
    """Windows that were read up to then; of a `SetBack`, up to where it continues."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed(Event):
    """A run that was stopped continues; only the user is told, not the metrics."""

    progress: float
    """Share of the budget that is used, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDone(Event):
    """One or more steps since the last record: the loss is their sum."""

    epoch: int
    progress: float
    """Share of the budget that is used, 0 to 1."""
    loss: Loss
    learning_rate: float
    gradient_norm: float
    """Global norm at the last step, before clipping."""
    elapsed_s: float
    characters_per_second: float
    """Since the last record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSkipped(Event):
    """A window was read but not learned from: its loss or gradient was not finite."""

    in_a_row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SetBack(Event):
    """Training diverged; it continues from the last saved state at half the rate."""

    from_step: int
    """The step at which training diverged."""
    learning_rate: float
    """The highest rate from now on."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned(Event):
    """Training continues, but the user should know; not in the metrics."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated(Event):
    """The held-out text was read, or a fixed sample of it."""

    progress: float
    loss: Loss
    best: bool
    """No earlier evaluation of this run was lower."""
    final: bool = False
    """The whole held-out text by the best model, after the last step."""
    elapsed_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrated(Event):
    """The logits of the best model were divided by the temperature of least loss."""

    temperature: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled(Event):
    """A line that the model generates at this step."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved(Event):
    """A file is on disk, whole."""

    path: Path
    what: Literal["model", "state"]
    asked: bool = False
    """By a signal, not by the clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped(Event):
    """The run is over, or was asked to pause."""

    reason: StopReason
    epochs: float
    elapsed_s: float
    characters: int


def to_record(event: Event) -> dict[str, Any]:
    """An event as a line of the metrics: its name and fields, no folder names."""
    record: dict[str, Any] = {"event": type(event).__name__}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Loss):
            record["nats_per_char"] = value.nats_per_char
            record["characters"] = value.characters
        elif isinstance(value, Path):
            record[field.name] = value.name
        else:
            record[field.name] = value
    return record
