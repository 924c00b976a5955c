"""
Ids to ids: read a prompt, then draw one character after the other. Knows no text.

Shapes: N samples, V vocabulary.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.automaton import Automaton
from lstm_textgen.sampling.chain import plain_temperature
from lstm_textgen.sampling.dice import Dice
from lstm_textgen.sampling.picker import Picker

PROMPT_WINDOW = 1024
"""Characters of a prompt that are read at a time: memory, not meaning."""

RECENT = 65536
"""Characters of a prompt that are kept for penalties: the widest window of theirs."""

ONE = range(1)

LONGEST_BLOCK = 64
"""Characters that machine code draws at a time: a few milliseconds."""


@runtime_checkable
class Memory(Protocol):
    """What a writer remembers of some samples."""

    def select(self, streams: Tensor) -> Any:
        """The memory of some of them, by their places; a place may come twice."""

    def where(self, streams: Tensor, other: Any) -> Any:
        """This memory for the samples that are marked, that of *other* elsewhere."""


@runtime_checkable
class Stepper(Protocol):
    """What can write: one network, or a mixture of several."""

    def empty(self) -> Any:
        """The memory of one sample that has read nothing."""

    def read(
        self, ids: Int64[Tensor, " T"], memory: Any
    ) -> tuple[Float[Tensor, "1 V"], Any]:
        """Read a part of a prompt; logits of what follows, and the memory after."""

    def step(
        self, ids: Int64[Tensor, " N"], memory: Any
    ) -> tuple[Float[Tensor, "N V"], Any]:
        """Read one character per sample. The memory that is given stays as it is."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What reading a prompt leaves behind: all that it takes to go on."""

    logits: Float[Tensor, "1 V"]
    memory: Memory
    recent: Integer[np.ndarray, " R"]
    """The end of the prompt, for penalties on what was written lately."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One character of one sample."""

    id: int
    nats: float
    """What the model itself, before all transforms, would have paid for it."""

    alternatives: tuple[tuple[int, float], ...] = ()
    """The likeliest characters here and their probabilities, by the model itself."""


@torch.inference_mode()
def read_prompt(
    stepper: Stepper,
    chunks: Iterable[Integer[np.ndarray, "_"]],
    before: Beginning | None = None,
) -> Beginning:
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
    return Beginning(logits, memory, recent)


@torch.inference_mode()
def generate(
    stepper: Stepper,
    beginning: Beginning,
    config: SampleConfig,
    *,
    samples: Sequence[int] = ONE,
    length: int = 0,
    automaton: Automaton | None = None,
    alternatives: int = 0,
) -> Iterator[list[Drawn | None]]:
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
    heat = plain_temperature(config)
    write = getattr(stepper, "write", None)
    if write and heat and count == 1 and not (automaton or alternatives):
        yield from _in_blocks(write, beginning, heat, Dice(config.seed, samples[0]))
        return
    picker = Picker(
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
        drawn = map(Drawn, ids.tolist(), nats.tolist(), told)
        if going is None:
            yield list(drawn)
        else:
            here = going.tolist()
            yield [each if on else None for each, on in zip(drawn, here, strict=True)]
            if not any(here):
                return
        logits, memory = stepper.step(ids, memory)


def _in_blocks(
    write: Callable[..., Any], beginning: Beginning, temperature: float, dice: Dice
) -> Iterator[list[Drawn | None]]:
    """Let a stepper that can draw do so, in blocks that grow with the text."""
    logits, memory, size = beginning.logits, beginning.memory, 1
    while True:
        rolls = np.array([dice.roll() for _ in range(size)])
        ids, nats, logits, memory = write(logits, memory, rolls, temperature)
        for id, paid in zip(ids, nats, strict=True):
            yield [Drawn(id, paid)]
        size = min(2 * size, LONGEST_BLOCK)


def _likeliest(
    costs: Float[Tensor, "N V"], count: int
) -> list[tuple[tuple[int, float], ...]]:
    """Ids and probabilities of the *count* likeliest of every row."""
    nats, ids = costs.topk(min(count, costs.shape[-1]), dim=-1, largest=False)
    rows = zip(ids.tolist(), nats.neg().exp().tolist(), strict=True)
    return [tuple(zip(*row, strict=True)) for row in rows]
