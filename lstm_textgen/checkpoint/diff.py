"""What differs between two models: settings, characters, training, every tensor."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lstm_textgen.checkpoint.container import TensorSpec
from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.config import to_json

Pair = tuple[Any, Any]
"""A value here and a value there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorDistance:
    """How far a tensor is from the one of the same name."""

    name: str
    specs: tuple[str, str]
    """Type and shape here and there; `none` where there is none."""

    distance: float | None
    """Euclidean norm of the difference; None where the shapes differ."""

    relative: float | None
    """The same as a share of the norm of the first one; None where that is 0."""

    largest: float | None
    """The largest difference of a single number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDiff:
    """What two models do not have in common."""

    settings: dict[str, Pair]
    """Of the network, only those that differ."""

    only_first: str
    """Characters that only the first one knows."""

    only_second: str
    vocabulary: dict[str, Pair]
    """What else of the vocabulary differs, such as its kind."""

    training: dict[str, Pair]
    """Of the record of training, only what differs."""

    about: dict[str, Pair]
    """Versions, licence and note, only what differs."""

    tensors: tuple[TensorDistance, ...]
    """All tensors, by name."""

    @property
    def same_weights(self) -> bool:
        """Whether every number is the same."""
        return all(each.largest == 0 for each in self.tensors)

    @property
    def same(self) -> bool:
        """Whether nothing at all differs."""
        pairs = self.settings, self.vocabulary, self.training, self.about
        known = self.only_first or self.only_second
        return self.same_weights and not known and not any(pairs)


def diff_models(first: Checkpoint, second: Checkpoint) -> ModelDiff:
    """
    Say what differs between two models.

    Args:
        first: One model, whole.
        second: Another one, of any shape.
    """
    here, there = to_metadata(first), to_metadata(second)
    one, other = _alphabets(first, second)
    names = sorted(first.tensors.keys() | second.tensors.keys())
    about = ("made_by", "licence", "note")
    vocabularies = here["vocabulary"], there["vocabulary"]
    for vocabulary in vocabularies:
        vocabulary.pop("characters", None)
    return ModelDiff(
        settings=_differing(to_json(first.model), to_json(second.model)),
        only_first=_without(one, other),
        only_second=_without(other, one),
        vocabulary=_differing(*vocabularies),
        training=_differing(here["training"], there["training"]),
        about=_differing(*({key: d[key] for key in about} for d in (here, there))),
        tensors=tuple(
            _distance(name, first.tensors.get(name), second.tensors.get(name))
            for name in names
        ),
    )


def _alphabets(first: Checkpoint, second: Checkpoint) -> tuple[str, str]:
    """What they know one by one; a model of bytes knows every character."""
    tokenizers = first.tokenizer, second.tokenizer
    if any(tokenizer.kind == "byte" for tokenizer in tokenizers):
        return "", ""
    one, other = (each.decode(list(range(each.size))) for each in tokenizers)
    return one, other


def _without(characters: str, others: str) -> str:
    known = set(others)
    return "".join(char for char in characters if char not in known)


def _differing(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Pair]:
    pairs = {k: (here.get(k), there.get(k)) for k in here.keys() | there.keys()}
    return {k: pairs[k] for k in sorted(pairs) if pairs[k][0] != pairs[k][1]}


def _distance(name: str, first: Tensor | None, second: Tensor | None) -> TensorDistance:
    one, other = (
        "none" if t is None else str(TensorSpec.of(t)) for t in (first, second)
    )
    if first is None or second is None or first.shape != second.shape:
        return TensorDistance(
            name=name, specs=(one, other), distance=None, relative=None, largest=None
        )
    before = first.double()
    apart = second.double() - before
    distance, norm = apart.norm().item(), before.norm().item()
    return TensorDistance(
        name=name,
        specs=(one, other),
        distance=distance,
        relative=distance / norm if norm else None,
        largest=apart.abs().max().item() if apart.numel() else 0.0,
    )
