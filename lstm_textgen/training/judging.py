"""What a model loses on the held-out text, and how long that takes to find."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.evaluation.perplexity import Loss, estimate, evaluate
from lstm_textgen.model.network import CharModel

LONG_STREAM = 16_384
MOST_STREAMS = 64

EXACT_LIMIT = 2 * LONG_STREAM
"""Held-out characters that the last evaluation reads in one pass; beyond, side by
side in up to `MOST_STREAMS` streams of at least `LONG_STREAM`, each warmed up. The
sixth decimal is another then, and it takes half of the time."""

MOST_JUDGED = 1_000_000
"""Held-out characters that the last evaluation counts, so that a long text leaves the
minutes to the training: of more, as many, from `MOST_STREAMS` places."""


def glance(
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


def judge(
    model: CharModel,
    held_out: NDArray[np.unsignedinteger[Any]],
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """The loss of a finished model: exact where that takes no time, else very near."""
    if len(held_out) <= EXACT_LIMIT:
        return evaluate(model, held_out, begins=begins, progress=progress)
    streams = min(MOST_STREAMS, len(held_out) // LONG_STREAM)
    return estimate(
        *(model, held_out),
        streams=streams,
        characters=MOST_JUDGED,
        warm_up=256,
        begins=begins,
        progress=progress,
    )


def judging_seconds(characters: int, read_per_second: float) -> float:
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
