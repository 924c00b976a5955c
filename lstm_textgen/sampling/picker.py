"""
What is drawn next: chain, automaton, history and dice of some samples together.

Shapes: N samples, V vocabulary.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64, Integer
from numpy import ndarray
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.automaton import Automaton
from lstm_textgen.sampling.chain import Moment, looks_back, make_chain
from lstm_textgen.sampling.dice import Dice, draw
from lstm_textgen.sampling.history import History
from lstm_textgen.sampling.mirostat import first_limits, next_limits

NOTHING = torch.zeros(0, dtype=torch.int64)


class Picker:
    """
    Picks the next character of N samples, and remembers what that depends on.

    Args:
        config: How to draw.
        samples: Which samples of the seed these are.
        recent: The end of the prompt, the newest last.
        length: Characters of a whole sample.
        automaton: What may be written; None for anything.
    """

    def __init__(
        self,
        config: SampleConfig,
        samples: Sequence[int],
        recent: Integer[ndarray, " R"],
        *,
        length: int,
        automaton: Automaton | None,
    ) -> None:
        count = len(samples)
        self._config, self._length = config, length
        self._chain = make_chain(config)
        self._dice = [Dice(config.seed, sample) for sample in samples]
        self._history = (
            History(recent, count, config.penalty_window)
            if looks_back(config)
            else None
        )
        self._limits = first_limits(count, config.mirostat)
        self._automaton = automaton
        if automaton is not None:
            self._states = torch.full((count,), automaton.start)
        self._picked = 0

    def pick(
        self, logits: Float[Tensor, "N V"]
    ) -> tuple[Int64[Tensor, " N"], Bool[Tensor, " N"] | None]:
        """
        The next character of every sample.

        Args:
            logits: What the model thinks, on the CPU.

        Returns:
            Ids, and which samples go on; None for all. A sample that has come to
            its end has an id without a meaning.
        """
        going = None
        if self._automaton is not None:
            allowed = self._automaton.allowed(self._states, self._left())
            going = allowed.any(dim=-1)
            allowed |= ~going.unsqueeze(-1)  # or there would be nothing to draw
            logits = logits.masked_fill(~allowed, -torch.inf)
        moment = self._moment(len(self._dice))
        for link in self._chain:
            logits = link.act(logits, moment)
        rolls = [die.roll() for die in self._dice]
        ids = draw(logits, torch.tensor(rolls, dtype=torch.float64))
        self._remember(ids)
        return ids, going

    def weigh(self, nats: Float[Tensor, " N"]) -> None:
        """Hear what the model would have paid for what was picked."""
        if self._config.mirostat:
            self._limits = next_limits(
                self._limits,
                nats.double(),
                target=self._config.mirostat,
                rate=self._config.mirostat_rate,
            )

    def _left(self) -> int:
        """Characters that may still be written."""
        return self._length - self._picked

    def _moment(self, count: int) -> Moment:
        steps = max(self._length - 1, 1)
        history = (
            NOTHING.expand(count, 0) if self._history is None else self._history.last
        )
        return Moment(history, min(self._picked / steps, 1.0), self._limits)

    def _remember(self, ids: Int64[Tensor, " N"]) -> None:
        self._picked += 1
        if self._history is not None:
            self._history.add(ids)
        if self._automaton is not None:
            self._states = self._automaton.advance(self._states, ids)
