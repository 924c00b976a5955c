"""
Ids to ids: read a prompt, then draw one character after the other. Knows no text.

Shapes: N samples, V vocabulary.

Fair draws that can be repeated: random numbers by seed, sample and place.

Shapes: N samples, V vocabulary.

What was written last, in memory that does not grow.

Shapes: N samples, K characters of history.

What is drawn next: chain, automaton, history and dice of some samples together.

Shapes: N samples, V vocabulary.

Beam search: the likeliest text instead of a drawn one.

Shapes: W hypotheses, V vocabulary.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, Integer
from numpy import ndarray
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.backend import Backend, Memory
from lstm_textgen.sampling.constraints import Automaton
from lstm_textgen.sampling.transforms import (
    Context,
    first_limits,
    make_chain,
    needs_history,
    next_limits,
    only_temperature,
)

PROMPT_WINDOW = 1024
"""Characters of a prompt that are read at a time: memory, not meaning."""

RECENT = 65536
"""Characters of a prompt that are kept for penalties: the widest window of theirs."""

ONE = range(1)

LONGEST_BLOCK = 64
"""Characters that machine code draws at a time: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """What reading a prompt leaves behind: all that it takes to go on."""

    logits: Float[Tensor, "1 V"]
    memory: Memory
    recent: Integer[np.ndarray, " R"]
    """The end of the prompt, for penalties on what was written lately."""


@dataclass(frozen=True, slots=True)
class DrawnId:
    """One character of one sample."""

    id: int
    nats: float
    """What the model itself, before all transforms, would have paid for it."""

    alternatives: tuple[tuple[int, float], ...] = ()
    """The likeliest characters here and their probabilities, by the model itself."""


@torch.inference_mode()
def read_prompt(
    stepper: Backend,
    chunks: Iterable[Integer[np.ndarray, "_"]],
    before: ReadPrompt | None = None,
) -> ReadPrompt:
    """
    Read a prompt of any length in windows.

    Args:
        stepper: What reads it.
        chunks: The ids, in as many parts as it pleases; at least 1 in all, unless
            something was read before.
        before: What was read before; None for nothing.
    """
    memory = stepper.empty() if before is None else before.memory
    logits = None if before is None else before.logits
    recent = None if before is None else before.recent
    for chunk in chunks:
        for start in range(0, len(chunk), PROMPT_WINDOW):
            window = chunk[start : start + PROMPT_WINDOW]
            seen = torch.from_numpy(window.astype(np.int64))
            logits, memory = stepper.read(seen, memory)
            known = [window] if recent is None else [recent, window]
            recent = np.concatenate(known)[-RECENT:]
    assert logits is not None, "nothing was read"
    assert recent is not None, "nothing was read"
    return ReadPrompt(logits, memory, recent)


@torch.inference_mode()
def generate(
    stepper: Backend,
    beginning: ReadPrompt,
    config: SampleConfig,
    *,
    samples: Sequence[int] = ONE,
    length: int = 0,
    automaton: Automaton | None = None,
    alternatives: int = 0,
) -> Iterator[list[DrawnId | None]]:
    """
    Draw characters without end.

    Args:
        stepper: What writes.
        beginning: What was read; it is not changed.
        config: How to draw.
        samples: Which samples of the seed to draw side by side. Sample n is the same
            text, whichever are drawn with it, up to the rounding of a batched matrix
            product.
        length: Characters of a whole sample: over these the temperature goes from
            its first value to its last, and in these a pattern must fit.
        automaton: What may be written; None for anything.
        alternatives: How many of the likeliest characters to tell beside each.

    Yields:
        The next character of every sample; None for one that has come to an end,
        because the automaton lets nothing follow.
    """
    count = len(samples)
    heat = only_temperature(config)
    write = getattr(stepper, "write", None)
    if write and heat and count == 1 and not (automaton or alternatives):
        yield from _in_blocks(
            write, beginning, heat, UniformStream(config.seed, samples[0])
        )
        return
    picker = Sampler(
        *(config, samples, beginning.recent), length=length, automaton=automaton
    )
    memory = beginning.memory.select(torch.zeros(count, dtype=torch.int64))
    logits = beginning.logits.expand(count, -1)
    while True:
        ids, going = picker.pick(logits.cpu())
        costs = -logits.log_softmax(dim=-1)
        nats = costs.gather(-1, ids.to(costs.device).unsqueeze(-1)).squeeze(-1).cpu()
        picker.weigh(nats)
        told = _likeliest(costs, alternatives) if alternatives else [()] * count
        drawn = map(DrawnId, ids.tolist(), nats.tolist(), told)
        if going is None:
            yield list(drawn)
        else:
            here = going.tolist()
            yield [each if on else None for each, on in zip(drawn, here, strict=True)]
            if not any(here):
                return
        logits, memory = stepper.step(ids, memory)


