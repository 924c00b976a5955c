"""
Ids to ids: read a prompt, then draw or search what follows. Knows no text.

Shapes: N samples, V vocabulary, R recent characters of a prompt, K characters of
history, W hypotheses of a beam.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, Integer
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.backend import Backend, BlockBackend, State
from lstm_textgen.sampling.constraints import Automaton
from lstm_textgen.sampling.transforms import (
    Context,
    active,
    first_limits,
    needs_history,
    next_limits,
    only_temperature,
)

PROMPT_WINDOW = 1024
"""Characters of a prompt that are read at a time. This only bounds memory."""

MAX_RECENT = 65536
"""Characters of a prompt that are kept for the penalties: their widest window."""

MAX_BLOCK = 64
"""Characters that a block backend draws at a time: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class ReadPrompt(Generic[State]):
    """A prompt that was read: all that it takes to continue it, any number of times."""

    logits: Float[Tensor, "1 V"]
    state: State
    recent: Integer[np.ndarray, " R"]
    """The end of the prompt, for the penalties."""


@dataclass(frozen=True, slots=True)
class DrawnId:
    """One character of one sample."""

    id: int
    nats: float
    """Its surprise under the model itself, before all transforms."""

    alternatives: tuple[tuple[int, float], ...] = ()
    """The most likely characters here and their probabilities, by the model itself."""


@torch.inference_mode()
def read_prompt(
    backend: Backend[State],
    chunks: Iterable[Integer[np.ndarray, "_"]],
    before: ReadPrompt[State] | None = None,
) -> ReadPrompt[State]:
    """
    Read a prompt of any length in windows.

    Args:
        backend: What reads it.
        chunks: The ids in any number of parts; at least 1 in all, unless something
            was read before.
        before: What was read before; None for nothing.
    """
    state = backend.initial() if before is None else before.state
    logits = None if before is None else before.logits
    recent = np.empty(0, np.uint8) if before is None else before.recent
    for chunk in chunks:
        for start in range(0, len(chunk), PROMPT_WINDOW):
            window = chunk[start : start + PROMPT_WINDOW].astype(np.int64)
            logits, state = backend.read(torch.from_numpy(window), state)
        recent = np.concatenate([recent, chunk])[-MAX_RECENT:]
    assert logits is not None, "nothing was read"
    return ReadPrompt(logits, state, recent)


@torch.inference_mode()
def generate(
    backend: Backend[State],
    prompt: ReadPrompt[State],
    config: SampleConfig,
    *,
    samples: Sequence[int] = (0,),
    length: int = 0,
    automaton: Automaton | None = None,
    alternatives: int = 0,
) -> Iterator[list[DrawnId | None]]:
    """
    Draw characters without end.

    Args:
        backend: What computes the logits.
        prompt: What was read before; it is not changed.
        config: How to draw.
        samples: Which samples of the seed to draw side by side. Sample n is the same
            text, whichever are drawn with it, up to the rounding of a batched matrix
            product.
        length: Characters of a whole sample: the temperature is interpolated over
            them, and a pattern must fit into them.
        automaton: What may be written; None for anything.
        alternatives: How many of the most likely characters to list beside each.

    Yields:
        The next character of every sample; None for one that has come to an end,
        because the automaton lets nothing follow.
    """
    count = len(samples)
    temperature = only_temperature(config)
    unconstrained = automaton is None and not alternatives
    if (
        isinstance(backend, BlockBackend)
        and temperature
        and count == 1
        and unconstrained
    ):
        uniforms = UniformStream(config.seed, samples[0])
        yield from _draw_in_blocks(backend, prompt, temperature, uniforms)
        return
    sampler = Sampler(
        config, samples, prompt.recent, length=length, automaton=automaton
    )
    state = backend.select(prompt.state, torch.zeros(count, dtype=torch.int64))
    logits = prompt.logits.expand(count, -1)
    while True:
        ids, continues = sampler.pick(logits.cpu())
        costs = -logits.log_softmax(dim=-1)
        nats = costs.gather(-1, ids.to(costs.device).unsqueeze(-1)).squeeze(-1).cpu()
        sampler.observe(nats)
        others = _cheapest(costs, alternatives) if alternatives else [()] * count
        drawn = map(DrawnId, ids.tolist(), nats.tolist(), others)
        yield [
            character if more else None
            for character, more in zip(drawn, continues.tolist(), strict=True)
        ]
        if not continues.any():
            return
        logits, state = backend.step(ids, state)


