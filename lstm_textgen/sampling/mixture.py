"""
Several models as one backend: their probabilities are averaged.

Their vocabularies may differ. A model whose vocabulary lacks a character gives it no
probability, and does not read it when another one draws it.

Shapes: T steps, N and M samples, V characters of the whole mixture, P of one part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.backend import Backend
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer


@dataclass(frozen=True, slots=True)
class MixtureState:
    """The state of each part, and its logits for the next character."""

    states: tuple[Any, ...]
    logits: tuple[Float[Tensor, "N P"], ...] = ()
    """Empty before the first character."""


class MixtureBackend:
    """
    A backend over the characters of several models.

    Args:
        backends: The parts.
        tokenizers: Their vocabularies, all of characters or all of bytes.
        weights: The weight of each part, above 0; their sum does not matter.

    Raises:
        ConfigError: A weight is not above 0, or bytes and characters meet.
    """

    def __init__(
        self,
        backends: Sequence[Backend[Any]],
        tokenizers: Sequence[Tokenizer],
        weights: Sequence[float],
    ) -> None:
        for weight in weights:
            if not 0 < weight < float("inf"):
                raise ConfigError(
                    f"A weight of the mixture is {weight:g}.", "Set it above 0."
                )
        self.tokenizer = merge_vocabularies(tokenizers)
        self._backends = tuple(backends)
        self._weights = [weight / sum(weights) for weight in weights]
        self._ids = [_ids_in(part, self.tokenizer) for part in tokenizers]

    def initial(self) -> MixtureState:
        """The state of one sample before its first character."""
        return MixtureState(tuple(backend.initial() for backend in self._backends))

    def read(
        self, ids: Int64[Tensor, " T"], state: MixtureState
    ) -> tuple[Float[Tensor, "1 V"], MixtureState]:
        """
        Read a part of a prompt.

        A model that has read nothing contributes what it expects after the first
        character of its vocabulary.
        """
        logits, states = [], []
        for part, backend in enumerate(self._backends):
            part_ids, before = self._ids[part][ids], state.states[part]
            known = part_ids[part_ids >= 0]
            if len(known):
                after = backend.read(known, before)
            elif state.logits:
                after = state.logits[part], before
            else:
                first = torch.zeros(1, dtype=torch.int64)
                after = backend.read(first, before)[0], before
            logits.append(after[0])
            states.append(after[1])
        return self._mix(logits), MixtureState(tuple(states), tuple(logits))

    def step(
        self, ids: Int64[Tensor, " N"], state: MixtureState
    ) -> tuple[Float[Tensor, "N V"], MixtureState]:
        """Read one character per sample; *state* is not changed."""
        logits, states = [], []
        for part, backend in enumerate(self._backends):
            part_ids, before = self._ids[part][ids], state.states[part]
            part_logits, after = backend.step(part_ids.clamp(min=0), before)
            known = part_ids >= 0
            if not known.all():
                part_logits = _where(known, part_logits, state.logits[part])
                after = backend.where(known, after, before)
            logits.append(part_logits)
            states.append(after)
        return self._mix(logits), MixtureState(tuple(states), tuple(logits))

    def select(self, state: MixtureState, rows: Int64[Tensor, " M"]) -> MixtureState:
        """The state of the samples at these places; a place may come twice."""
        pairs = zip(self._backends, state.states, strict=True)
        return MixtureState(
            tuple(backend.select(states, rows) for backend, states in pairs),
            tuple(logits[rows] for logits in state.logits),
        )

    def where(
        self, rows: Bool[Tensor, " N"], state: MixtureState, other: MixtureState
    ) -> MixtureState:
        """*state* for marked samples, else *other*."""
        states = zip(self._backends, state.states, other.states, strict=True)
        logits = zip(state.logits, other.logits, strict=True)
        return MixtureState(
            tuple(
                backend.where(rows, ours, theirs) for backend, ours, theirs in states
            ),
            tuple(_where(rows, ours, theirs) for ours, theirs in logits),
        )

    def _mix(self, logits: Sequence[Float[Tensor, "N P"]]) -> Float[Tensor, "N V"]:
        """The logarithm of the averaged probabilities."""
        probs = torch.zeros(len(logits[0]), self.tokenizer.size, dtype=torch.float64)
        for weight, own, part in zip(self._weights, self._ids, logits, strict=True):
            shared = (own >= 0).nonzero().squeeze(-1)
            part_probs = part.cpu().double().softmax(-1)
            probs[:, shared] += weight * part_probs[:, own[shared]]
        return probs.log()


def _where(
    rows: Bool[Tensor, " N"], logits: Float[Tensor, "N P"], other: Float[Tensor, "N P"]
) -> Float[Tensor, "N P"]:
    return torch.where(rows.to(logits.device).unsqueeze(-1), logits, other)


def merge_vocabularies(tokenizers: Sequence[Tokenizer]) -> Tokenizer:
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


def _ids_in(part: Tokenizer, whole: Tokenizer) -> Int64[Tensor, " V"]:
    """For each id of *whole*, the id of the same character in *part*; -1 for none."""
    if not isinstance(part, CharTokenizer):
        return torch.arange(part.size)
    known = {char: id for id, char in enumerate(part.characters)}
    characters = whole.decode(np.arange(whole.size))
    return torch.tensor([known.get(char, -1) for char in characters])