class UniformStream:
    """
    The random numbers of one sample, the same wherever and with whom it is drawn.

    Number n depends on the seed, the sample and n alone: a counter-based generator
    keyed by seed and sample.

    Args:
        seed: 0 to 2^63 - 1.
        sample: Which sample of that seed, 0 or more.

    Source:
        Salmon et al. (2011), Parallel Random Numbers: As Easy as 1, 2, 3.
    """

    BLOCK = 256

    def __init__(self, seed: int, sample: int = 0) -> None:
        key = np.array([seed, sample], dtype=np.uint64)
        self._generator = np.random.Generator(np.random.Philox(key=key))
        self._block: list[float] = []

    def roll(self) -> float:
        """The next number, at least 0 and below 1."""
        if not self._block:  # many at once, because one call costs a microsecond
            self._block = self._generator.random(self.BLOCK).tolist()[::-1]
        return self._block.pop()


def _in_blocks(
    write: Callable[..., Any],
    beginning: ReadPrompt,
    temperature: float,
    dice: UniformStream,
) -> Iterator[list[DrawnId | None]]:
    """Let a stepper that can draw do so, in blocks that grow with the text."""
    logits, memory, size = beginning.logits, beginning.memory, 1
    while True:
        rolls = np.array([dice.roll() for _ in range(size)])
        ids, nats, logits, memory = write(logits, memory, rolls, temperature)
        for id, paid in zip(ids, nats, strict=True):
            yield [DrawnId(id, paid)]
        size = min(2 * size, LONGEST_BLOCK)


def _likeliest(
    costs: Float[Tensor, "N V"], count: int
) -> list[tuple[tuple[int, float], ...]]:
    """Ids and probabilities of the *count* likeliest of every row."""
    nats, ids = costs.topk(min(count, costs.shape[-1]), dim=-1, largest=False)
    rows = zip(ids.tolist(), nats.neg().exp().tolist(), strict=True)
    return [tuple(zip(*row, strict=True)) for row in rows]


def draw_ids(
    logits: Float[Tensor, "N V"], uniforms: Float64[Tensor, " N"]
) -> Int64[Tensor, " N"]:
    """
    Draw one character per row by inverting the cumulative distribution.

    Args:
        logits: After all transforms; at least one per row is finite.
        uniforms: One number per row, at least 0 and below 1.

    Returns:
        Ids, each with a probability above 0.
    """
    probs = logits.double().softmax(dim=-1)
    mass = probs.cumsum(dim=-1)
    # of the total that was reached, not of 1: rounding must not pass the last one
    targets = uniforms.unsqueeze(-1) * mass[:, -1:]
    return torch.searchsorted(mass, targets, right=True).squeeze(-1)


class History:
    """
    The last characters of some samples that began alike.

    Args:
        recent: The end of what they have in common, the newest last.
        samples: N.
        window: The most characters to look back, 1 or more.
    """

    def __init__(
        self, recent: Integer[ndarray, " R"], samples: int, window: int
    ) -> None:
        known = torch.as_tensor(recent[-window:].astype("int64"))
        # twice as long as needed, so that it is moved to the front once in a while
        self._ids = torch.zeros(samples, 2 * window, dtype=torch.int64)
        self._ids[:, : len(known)] = known
        self._window, self._end = window, len(known)

    @property
    def last(self) -> Int64[Tensor, "N K"]:
        """The newest last; K grows up to the window."""
        return self._ids[:, max(self._end - self._window, 0) : self._end]

    def add(self, ids: Int64[Tensor, " N"]) -> None:
        """One more character of every sample."""
        if self._end == self._ids.shape[1]:
            self._ids[:, : self._window] = self._ids[:, -self._window :].clone()
            self._end = self._window
        self._ids[:, self._end] = ids
        self._end += 1


NOTHING = torch.zeros(0, dtype=torch.int64)


