"""What differs between two models: settings, characters, training, every tensor."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_textgen.checkpoint.container import Array, TensorSpec, widen
from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.config import to_json

ABOUT = ("made_by", "licence", "note")
"""The keys of the metadata that say who made a model, and why."""

Pair = tuple[Any, Any]
"""The values of the first and of the second model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorDistance:
    """How far a tensor is from the one of the same name."""

    name: str
    specs: tuple[str, str]
    """Number format and shape in both models; `none` where one lacks the tensor."""

    distance: float | None
    """Euclidean norm of the difference; None where the shapes differ."""

    relative: float | None
    """The distance as a fraction of the norm of the first; None where that is 0."""

    largest: float | None
    """The largest difference of a single number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDiff:
    """How two models differ."""

    settings: dict[str, Pair]
    """The settings of the network that differ."""

    only_first: str
    """Characters that only the first model knows."""

    only_second: str
    """Characters that only the second model knows."""

    vocabulary: dict[str, Pair]
    """What else of the vocabulary differs, such as its kind."""

    training: dict[str, Pair]
    """The fields of the record of training that differ."""

    about: dict[str, Pair]
    """Versions, license and note where they differ."""

    tensors: tuple[TensorDistance, ...]
    """All tensors, by name."""

    @property
    def same_weights(self) -> bool:
        """Whether every number is the same."""
        return all(tensor.largest == 0 for tensor in self.tensors)

    @property
    def same(self) -> bool:
        """Whether nothing at all differs."""
        pairs = self.settings, self.vocabulary, self.training, self.about
        characters = self.only_first or self.only_second
        return self.same_weights and not characters and not any(pairs)


def diff_models(first: Checkpoint, second: Checkpoint) -> ModelDiff:
    """
    Compare two models, of any shapes.

    Args:
        first: One model, with its tensors.
        second: The other.
    """
    here, there = to_metadata(first), to_metadata(second)
    characters = _alphabet(first, second), _alphabet(second, first)
    names = sorted(first.tensors.keys() | second.tensors.keys())
    abouts = [{key: about[key] for key in ABOUT} for about in (here, there)]
    vocabularies = here["vocabulary"], there["vocabulary"]
    for vocabulary in vocabularies:
        vocabulary.pop("characters", None)
    return ModelDiff(
        settings=_differing(to_json(first.model), to_json(second.model)),
        only_first=_without(*characters),
        only_second=_without(*reversed(characters)),
        vocabulary=_differing(*vocabularies),
        training=_differing(here["training"], there["training"]),
        about=_differing(*abouts),
        tensors=tuple(
            _distance(name, first.tensors.get(name), second.tensors.get(name))
            for name in names
        ),
    )


def _alphabet(model: Checkpoint, other: Checkpoint) -> str:
    """The characters of *model*; none beside a model of bytes, which knows all."""
    if "byte" in (model.tokenizer.kind, other.tokenizer.kind):
        return ""
    return model.tokenizer.decode(range(model.tokenizer.size))


def _without(characters: str, others: str) -> str:
    known = set(others)
    return "".join(char for char in characters if char not in known)


def _differing(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Pair]:
    pairs = {k: (here.get(k), there.get(k)) for k in here.keys() | there.keys()}
    return {k: pairs[k] for k in sorted(pairs) if pairs[k][0] != pairs[k][1]}


def _distance(name: str, first: Array | None, second: Array | None) -> TensorDistance:
    specs = _spec(first), _spec(second)
    if first is None or second is None or first.shape != second.shape:
        return TensorDistance(
            name=name, specs=specs, distance=None, relative=None, largest=None
        )
    before = widen(first).astype(np.float64)
    change = widen(second) - before
    distance, norm = float(np.linalg.norm(change)), float(np.linalg.norm(before))
    return TensorDistance(
        name=name,
        specs=specs,
        distance=distance,
        relative=distance / norm if norm else None,
        largest=float(np.abs(change).max()) if change.size else 0.0,
    )


def _spec(tensor: Array | None) -> str:
    return "none" if tensor is None else str(TensorSpec.of(tensor))
