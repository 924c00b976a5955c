"""
How many nats a model needs per character of a text.

Losses are sums with a count beside them, divided once, where they are shown.

Shapes: T steps, B streams, V vocabulary.

What a model loses on the held-out text, and how long that takes to find.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstm_textgen.errors import CorpusError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import StackState
from lstm_textgen.text.streams import IGNORE

WINDOW = 1024
"""The most steps that an evaluation reads at a time: memory, not meaning."""

NUMBERS = 2**24
"""About how many logits or hidden numbers one window may have, at 4 bytes each."""


def summed_loss(
    logits: Float[Tensor, "T B V"], targets: Int64[Tensor, "T B"]
) -> Float[Tensor, ""]:
    """Nats that the targets cost, summed; a target of `IGNORE` costs nothing."""
    return functional.cross_entropy(
        logits.flatten(0, 1).float()
        if logits.dtype.itemsize < 4
        else logits.flatten(0, 1),
        targets.flatten(),
        ignore_index=IGNORE,
        reduction="sum",
    )


def count_target_characters(
    targets: NDArray[np.integer[Any]], begins: NDArray[np.bool_] | None
) -> int:
    """
    Characters among *targets*, those that are `IGNORE` left out.

    Args:
        targets: Ids, any shape.
        begins: Which ids begin a character, as `Tokenizer.begins`; None for all.
    """
    real = targets[targets != IGNORE] if targets.dtype.kind == "i" else targets
    return int(real.size if begins is None else begins[real].sum())


@torch.inference_mode()
def exact_loss(
    model: CharModel,
    ids: NDArray[np.unsignedinteger],
    *,
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """
    Read a text once from its first to its last character and sum the nats.

    The memory is carried all the way; every character but the first, which
    nothing predicts, is counted once.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: The text, at least 2 characters.
        begins: Which ids begin a character; the others are nats without one.
        progress: Called with the number of ids of each window read.

    Raises:
        CorpusError: The text has fewer than 2 characters.
    """
    total = Loss(0.0, 0)
    for logits, targets in read_on(model, ids, progress):
        nats = summed_loss(logits, targets)
        total += Loss(
            nats.item(), count_target_characters(targets.cpu().numpy(), begins)
        )
    return total


@torch.inference_mode()
def read_on(
    model: CharModel,
    ids: NDArray[np.unsignedinteger],
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[Float[Tensor, "T 1 V"], Int64[Tensor, "T 1"]]]:
    """
    Read a text once, window by window, with the memory carried all the way.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: The text, at least 2 characters.
        progress: Called with the number of ids of each window read.

    Yields:
        What the model expects, and what came.

    Raises:
        CorpusError: The text has fewer than 2 characters.
    """
    _check_length(ids)
    state = model.initial_state(1)
    steps = _window(model, streams=1)
    for start in range(0, len(ids) - 1, steps):
        piece = ids[start : start + steps + 1].astype(np.int64)
        window = torch.from_numpy(piece).to(model.head.weight.device).unsqueeze(1)
        logits, state = model(window[:-1], state)
        yield logits, window[1:]
        if progress is not None:
            progress(len(window) - 1)


@torch.inference_mode()
def estimate(
    model: CharModel,
    ids: NDArray[np.unsignedinteger],
    *,
    streams: int = 32,
    characters: int | None = None,
    warm_up: int = 64,
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """
    A quick estimate of `evaluate`: several places of the text read side by side.

    Each stream but the first, before which nothing stands, reads *warm_up*
    characters that are not counted, so that it has something to remember; what is
    lost is memory older than that.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: The text, at least 2 characters.
        streams: How many places, spread evenly. Fewer for a very short text.
        characters: How many to count altogether, rounded up to as many for every
            stream; None for the whole text.
        warm_up: Characters that a stream reads before it counts.
        begins: Which ids begin a character; the others are nats without one.
        progress: Called with the number of ids counted in each window read.

    Raises:
        CorpusError: The text has fewer than 2 characters.
    """
    _check_length(ids)
    transitions = len(ids) - 1
    streams = max(1, min(streams, transitions // (4 * warm_up + 1)))
    bounds = np.arange(streams + 1) * transitions // streams
    longest = int(np.diff(bounds).max())
    length = longest if characters is None else min(longest, -(-characters // streams))
    device = model.head.weight.device
    state, total = _warmed_up(model, ids, bounds[:-1], warm_up), Loss(0.0, 0)
    window = _window(model, streams)
    for start in range(0, length, window):
        steps = np.arange(start, min(start + window, length))[:, None]
        places = bounds[:-1] + steps
        counted = places < bounds[1:]
        inside = places.clip(max=transitions - 1)
        targets = np.where(counted, ids[inside + 1].astype(np.int64), IGNORE)
        inputs = torch.from_numpy(ids[inside].astype(np.int64)).to(device)
        logits, state = model(inputs, state)
        nats = summed_loss(logits, torch.from_numpy(targets).to(device))
        total += Loss(nats.item(), count_target_characters(targets, begins))
        if progress is not None:
            progress(int(counted.sum()))
    return total


def _warmed_up(
    model: CharModel,
    ids: NDArray[np.unsignedinteger],
    starts: NDArray[np.int64],
    warm_up: int,
) -> StackState:
    """What each stream remembers before the first character that it counts."""
    empty = model.initial_state(len(starts))
    if warm_up == 0:
        return empty
    state, device = empty, model.head.weight.device
    before = (starts + np.arange(-warm_up, 0)[:, None]).clip(0)
    for part in np.split(before, range(0, warm_up, _window(model, len(starts)))[1:]):
        inputs = torch.from_numpy(ids[part].astype(np.int64)).to(device)
        state = model(inputs, state)[1]
    return state.where(torch.from_numpy(starts > 0).to(device), empty)


def _window(model: CharModel, streams: int) -> int:
    """Steps to read at a time, fewer where a step is wide."""
    widest = max(model.vocabulary, 4 * model.config.hidden)
    return max(1, min(WINDOW, NUMBERS // (streams * widest)))


def _check_length(ids: NDArray[np.unsignedinteger]) -> None:
    if len(ids) < 2:
        raise CorpusError(
            f"The text to evaluate has {len(ids)} characters.",
            "Give a text of at least 2 characters.",
        )


LONG_STREAM = 16_384

MOST_STREAMS = 64

EXACT_LIMIT = 2 * LONG_STREAM
"""Held-out characters that the last evaluation reads in one pass; beyond, side by
side in up to `MOST_STREAMS` streams of at least `LONG_STREAM`, each warmed up. The
sixth decimal is another then, and it takes half of the time."""

MOST_JUDGED = 1_000_000
"""Held-out characters that the last evaluation counts, so that a long text leaves the
minutes to the training: of more, as many, from `MOST_STREAMS` places."""


def estimate_loss(
    model: CharModel,
    held_out: NDArray[np.unsignedinteger[Any]],
    characters: int,
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """An estimate during a run; of nothing where no text is held out."""
    if len(held_out) < 2:
        return Loss(0.0, 0)
    return estimate(
        model, held_out, characters=characters, begins=begins, progress=progress
    )


def final_loss(
    model: CharModel,
    held_out: NDArray[np.unsignedinteger[Any]],
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """The loss of a finished model: exact where that takes no time, else very near."""
    if len(held_out) <= EXACT_LIMIT:
        return exact_loss(model, held_out, begins=begins, progress=progress)
    streams = min(MOST_STREAMS, len(held_out) // LONG_STREAM)
    return estimate(
        *(model, held_out),
        streams=streams,
        characters=MOST_JUDGED,
        warm_up=256,
        begins=begins,
        progress=progress,
    )


def evaluation_seconds(characters: int, read_per_second: float) -> float:
    """
    How long `judge` or `best_temperature` will take, with a third to spare; a step that
    learns an initial state takes no longer, since it reads many places side by side.

    Args:
        characters: Of the text to read.
        read_per_second: Characters a second of a single stream; side by side, many
            streams are several times as fast, as little as twice on a CPU.
    """
    seconds = min(characters, MOST_JUDGED) / read_per_second
    return (seconds if characters <= EXACT_LIMIT else seconds / 2) * 4 / 3
