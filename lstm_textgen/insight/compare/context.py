"""
Useful context: what it helps to know more of the text before a character.

Letters: N ids, P places, K lengths.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt
from torch.nn import functional

from lstm_textgen.model.network import CharModel

LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Characters that a model is given."""

AT_ONCE = 256
"""Places that are read side by side."""

GAIN = 0.01
"""Nats per character below which more context counts as no help."""


@torch.inference_mode()
def context_losses(
    model: CharModel,
    ids: UInt[np.ndarray, " N"],
    places: Int64[np.ndarray, " P"],
    lengths: Sequence[int] = LENGTHS,
    go_on: Callable[[], None] = lambda: None,
) -> Float64[np.ndarray, " K"]:
    """
    The loss on a character when only the last k before it were read.

    Each reading starts from the initial state, at the same places for every k, so
    that the figures differ by the context alone.

    Args:
        model: Reads on the device of its weights.
        ids: The text.
        places: Which characters to predict, each at least the longest length.
        lengths: The k, each 1 or more.
        go_on: Called every second or so; may raise to break off.

    Returns:
        Nats per character for every length.
    """
    losses = [_loss(model, ids, places, length, go_on) for length in lengths]
    return np.array(losses)


def _loss(
    model: CharModel,
    ids: UInt[np.ndarray, " N"],
    places: Int64[np.ndarray, " P"],
    length: int,
    go_on: Callable[[], None],
) -> float:
    nats, device = 0.0, model.head.weight.device
    for start in range(0, len(places), AT_ONCE):
        go_on()
        some = places[start : start + AT_ONCE]
        read = ids[some + np.arange(-length, 1)[:, None]].astype(np.int64)
        window = torch.from_numpy(read).to(device)  # (length + 1, P)
        outputs, _ = model.read(window[:-1], model.initial_state(len(some)))
        logits = model.head(outputs[-1])
        nats += functional.cross_entropy(logits, window[-1], reduction="sum").item()
    return nats / len(places)


def context_end(
    losses: Sequence[float], lengths: Sequence[int] = LENGTHS, gain: float = GAIN
) -> int:
    """
    The shortest context that no longer one beats by more than *gain*.

    Args:
        losses: Nats per character, one for each length.
        lengths: Rising.
        gain: Nats per character.
    """
    for place, length in enumerate(lengths):
        if losses[place] <= min(losses[place:]) + gain:
            return length
    raise AssertionError("the longest is beaten by none")
