"""
The loss of a model on a text: exact, or estimated from positions side by side.

Losses are sums with a count, divided once, where they are shown.

Shapes: T steps, B streams, V vocabulary.
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

MAX_WINDOW = 1024
"""The most steps that an evaluation reads at a time; it changes memory use only."""

MAX_ACTIVATIONS = 2**24
"""About how many logits or gate activations a window may have, at 4 bytes each."""

STREAM_CHARACTERS = 16_384
"""The fewest characters of a stream in the final evaluation of a long text."""

MAX_STREAMS = 64
"""The most streams of the final evaluation."""

EXACT_LIMIT = 2 * STREAM_CHARACTERS
"""Held-out characters that the final evaluation reads in one pass. Above, it reads
several streams, each with a warm-up, which takes half the time and changes the sixth
decimal."""

MAX_EVALUATED = 1_000_000
"""Held-out characters that the final evaluation counts, so that a long text leaves the
time to training."""


def summed_loss(
    logits: Float[Tensor, "T B V"], targets: Int64[Tensor, "T B"]
) -> Float[Tensor, ""]:
    """The summed loss of the targets, in nats; targets of `IGNORE` count 0."""
    flat = logits.flatten(0, 1)
    wide = flat.float() if flat.dtype.itemsize < 4 else flat
    return functional.cross_entropy(
        wide, targets.flatten(), ignore_index=IGNORE, reduction="sum"
    )


def count_target_characters(
    targets: NDArray[np.integer[Any]], begins: NDArray[np.bool_] | None
) -> int:
    """
    The number of characters among *targets*, without those that are `IGNORE`.

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
    The loss of a whole text, read once from its first to its last character.

    The recurrent state is carried throughout; every character but the first, which
    nothing predicts, is counted once.

    Args:
        model: Computes on the device and in the type of its weights.
        ids: The text, at least 2 characters.
        begins: Which ids begin a character: the others add nats, but no character.
        progress: Called with the number of ids of each window read.

    Raises:
        CorpusError: The text has fewer than 2 characters.
    """
    total = Loss(0.0, 0)
    for logits, targets in read_on(model, ids, progress):
        characters = count_target_characters(targets.cpu().numpy(), begins)
        total += Loss(summed_loss(logits, targets).item(), characters)
    return total


@torch.inference_mode()
def read_on(
    model: CharModel,
    ids: NDArray[np.unsignedinteger],
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[Float[Tensor, "T 1 V"], Int64[Tensor, "T 1"]]]:
    """
    Read a text once, window by window, with the recurrent state carried throughout.

    Args:
        model: Computes on the device and in the type of its weights.
        ids: The text, at least 2 characters.
        progress: Called with the number of ids of each window read.

    Yields:
        The logits at every step of a window, and the ids that followed.

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
def parallel_loss(
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
    A fast estimate of `exact_loss`: several positions of the text read in parallel.

    Each stream but the first, which starts at the beginning, first reads *warm_up*
    characters that are not counted. Dependencies that are longer than that are lost.

    Args:
        model: Computes on the device and in the type of its weights.
        ids: The text, at least 2 characters.
        streams: How many positions, spread evenly. Fewer for a very short text.
        characters: How many to count altogether, rounded up to the same number for
            every stream; None for the whole text.
        warm_up: Characters that a stream reads before it counts.
        begins: Which ids begin a character: the others add nats, but no character.
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
    """The state of each stream before the first character that it counts."""
    empty = model.initial_state(len(starts))
    if warm_up == 0:
        return empty
    state, device = empty, model.head.weight.device
    before = (starts + np.arange(-warm_up, 0)[:, None]).clip(0)
    for places in np.split(before, range(0, warm_up, _window(model, len(starts)))[1:]):
        inputs = torch.from_numpy(ids[places].astype(np.int64)).to(device)
        state = model(inputs, state)[1]
    return state.where(torch.from_numpy(starts > 0).to(device), empty)


def _window(model: CharModel, streams: int) -> int:
    """Steps to read at a time, fewer where a step is wide."""
    widest = max(model.vocabulary, 4 * model.config.hidden)
    return max(1, min(MAX_WINDOW, MAX_ACTIVATIONS // (streams * widest)))


def _check_length(ids: NDArray[np.unsignedinteger]) -> None:
    if len(ids) < 2:
        raise CorpusError(
            f"The text to evaluate has {len(ids)} characters.",
            "Give a text of at least 2 characters.",
        )


def loss_during_run(
    model: CharModel,
    held_out: NDArray[np.unsignedinteger[Any]],
    characters: int,
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """A `parallel_loss` of about *characters*; of none where no text is held out."""
    if len(held_out) < 2:
        return Loss(0.0, 0)
    return parallel_loss(
        model, held_out, characters=characters, begins=begins, progress=progress
    )


def finished_model_loss(
    model: CharModel,
    held_out: NDArray[np.unsignedinteger[Any]],
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """The `exact_loss` of a short text, else a `parallel_loss` close to it."""
    if len(held_out) <= EXACT_LIMIT:
        return exact_loss(model, held_out, begins=begins, progress=progress)
    return parallel_loss(
        model,
        held_out,
        streams=min(MAX_STREAMS, len(held_out) // STREAM_CHARACTERS),
        characters=MAX_EVALUATED,
        warm_up=256,
        begins=begins,
        progress=progress,
    )


def evaluation_seconds(characters: int, read_per_second: float) -> float:
    """
    How long `finished_model_loss` or `best_temperature` will take, plus a third.

    Learning an initial state takes no longer, since it reads many positions at once.

    Args:
        characters: Length of the text.
        read_per_second: Characters per second of a single stream. Many streams are at
            least twice as fast.
    """
    seconds = min(characters, MAX_EVALUATED) / read_per_second
    return (seconds if characters <= EXACT_LIMIT else seconds / 2) * 4 / 3
