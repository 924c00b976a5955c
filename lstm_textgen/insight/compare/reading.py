"""
Train one network on the text, and measure what it has learned to use.

Letters: N ids, P places, T characters of a window, B windows.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.config import BudgetConfig, RunConfig
from lstm_textgen.errors import CorpusError
from lstm_textgen.evaluation.perplexity import estimate
from lstm_textgen.insight.compare.context import LENGTHS, context_losses
from lstm_textgen.insight.compare.pieces import Result, TextPiece
from lstm_textgen.insight.compare.reach import gradient_reach
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.budget import Meter
from lstm_textgen.training.events import Evaluated, StepDone
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.trainer import Trainer

REACH_WINDOW = 512
"""Characters through which a gradient is followed back."""

LEAST_HELD_OUT = 2 * REACH_WINDOW
"""Characters that measuring needs."""

JUDGED = 100_000
"""Held-out characters at most that the finished network is judged by."""

Ids = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """What every network of a comparison reads."""

    train: Ids
    held_out: Ids
    vocabulary: int

    def __post_init__(self) -> None:
        if len(self.held_out) < LEAST_HELD_OUT:
            raise CorpusError(
                f"The held-out text has {len(self.held_out):,} characters, "
                f"and measuring context needs {LEAST_HELD_OUT:,}.",
                f"Give a text of at least {10 * LEAST_HELD_OUT:,} characters.",
            )


def read_text(
    piece: TextPiece, material: Material, go_on: Callable[[], None]
) -> Result:
    """
    Train, judge, and if the piece says so, measure.

    Args:
        piece: The settings.
        material: The text.
        go_on: Called now and then; may raise to break off.

    Returns:
        Plain JSON: `nats_per_char`, the `curve` of [characters, seconds, nats per
        character] on the way, and the gradient reach `untrained` and `trained` and
        the `context` losses where they were measured. Seconds are those of
        training alone.

    Raises:
        DivergedError: The loss is no longer a number.
    """
    trainer = _trainer(piece, material)
    measures: dict[str, Any] = {}
    if piece.places:
        windows = _windows(material, piece)
        measures["untrained"] = gradient_reach(trainer.model, windows, go_on).tolist()
    curve: list[tuple[int, float, float]] = []
    seconds = 0.0
    for event in trainer.fit():
        go_on()
        if isinstance(event, StepDone):
            seconds += event.loss.characters / event.characters_per_second
        if isinstance(event, Evaluated):
            read = trainer.position.characters
            curve.append((read, seconds, event.loss.nats_per_char))
    loss = estimate(trainer.model, material.held_out, characters=JUDGED)
    if piece.places:
        measures["trained"] = gradient_reach(trainer.model, windows, go_on).tolist()
        places = _places(material, piece.places)
        losses = context_losses(trainer.model, material.held_out, places, go_on=go_on)
        measures["context"] = losses.tolist()
    return {"nats_per_char": loss.nats_per_char, "curve": curve} | measures


def new_model(piece: TextPiece, vocabulary: int) -> CharModel:
    """The network of a piece at birth."""
    model = CharModel(piece.model, vocabulary)
    initialise(model, torch.Generator().manual_seed(piece.seed))
    return model.to(piece.device)


def _trainer(piece: TextPiece, material: Material) -> Trainer:
    config = RunConfig(
        model=piece.model,
        optimizer=piece.optimizer,
        budget=BudgetConfig(steps=piece.steps),
        seed=piece.seed,
        precision="float32",
    )
    streams = Streams(
        ids=material.train,
        streams=piece.optimizer.streams,
        window=piece.optimizer.window,
        seed=piece.seed,
    )
    meter = Meter(config.budget, ticks=streams.ticks, started_s=time.monotonic())
    return Trainer(
        new_model(piece, material.vocabulary),
        streams,
        material.held_out,
        config,
        machine=Machine(torch.device(piece.device), torch.get_num_threads()),
        meter=meter,
        sample=piece.sample,
    )


def windows_at(places: int) -> int:
    """Through how many windows a gradient is followed, if context has *places*."""
    return max(16, min(64, places // 32))


def _places(material: Material, count: int) -> Int64[np.ndarray, " P"]:
    """Held-out characters with enough before them, spread evenly."""
    held_out = len(material.held_out)
    return np.linspace(LENGTHS[-1], held_out - 1, count).astype(np.int64)


def _windows(material: Material, piece: TextPiece) -> Int64[Tensor, "T B"]:
    """Held-out windows at random places: inputs, and the character after them."""
    random = np.random.Generator(np.random.Philox(piece.seed))
    count = windows_at(piece.places)
    starts = random.integers(0, len(material.held_out) - REACH_WINDOW, count)
    places = starts + np.arange(REACH_WINDOW + 1)[:, None]
    ids = material.held_out[places].astype(np.int64)
    return torch.from_numpy(ids).to(piece.device)