class Sampler:
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
        self._dice = [UniformStream(config.seed, sample) for sample in samples]
        self._history = (
            History(recent, count, config.penalty_window)
            if needs_history(config)
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
        ids = draw_ids(logits, torch.tensor(rolls, dtype=torch.float64))
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

    def _moment(self, count: int) -> Context:
        steps = max(self._length - 1, 1)
        history = (
            NOTHING.expand(count, 0) if self._history is None else self._history.last
        )
        return Context(history, min(self._picked / steps, 1.0), self._limits)

    def _remember(self, ids: Int64[Tensor, " N"]) -> None:
        self._picked += 1
        if self._history is not None:
            self._history.add(ids)
        if self._automaton is not None:
            self._states = self._automaton.advance(self._states, ids)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that was found, and what it costs."""

    ids: tuple[int, ...]
    costs: tuple[float, ...]
    """Nats of each character."""

    def score(self, power: float) -> float:
        """Nats divided by the length to this power: the lower the better."""
        divisor: float = max(len(self.ids), 1) ** power
        return sum(self.costs) / divisor


@torch.inference_mode()
def beam_search(
    stepper: Backend,
    beginning: ReadPrompt,
    *,
    width: int,
    length: int,
    power: float = 1.0,
    automaton: Automaton | None = None,
    is_whole: Callable[[Sequence[int]], bool] = lambda ids: False,
) -> Hypothesis:
    """
    Keep the *width* likeliest beginnings while they grow, and take the best text.

    Args:
        stepper: What weighs the characters.
        beginning: What was read before.
        width: Hypotheses to keep, 1 or more. With 1 this is greedy, with as many as
            there are texts it is exhaustive.
        length: Characters of a text at most, 1 or more.
        power: Whole texts of different lengths are compared by their nats divided
            by their length to this power. 1 compares means, 0 prefers short texts.
        automaton: What may be written; None for anything.
        is_whole: Whether a text ends here.

    Source:
        Lowerre (1976), The Harpy Speech Recognition System, chapter 2. The
        normalisation: Wu et al. (2016), Google's Neural Machine Translation System,
        section 7. https://arxiv.org/abs/1609.08144
    """
    whole: list[Hypothesis] = []
    alive = [Hypothesis((), ())]
    states = None if automaton is None else torch.tensor([automaton.start])
    memory, logits = beginning.memory, beginning.logits
    for left in range(length, 0, -1):
        costs = -logits.double().log_softmax(dim=-1).cpu()
        if automaton is not None and states is not None:
            allowed = automaton.allowed(states, left)
            whole += _matching(alive, automaton, states)
            costs = costs.masked_fill(~allowed, torch.inf)
        parents, ids = _most_likely_ids(alive, costs, width)
        grown = [
            Hypothesis((*alive[p].ids, i), (*alive[p].costs, costs[p, i].item()))
            for p, i in zip(parents, ids, strict=True)
        ]
        ended = [left == 1 or is_whole(each.ids) for each in grown]
        whole += [each for each, end in zip(grown, ended, strict=True) if end]
        kept = [place for place, end in enumerate(ended) if not end]
        if not kept:
            break
        alive = [grown[place] for place in kept]
        parent = torch.tensor([parents[place] for place in kept])
        newest = torch.tensor([ids[place] for place in kept])
        if automaton is not None and states is not None:
            states = automaton.advance(states[parent], newest)
        logits, memory = stepper.step(newest, memory.select(parent))
    nothing = Hypothesis((), ())
    return min(whole, key=lambda each: each.score(power), default=nothing)


def _most_likely_ids(
    alive: list[Hypothesis], costs: Float[Tensor, "W V"], width: int
) -> tuple[list[int], list[int]]:
    """The *width* cheapest ways to go on: which hypothesis, and by which id."""
    paid = torch.tensor([[sum(each.costs)] for each in alive], dtype=costs.dtype)
    totals = (paid + costs).flatten()
    best, places = totals.topk(min(width, len(totals)), largest=False)
    possible = places[best.isfinite()]
    vocabulary = costs.shape[1]
    return (possible // vocabulary).tolist(), (possible % vocabulary).tolist()


def _matching(
    alive: list[Hypothesis], automaton: Automaton, states: Int64[Tensor, " W"]
) -> list[Hypothesis]:
    """Those that match as they are: whole texts, whether or not they can go on."""
    ends = (automaton.distance[states] == 0).tolist()
    return [each for each, end in zip(alive, ends, strict=True) if end and each.ids]
