"""What a run reports: frozen records, in the order in which they happen."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.signals import StopReason


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """A run that was stopped continues; only the user is told, not the metrics."""

    step: int
    progress: float
    """Share of the budget that is used, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDone:
    """One or more steps since the last record: the loss is their sum."""

    step: int
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
class StepSkipped:
    """A window was read but not learned from: its loss or gradient was not finite."""

    step: int
    in_a_row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SetBack:
    """Training diverged; it continues from the last saved state at half the rate."""

    step: int
    """The step of that state."""
    from_step: int
    """The step at which training diverged."""
    learning_rate: float
    """The highest rate from now on."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned:
    """Training continues, but the user should know; not in the metrics."""

    step: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """The held-out text was read, or a fixed sample of it."""

    step: int
    progress: float
    loss: Loss
    best: bool
    """No earlier evaluation of this run was lower."""
    final: bool = False
    """The whole held-out text by the best model, after the last step."""
    elapsed_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibrated:
    """The logits of the best model were divided by the temperature of least loss."""

    step: int
    temperature: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """A line that the model generates at this step."""

    step: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A file is on disk, whole."""

    step: int
    path: Path
    what: Literal["model", "state"]
    asked: bool = False
    """By a signal, not by the clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """The run is over, or was asked to pause."""

    step: int
    reason: StopReason
    epochs: float
    elapsed_s: float
    characters: int


Event = (
    Resumed
    | StepDone
    | StepSkipped
    | SetBack
    | Warned
    | Evaluated
    | Calibrated
    | Sampled
    | Saved
    | Stopped
)


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
