"""What a run tells while it goes on: frozen records, in the order they happen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.signals import StopReason


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
    """A window was read and not learned from: its loss or gradient was no number."""

    step: int
    in_a_row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SetBack:
    """Training ran away; it goes on from the last good state at half the rate."""

    step: int
    """Where it goes on."""
    from_step: int
    """Where it ran away."""
    learning_rate: float
    """The highest rate from now on."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned:
    """Something is wrong, and training goes on."""

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
    """The logits of the best model were divided by what loses least on other text."""

    step: int
    temperature: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """A line that the model writes at present."""

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
    StepDone
    | StepSkipped
    | SetBack
    | Warned
    | Evaluated
    | Calibrated
    | Sampled
    | Saved
    | Stopped
)