def _draw_in_blocks(
    backend: BlockBackend[State],
    prompt: ReadPrompt[State],
    temperature: float,
    uniforms: "UniformStream",
) -> Iterator[list[DrawnId | None]]:
    """One sample, drawn by the backend itself in blocks that grow with the text."""
    logits, state, size = prompt.logits, prompt.state, 1
    while True:
        numbers = np.array([uniforms.next() for _ in range(size)])
        ids, nats, logits, state = backend.draw(logits, state, numbers, temperature)
        for id, surprise in zip(ids, nats, strict=True):
            yield [DrawnId(id, surprise)]
        size = min(2 * size, MAX_BLOCK)


def _cheapest(
    costs: Float[Tensor, "N V"], count: int
) -> list[tuple[tuple[int, float], ...]]:
    """Ids and probabilities of the *count* most likely characters of every row."""
    nats, ids = costs.topk(min(count, costs.shape[-1]), dim=-1, largest=False)
    rows = zip(ids.tolist(), nats.neg().exp().tolist(), strict=True)
    return [tuple(zip(*row, strict=True)) for row in rows]


class Sampler:
    """
    Picks the next character of N samples, and keeps what that depends on.

    Args:
        config: How to draw.
        samples: Which samples of the seed these are.
        recent: The end of the prompt.
        length: Characters of a whole sample.
        automaton: What may be written; None for anything.
    """

    def __init__(
        self,
        config: SampleConfig,
        samples: Sequence[int],
        recent: Integer[np.ndarray, " R"],
        *,
        length: int,
        automaton: Automaton | None,
    ) -> None:
        count = len(samples)
        self._config, self._length = config, length
        self._chain = active(config)
        self._uniforms = [UniformStream(config.seed, sample) for sample in samples]
        window = config.penalty_window if needs_history(config) else 0
        self._history = History(recent, count, window)
        self._limits = first_limits(count, config.mirostat)
        self._automaton = automaton
        self._automaton_states = torch.full(
            (count,), automaton.start if automaton else 0
        )
        self._continues = torch.ones(count, dtype=torch.bool)
        self._picked = 0

    def pick(
        self, logits: Float[Tensor, "N V"]
    ) -> tuple[Int64[Tensor, " N"], Bool[Tensor, " N"]]:
        """
        The next character of every sample.

        Args:
            logits: The model's own, on the CPU.

        Returns:
            Ids, and which samples continue. A sample that has come to its end has a
            meaningless id.
        """
        if self._automaton is not None:
            allowed = self._automaton.allowed(
                self._automaton_states, self._length - self._picked
            )
            self._continues = allowed.any(dim=-1)
            allowed |= ~self._continues.unsqueeze(-1)  # or no id could be drawn
            logits = logits.masked_fill(~allowed, -torch.inf)
        progress = min(self._picked / max(self._length - 1, 1), 1.0)
        now = Context(self._history.last, progress, self._limits)
        for transform in self._chain:
            logits = transform.act(logits, self._config, now)
        numbers = [uniforms.next() for uniforms in self._uniforms]
        ids = draw_ids(logits, torch.tensor(numbers, dtype=torch.float64))
        self._picked += 1
        self._history.add(ids)
        if self._automaton is not None:
            self._automaton_states = self._automaton.advance(
                self._automaton_states, ids
            )
        return ids, self._continues

    def observe(self, nats: Float[Tensor, " N"]) -> None:
        """Adjust to the surprise that the model itself saw in what was picked."""
        if self._config.mirostat:
            self._limits = next_limits(
                self._limits,
                nats.double(),
                target=self._config.mirostat,
                rate=self._config.mirostat_rate,
            )


