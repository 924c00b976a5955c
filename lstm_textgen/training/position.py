"""Where a run is."""

from dataclasses import dataclass, replace

from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.signals import StopReason
from lstm_textgen.training.schedule import end_of_text_at, windows_ahead


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a run is: with weights, moments, memory and noise all that resume needs."""

    step: int = 0
    epoch: int = 0
    tick: int = 0
    end_at: float | None = None
    """When in this epoch the end of the text is read, as for `Streams.window_at`."""
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

    def after_window(
        self, characters: int, *, progress: float, applied: bool, ticks: int
    ) -> "Position":
        """
        A step later.

        Args:
            characters: Of the window.
            progress: Share of the budget that was used before it.
            applied: Whether the weights have learned from it.
            ticks: Windows of an epoch.
        """
        last = self.tick + 1 == ticks
        began = progress if self.began is None else self.began
        ahead = windows_ahead(self.epoch * ticks + self.tick, began, progress) - 1
        return replace(
            self,
            step=self.step + 1,
            began=began,
            epoch=self.epoch + last,
            tick=0 if last else self.tick + 1,
            end_at=end_of_text_at(max(0.0, ahead / ticks)) if last else self.end_at,
            characters=self.characters + characters,
            skipped=0 if applied else self.skipped + 1,
        )

    def after_look(self, loss: Loss, progress: float) -> tuple["Position", bool]:
        """
        The best loss is kept, and one of no characters is none.

        Returns:
            The position, and whether no earlier loss was as low.
        """
        best = self.best_nats_per_char
        if best is not None and loss.nats_per_char >= best:
            return self, False
        if not loss.characters:
            return self, True
        nats = loss.nats_per_char
        return replace(self, best_nats_per_char=nats, best_progress=progress), True
