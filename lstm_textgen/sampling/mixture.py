"""
Several models write as one: their probabilities are averaged.

Their vocabularies may differ. A model whose vocabulary lacks a character gives it no
probability, and when another one writes it this model does not read it.

Shapes: N samples, V characters of all together, M of one model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.backend import Backend, Memory
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer

MixedLogits = tuple[Float[Tensor, "N M"], Memory]
"""What one model thinks of the next character, and what it remembers."""


@dataclass(frozen=True, slots=True)
class MixedMemory:
    """What each model thinks and remembers; no thought before the first character."""

    memories: tuple[Memory, ...]
    logits: tuple[Float[Tensor, "N M"], ...] = ()

    def select(self, streams: Tensor) -> "MixedMemory":
        """The memory of some samples, by their places."""
        memories = tuple(memory.select(streams) for memory in self.memories)
        return MixedMemory(memories, tuple(each[streams] for each in self.logits))

    def where(self, streams: Tensor, other: "MixedMemory") -> "MixedMemory":
        """This memory for the samples that are marked, that of *other* elsewhere."""
        pairs = zip(self.memories, other.memories, strict=True)
        thoughts = zip(self.logits, other.logits, strict=True)
        return MixedMemory(
            tuple(ours.where(streams, theirs) for ours, theirs in pairs),
            tuple(torch.where(streams.unsqueeze(-1), a, b) for a, b in thoughts),
        )


class MixtureBackend:
    """
    A stepper over the characters of several models.

    Args:
        steppers: The models.
        tokenizers: Their vocabularies, all of characters or all of bytes.
        weights: How much each one says, above 0; their sum does not matter.

    Raises:
        ConfigError: A weight is not above 0, or bytes and characters meet.
    """

    def __init__(
        self,
        steppers: Sequence[Backend],
        tokenizers: Sequence[Tokenizer],
        weights: Sequence[float],
    ) -> None:
        for weight in weights:
            if not 0 < weight < float("inf"):
                raise ConfigError(
                    f"A weight of the mixture is {weight:g}.", "Set it above 0."
                )
        self.tokenizer = united(tokenizers)
        self._steppers = tuple(steppers)
        self._shares = [weight / sum(weights) for weight in weights]
        self._ids = [_places(self.tokenizer, tokenizer) for tokenizer in tokenizers]

    def empty(self) -> MixedMemory:
        """The memory of one sample that has read nothing."""
        return MixedMemory(tuple(stepper.empty() for stepper in self._steppers))

    def read(
        self, ids: Int64[Tensor, " T"], memory: MixedMemory
    ) -> tuple[Float[Tensor, "1 V"], MixedMemory]:
        """
        Read a part of a prompt.

        A model that knows nothing of what was read so far thinks what it does
        after the first character of its own.
        """
        after: list[MixedLogits] = []
        for part, (stepper, own) in enumerate(
            zip(self._steppers, self._ids, strict=True)
        ):
            known, remembered = own[ids][own[ids] >= 0], memory.memories[part]
            if len(known):
                after.append(stepper.read(known, remembered))
            elif memory.logits:
                after.append((memory.logits[part], remembered))
            else:
                first = torch.zeros(1, dtype=torch.int64)
                after.append((stepper.read(first, remembered)[0], remembered))
        return self._mixed(after)

    def step(
        self, ids: Int64[Tensor, " N"], memory: MixedMemory
    ) -> tuple[Float[Tensor, "N V"], MixedMemory]:
        """Read one character per sample."""
        after: list[MixedLogits] = []
        for part, (stepper, own) in enumerate(
            zip(self._steppers, self._ids, strict=True)
        ):
            before = memory.logits[part], memory.memories[part]
            read = stepper.step(own[ids].clamp(min=0), before[1])
            after.append(_where(own[ids] >= 0, read, before))
        return self._mixed(after)

    def _mixed(
        self, readings: Sequence[MixedLogits]
    ) -> tuple[Float[Tensor, "N V"], MixedMemory]:
        """The logarithm of the averaged probabilities, and all memories."""
        logits = tuple(each for each, _ in readings)
        probs = torch.zeros(len(logits[0]), self.tokenizer.size, dtype=torch.float64)
        for share, own, each in zip(self._shares, self._ids, logits, strict=True):
            here = (own >= 0).nonzero().squeeze(-1)
            probs[:, here] += share * each.cpu().double().softmax(-1)[:, own[here]]
        memories = tuple(memory for _, memory in readings)
        return probs.log(), MixedMemory(memories, logits)


def united(tokenizers: Sequence[Tokenizer]) -> Tokenizer:
    """
    The vocabulary of all characters of several.

    Raises:
        ConfigError: Some are of bytes and some of characters.
    """
    if all(tokenizer.kind == "byte" for tokenizer in tokenizers):
        return ByteTokenizer()
    chars, unknown = set(), None
    for tokenizer in tokenizers:
        if not isinstance(tokenizer, CharTokenizer):
            raise ConfigError(
                "A model of bytes cannot be mixed with one of characters.",
                "Mix models with the same --tokenizer.",
            )
        chars |= set(tokenizer.characters)
        unknown = unknown or tokenizer.unknown
    return CharTokenizer("".join(sorted(chars)), unknown)


def _places(whole: Tokenizer, part: Tokenizer) -> Int64[Tensor, " V"]:
    """The id that *part* has for each id of *whole*; -1 for none."""
    if not isinstance(part, CharTokenizer):
        return torch.arange(part.size)
    known = {char: id for id, char in enumerate(part.characters)}
    characters = whole.decode(np.arange(whole.size))
    return torch.tensor([known.get(char, -1) for char in characters])


def _where(
    known: Bool[Tensor, " N"], read: MixedLogits, before: MixedLogits
) -> MixedLogits:
    """Rows whose character a model knows take what it read, the others stay."""
    if bool(known.all()):
        return read
    rows = known.to(read[0].device)
    logits = torch.where(rows.unsqueeze(-1), read[0], before[0])
    return logits, read[1].where(rows, before[1])
