"""
How sure a finished model may be: one number, found on text that no step has read.

A network that has read its text many times gives the likeliest character too much of
the probability on any other text. Dividing its logits by one temperature mends that,
after Guo et al., 2017, "On Calibration of Modern Neural Networks". It cannot be found
on what the network has learned from, where being sure is right, so that a piece of the
training part is kept apart for it: from the middle, since what stands just before the
held-out text is the best teacher for it, and what stands first may be a preface.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.evaluation.perplexity import read_on, summed_loss
from lstm_textgen.model.network import CharModel

MOST_APART = 16_384
"""The most characters kept apart: the temperature is known to a hundredth by then."""

LEAST_APART = 1024
"""Fewer would tell of themselves only; a text too short for them keeps none apart."""

ONE_IN = 50
"""One character of so many is kept apart."""

SHARPNESS = torch.linspace(0.6, 1.2, 7)
"""What logits are multiplied by, to see which loses least: one over the temperature."""


def length_apart(characters: int) -> int:
    """How many *characters* of a training part are kept apart."""
    length = min(MOST_APART, characters // ONE_IN)
    return length if is_length_apart(length) else 0


def is_length_apart(length: int) -> bool:
    """Whether so many characters tell a temperature."""
    return LEAST_APART <= length <= MOST_APART


def place_apart(characters: int, length: int) -> tuple[int, int]:
    """Where they stand in it: from start, up to but without stop."""
    start = (characters - length) // 2
    return (start, start + length) if length else (0, 0)


@torch.inference_mode()
def best_temperature(
    model: CharModel,
    ids: NDArray[np.unsignedinteger[Any]],
    progress: Callable[[int], None] | None = None,
) -> float:
    """
    What to divide the logits of *model* by, so that it loses least on *ids*.

    The loss is convex in one over the temperature: a parabola through the best of a
    few and its neighbours has its lowest point very near the true one.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: At least 2, of a text that it has not learned from.
        progress: Called with the number of ids of each window read.

    Returns:
        From 1 / 1.2 to 1 / 0.6.

    Raises:
        CorpusError: There are fewer than 2 ids.
    """
    nats = torch.zeros(len(SHARPNESS), dtype=torch.float64)
    for logits, targets in read_on(model, ids, progress):
        each = [float(summed_loss(sharp * logits, targets)) for sharp in SHARPNESS]
        nats += torch.tensor(each, dtype=torch.float64)
    return 1 / _lowest(SHARPNESS.double(), nats)


def _lowest(places: Float[Tensor, " n"], values: Float[Tensor, " n"]) -> float:
    """Where the parabola through the lowest of evenly spaced values is lowest."""
    at = int(values.argmin().clamp(1, len(values) - 2))
    left, middle, right = values[at - 1 : at + 2].tolist()
    step = float(places[1] - places[0])
    bend = left - 2 * middle + right
    moved = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return float(places[at]) + step * min(1.0, max(-1.0, moved))
