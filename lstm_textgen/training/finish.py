"""
The best model of a run as it goes to disk, with what it tells of its training.

How sure a finished model may be: one number, found on text that no step has read.

A network that has read its text many times gives the likeliest character too much of
the probability on any other text. Dividing its logits by one temperature mends that,
after Guo et al., 2017, "On Calibration of Modern Neural Networks". It cannot be found
on what the network has learned from, where being sure is right, so that a piece of the
training part is kept apart for it: from the middle, since what stands just before the
held-out text is the best teacher for it, and what stands first may be a preface.

What a model remembers before the first character: learned when a run has ended.

In training a memory is carried from window to window, and the network meets an empty
one only where an epoch begins. It never learns to begin there, and expects the first
characters of a text as badly as if it had not read the one before: after one character
it needs 3.3 nats for the next where a table of pairs needs 2.5. So the memory of zeros
is moved to where it loses least at the beginning of pieces from all over the text, with
every weight at rest.

Shapes: T characters, B places.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.checkpoint.format import Checkpoint, with_temperature
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.checkpoint.schema import max_magnitude, out_of_range
from lstm_textgen.config import OptimizerConfig
from lstm_textgen.evaluation.loss import Loss, with_loss
from lstm_textgen.evaluation.perplexity import final_loss, read_on, summed_loss
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import zero_state
from lstm_textgen.model.weights import (
    build_model,
    to_arrays,
    to_checkpoint,
    with_initial_state,
)
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.streams import Split, Streams
from lstm_textgen.training.loop import Trainer
from lstm_textgen.training.optimizer import Optimizer


def to_model(
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
    checkpoint = to_checkpoint(trainer.model, text.tokenizer, training)
    return with_loss(checkpoint, loss)


def finish(
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
    loss = final_loss(model, held_out, best.tokenizer.begins, heed)
    return with_loss(best, loss), loss


def check_weights(trainer: Trainer) -> None:
    """
    See that the weights can be kept, before a file is made of them.

    Raises:
        DivergedError: One is no number, or larger than any checkpoint holds.
    """
    found = out_of_range(to_arrays(trainer.model.state_dict()))
    if found is not None:
        raise trainer.ran_away(f"A weight is {found}")


SHARPNESS = torch.linspace(0.6, 1.2, 7)
"""What logits are multiplied by, to see which loses least: one over the temperature."""


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


MOST_STEPS = 64
"""Twice as many gain another 0.001 nats per character of a text of 256."""

RUN_STEPS = 32
"""A step for so many of the run, so that a short one is not held up."""

PLACES, LENGTH = 24, 32
"""Pieces that a step reads, and how long they are."""

RATE = 0.06
"""Of Adam, from here straight down to zero: a memory goes from -1 to 1 or so."""


def initial_steps(run_steps: int, characters: int) -> int:
    """
    How many steps look for it.

    Args:
        run_steps: Of the training, up to the best model.
        characters: That it learned from; too few for one step's pieces give none.
    """
    return min(MOST_STEPS, run_steps // RUN_STEPS) * (characters > PLACES * LENGTH)


def learn_initial_state(
    model: CharModel,
    text: Streams,
    *,
    steps: int,
    seed: int,
    heed: Callable[[int], None] | None = None,
) -> None:
    """
    Find the memory with which *model* expects the beginnings of pieces of *text* best.

    Args:
        model: With an initial state to be learned, changed in place, and all other
            weights, which are not.
        text: What it has learned from, more than `LENGTH` characters; what is apart
            in it is not read.
        steps: At least 1.
        seed: Decides which pieces are read.
        heed: Called with the number of ids of each step; what it raises ends this.
    """
    initial = model.requires_grad_(False).initial.requires_grad_()
    # of vectors it is plain Adam, without decay
    adam = Optimizer(initial, OptimizerConfig(learning_rate=RATE))
    generator = np.random.default_rng(seed)
    for step in range(steps):
        starts = generator.integers(0, text.characters - LENGTH, size=PLACES)
        pieces = text.read(starts + np.arange(LENGTH + 1)[:, None])
        read = torch.from_numpy(pieces).to(model.head.weight.device)
        logits, _ = model(read[:-1], model.initial_state(PLACES))
        loss = summed_loss(logits, read[1:]) / read[1:].numel()
        torch.autograd.backward(loss)
        adam.rate = RATE * (1 - step / steps)
        adam.step()
        with torch.no_grad():
            for name, memory in initial.named_parameters():
                limit = max_magnitude(f"initial.{name}")
                memory.clamp_(-limit, limit)
        if heed is not None:
            heed(read[1:].numel())
    initial.requires_grad_(False)
