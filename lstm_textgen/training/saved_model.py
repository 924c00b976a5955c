"""The best model of a run as it goes to disk, with what it tells of its training."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_textgen.checkpoint.calibrated import with_temperature
from lstm_textgen.checkpoint.format import (
    Checkpoint,
    build_model,
    checkpoint_of,
)
from lstm_textgen.checkpoint.initial import with_initial_state
from lstm_textgen.checkpoint.ranges import out_of_range
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.evaluation.perplexity import Loss
from lstm_textgen.model.state import zero_state
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.text.streams import Split, Streams
from lstm_textgen.training.calibrating import best_temperature
from lstm_textgen.training.initial_state import initial_steps, learn_initial_state
from lstm_textgen.training.judging import judge
from lstm_textgen.training.trainer import Trainer


def model_of(
    trainer: Trainer, text: EncodedText, split: Split, loss: Loss
) -> Checkpoint:
    """
    The model as it is now.

    Args:
        trainer: Has the weights, and knows how far it came.
        text: The whole text.
        split: Which part of it trains, validates and tests.
        loss: On the part that validates; of no characters if it was not read.
    """
    at, config = trainer.position, trainer.config
    training = TrainingRecord(
        corpus=text.name,
        characters=len(text.ids),
        sha256=text.sha256,
        encoding=config.text.encoding,
        train_start=split.train[0],
        train_stop=split.train[1],
        calibration_start=trainer.streams.apart[0],
        calibration_stop=trainer.streams.apart[1],
        validation_start=split.validation[0],
        validation_stop=split.validation[1],
        test_start=split.test[0],
        test_stop=split.test[1],
        steps=at.step,
        epochs=at.characters / trainer.streams.characters,
        seconds=trainer.meter.elapsed_s(),
        seed=config.seed,
    )
    checkpoint = checkpoint_of(trainer.model, text.tokenizer, training)
    return with_figure(checkpoint, loss)


def finished(
    best: Checkpoint,
    learned: Streams,
    apart: NDArray[np.unsignedinteger[Any]],
    held_out: NDArray[np.unsignedinteger[Any]],
    *,
    device: torch.device,
    heed: Callable[[int], None],
) -> tuple[Checkpoint, Loss]:
    """
    The best model of a run that is over: it begins well, is as sure as it may be, and
    is judged.

    What is finished already stays as it is, so that a crash in between changes nothing.

    Args:
        learned: The text that it has learned from, for the initial state.
        apart: Ids that no step has read; fewer than 2 leave it as sure as it is.
        held_out: Ids that validate; fewer than 2 for none.
        heed: Called while they are read; what it raises ends this.

    Returns:
        The model, and its loss on all held-out ids: of no characters if there are none.
    """
    steps = initial_steps(best.training.steps, learned.characters)
    if best.model.initial_state == "zeros" and steps:
        best = with_initial_state(best, zero_state(best.model, 1))
        model = build_model(best, device=device)
        seed = best.training.seed
        learn_initial_state(model, learned, steps=steps, seed=seed, heed=heed)
        best = with_initial_state(best, model.initial_state(1))
    if best.training.temperature is None and len(apart) >= 2:
        model = build_model(best, device=device)
        best = with_temperature(best, best_temperature(model, apart, heed))
    if len(held_out) < 2:
        return best, Loss(0.0, 0)
    model = build_model(best, device=device)
    loss = judge(model, held_out, best.tokenizer.begins, heed)
    return with_figure(best, loss), loss


def check_weights(trainer: Trainer) -> None:
    """
    See that the weights can be kept, before a file is made of them.

    Raises:
        DivergedError: One is no number, or larger than any checkpoint holds.
    """
    found = out_of_range(trainer.model.state_dict())
    if found is not None:
        raise trainer.ran_away(f"A weight is {found}")


def with_figure(checkpoint: Checkpoint, loss: Loss) -> Checkpoint:
    """The same model with another figure on what validates; as it is without any."""
    if not loss.characters:
        return checkpoint
    training = dataclasses.replace(
        checkpoint.training,
        validation_nats_per_char=loss.nats_per_char,
        validation_characters=loss.characters,
    )
    return dataclasses.replace(checkpoint, training=training)