class History:
    """
    The last characters of samples that began alike, in memory that does not grow.

    Args:
        recent: The end of what they have in common.
        samples: N.
        window: How many characters to keep. 0 keeps none.
    """

    def __init__(
        self, recent: Integer[np.ndarray, " R"], samples: int, window: int
    ) -> None:
        known = torch.from_numpy(
            recent[max(len(recent) - window, 0) :].astype(np.int64)
        )
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
        if not self._window:
            return
        if self._end == self._ids.shape[1]:
            self._ids[:, : self._window] = self._ids[:, -self._window :].clone()
            self._end = self._window
        self._ids[:, self._end] = ids
        self._end += 1


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

    def next(self) -> float:
        """The next number, at least 0 and below 1."""
        if not self._block:  # many at once, because one call costs a microsecond
            self._block = self._generator.random(self.BLOCK).tolist()[::-1]
        return self._block.pop()


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


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text of a beam search, and what each of its characters costs."""

    ids: tuple[int, ...] = ()
    costs: tuple[float, ...] = ()
    """In nats."""

    def score(self, power: float) -> float:
        """Nats divided by the length to this power: the lower the better."""
        divisor: float = max(len(self.ids), 1) ** power
        return sum(self.costs) / divisor


@torch.inference_mode()
def beam_search(
    backend: Backend[State],
    prompt: ReadPrompt[State],
    *,
    width: int,
    length: int,
    power: float = 1.0,
    automaton: Automaton | None = None,
    is_whole: Callable[[Sequence[int]], bool] = lambda ids: False,
) -> Hypothesis:
    """
    Keep the *width* most likely beginnings while they grow, and take the best text.

    Args:
        backend: What computes the logits.
        prompt: What was read before.
        width: Hypotheses to keep, 1 or more. With 1 this is greedy, with as many as
            there are texts it is exhaustive.
        length: Characters of a text at most, 1 or more.
        power: Whole texts of different lengths are compared by their nats divided
            by their length to this power. 1 compares means, 0 prefers short texts.
        automaton: What may be written; None for anything.
        is_whole: Whether a text ends here.

    Source:
        Lowerre (1976), The Harpy Speech Recognition System, chapter 2. The
        normalization: Wu et al. (2016), Google's Neural Machine Translation System,
        section 7. https://arxiv.org/abs/1609.08144
    """
    whole: list[Hypothesis] = []
    alive = [Hypothesis()]
    automaton_states = torch.tensor([automaton.start if automaton else 0])
    state, logits = prompt.state, prompt.logits
    for left in range(length, 0, -1):
        costs = -logits.double().log_softmax(dim=-1).cpu()
        if automaton is not None:
            whole += _matching(alive, automaton, automaton_states)
            allowed = automaton.allowed(automaton_states, left)
            costs = costs.masked_fill(~allowed, torch.inf)
        parents, ids = _cheapest_continuations(alive, costs, width)
        grown = [
            Hypothesis((*alive[p].ids, i), (*alive[p].costs, costs[p, i].item()))
            for p, i in zip(parents, ids, strict=True)
        ]
        ended = [left == 1 or is_whole(text.ids) for text in grown]
        whole += [text for text, end in zip(grown, ended, strict=True) if end]
        kept = [place for place, end in enumerate(ended) if not end]
        if not kept:
            break
        alive = [grown[place] for place in kept]
        parent = torch.tensor([parents[place] for place in kept])
        newest = torch.tensor([ids[place] for place in kept])
        if automaton is not None:
            automaton_states = automaton.advance(automaton_states[parent], newest)
        logits, state = backend.step(newest, backend.select(state, parent))
    return min(whole, key=lambda text: text.score(power), default=Hypothesis())


def _cheapest_continuations(
    alive: list[Hypothesis], costs: Float[Tensor, "W V"], width: int
) -> tuple[list[int], list[int]]:
    """The *width* cheapest ways to continue: which hypothesis, and by which id."""
    paid = torch.tensor([[sum(text.costs)] for text in alive], dtype=costs.dtype)
    totals = (paid + costs).flatten()
    best, places = totals.topk(min(width, len(totals)), largest=False)
    possible = places[best.isfinite()]
    vocabulary = costs.shape[1]
    return (possible // vocabulary).tolist(), (possible % vocabulary).tolist()


def _matching(
    alive: list[Hypothesis], automaton: Automaton, automaton_states: Int64[Tensor, " W"]
) -> list[Hypothesis]:
    """The hypotheses that match as they are, whether or not they can be continued."""
    ends = (automaton.distance[automaton_states] == 0).tolist()
    return [text for text, end in zip(alive, ends, strict=True) if end and text.ids]
