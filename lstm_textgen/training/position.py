"""Where a run is."""

from dataclasses import dataclass

from lstm_textgen.training.events import StopReason


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a run is: with weights, moments, memory and noise all that resume needs."""

    step: int = 0
    epoch: int = 0
    tick: int = 0
    characters: int = 0
    evaluations: int = 0
    best_nats_per_char: float | None = None
    best_progress: float = 0.0
    spent_s: float = 0.0
    began: float | None = None
    """Progress at the first step: start-up is part of a budget in minutes, and of
    no schedule."""
    skipped: int = 0
    """Steps in a row, up to now, whose loss or gradient was no number."""
    setbacks: int = 0
    """Times that the run ran away and went back; each halves the learning rate."""
    over: StopReason | None = None
    """Why the run has ended, once its last evaluation is made."""
    final_nats: float | None = None
    """Of all held-out text, once the best model is judged: nothing is left to do."""
    final_characters: int = 0
    """How many characters these nats are the sum over."""
