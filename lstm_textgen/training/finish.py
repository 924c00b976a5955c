"""
The end of a run: the best model gets an initial state, a temperature and its loss.

The initial state. In training the recurrent state is carried from window to window,
and the network meets an empty one only where an epoch begins. It never learns to begin
there, and predicts the first characters of a text as badly as if it had not read the
one before: after one character it needs 3.3 nats for the next where a table of pairs
needs 2.5. So, with all weights frozen, the state of zeros is moved to where the loss is
lowest at the beginning of pieces from all over the text.

The temperature. A network that has read its text many times is overconfident on any
other text. Dividing its logits by one temperature mends that (Guo et al., 2017, "On
Calibration of Modern Neural Networks"). It cannot be fitted on text that the network
has learned from, so a calibration slice is held out of the training part: from the
middle, since what stands just before the held-out text is the best teacher for it, and
what stands first may be a preface.

Shapes: T characters, B pieces.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.checkpoint.format import Checkpoint, versions, with_temperature
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.checkpoint.schema import max_magnitude
from lstm_textgen.config import OptimizerConfig
from lstm_textgen.evaluation.loss import Loss, with_loss
from lstm_textgen.evaluation.perplexity import (
    evaluation_seconds,
    finished_model_loss,
    read_on,
    summed_loss,
)
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import zero_state
from lstm_textgen.model.weights import build_model, to_arrays, with_initial_state
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.data import TrainingData
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.spec import RunSpec
from lstm_textgen.training.state import RunState


def checkpoint_of(
    spec: RunSpec, state: RunState, text: EncodedText, loss: Loss
) -> Checkpoint:
    """
    The model of a state.

    Args:
        loss: On the validation part; of no characters if it was not read.
    """
    at, split = state.position, spec.split
    training = TrainingRecord(
        corpus=text.name,
        characters=len(text.ids),
        sha256=text.sha256,
        encoding=spec.config.text.encoding,
        train_start=split.train[0],
        train_stop=split.train[1],
        calibration_start=spec.calibration[0],
        calibration_stop=spec.calibration[1],
        validation_start=split.validation[0],
        validation_stop=split.validation[1],
        test_start=split.test[0],
        test_stop=split.test[1],
        steps=at.step,
        epochs=at.characters / spec.trained_ids,
        seconds=at.spent_s,
        seed=spec.config.seed,
    )
    checkpoint = Checkpoint(
        model=spec.config.model,
        tokenizer=text.tokenizer,
        training=training,
        tensors=to_arrays(state.weights, torch.float32),
        made_by=versions(),
    )
    return with_loss(checkpoint, loss)


def finish(
    best: Checkpoint,
    data: TrainingData,
    *,
    device: torch.device,
    check_interrupt: Callable[[int], None],
) -> tuple[Checkpoint, Loss]:
    """
    Give the best model of a run its initial state and its temperature, and evaluate it.

    What is finished already stays as it is, so that a crash in between changes nothing.

    Args:
        best: The model.
        data: What it has learned from, and what it has not.
        device: Where to compute.
        check_interrupt: Called while the text is read; what it raises ends this.

    Returns:
        The model, and its loss on all held-out ids: of no characters if there are none.
    """
    steps = initial_steps(best.training.steps, data.streams.characters)
    if best.model.initial_state == "zeros" and steps:
        best = with_initial_state(best, zero_state(best.model, 1))
        model = build_model(best, device=device)
        learn_initial_state(
            model,
            data.streams,
            steps=steps,
            seed=best.training.seed,
            check_interrupt=check_interrupt,
        )
        best = with_initial_state(best, model.initial_state(1))
    if best.training.temperature is None and len(data.calibration) >= 2:
        model = build_model(best, device=device)
        temperature = best_temperature(model, data.calibration, check_interrupt)
        best = with_temperature(best, temperature)
    if len(data.held_out) < 2:
        return best, Loss(0.0, 0)
    model = build_model(best, device=device)
    begins = best.tokenizer.begins
    loss = finished_model_loss(model, data.held_out, begins, check_interrupt)
    return with_loss(best, loss), loss


INITIAL_STEPS = 64
"""Maximum; doubling it gains only 0.001 nats per character of a text of 256."""

RUN_STEPS = 32
"""One step per this many training steps, so that a short run is not held up."""

PIECES, LENGTH = 24, 32
"""Pieces of text that a step reads, and characters of each."""

RATE = 0.06
"""Initial rate of Adam; decays linearly to 0. A state is between -1 and 1 or so."""


def initial_steps(run_steps: int, characters: int) -> int:
    """
    How many steps the initial state is learned for.

    Args:
        run_steps: Of the training, up to the best model.
        characters: Length of the training text; if too short, 0 is returned.
    """
    return min(INITIAL_STEPS, run_steps // RUN_STEPS) * (characters > PIECES * LENGTH)


def learn_initial_state(
    model: CharModel,
    text: Streams,
    *,
    steps: int,
    seed: int,
    check_interrupt: Callable[[int], None] | None = None,
) -> None:
    """
    Learn the initial state with which *model* predicts the beginning of pieces best.

    Args:
        model: With an initial state to be learned, which is changed in place, and other
            weights, which are not.
        text: What it has learned from, more than `LENGTH` characters; the calibration
            slice is not read.
        steps: At least 1.
        seed: Decides which pieces are read.
        check_interrupt: Called with the number of ids of each step; what it raises ends
            this.
    """
    initial = model.requires_grad_(False).initial.requires_grad_()
    # plain Adam: vectors have neither a basis nor decay
    adam = Optimizer(initial, OptimizerConfig(learning_rate=RATE))
    generator = np.random.default_rng(seed)
    for step in range(steps):
        starts = generator.integers(0, text.characters - LENGTH, size=PIECES)
        pieces = text.read(starts + np.arange(LENGTH + 1)[:, None])
        ids = torch.from_numpy(pieces).to(model.head.weight.device)
        logits, _ = model(ids[:-1], model.initial_state(PIECES))
        loss = summed_loss(logits, ids[1:]) / ids[1:].numel()
        torch.autograd.backward(loss)
        adam.step(RATE * (1 - step / steps))
        with torch.no_grad():
            for name, part in initial.named_parameters():
                limit = max_magnitude(f"initial.{name}")
                part.clamp_(-limit, limit)
        if check_interrupt is not None:
            check_interrupt(ids[1:].numel())
    initial.requires_grad_(False)


def reserved_seconds(spec: RunSpec) -> float:
    """How long `finish` takes; a budget in minutes leaves time for it."""
    parts = [INITIAL_STEPS * PIECES * LENGTH]
    parts += [stop - start for start, stop in (spec.split.validation, spec.calibration)]
    speed = spec.characters_read_per_second
    return sum(evaluation_seconds(characters, speed) for characters in parts)


SHARPNESS = torch.linspace(0.6, 1.2, 7)
"""Inverse temperatures that are tried."""


@torch.inference_mode()
def best_temperature(
    model: CharModel,
    ids: NDArray[np.unsignedinteger[Any]],
    check_interrupt: Callable[[int], None] | None = None,
) -> float:
    """
    The temperature at which *model* has the lowest loss on *ids*.

    The loss is convex in the inverse temperature: a parabola through the best of a few
    and its neighbors has its minimum very near the true one.

    Args:
        model: Reads on the device and in the type of its weights.
        ids: At least 2, of a text that it has not learned from.
        check_interrupt: Called with the number of ids of each window read.

    Returns:
        From 1 / 1.2 to 1 / 0.6.

    Raises:
        CorpusError: There are fewer than 2 ids.
    """
    nats = torch.zeros(len(SHARPNESS), dtype=torch.float64)
    for logits, targets in read_on(model, ids, check_interrupt):
        window_nats = [float(summed_loss(s * logits, targets)) for s in SHARPNESS]
        nats += torch.tensor(window_nats, dtype=torch.float64)
    return 1 / _minimum(SHARPNESS.double(), nats)


def _minimum(places: Float[Tensor, " n"], values: Float[Tensor, " n"]) -> float:
    """Where the parabola through the lowest of evenly spaced values is lowest."""
    at = int(values.argmin().clamp(1, len(values) - 2))
    left, middle, right = values[at - 1 : at + 2].tolist()
    step = float(places[1] - places[0])
    bend = left - 2 * middle + right
    moved = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return float(places[at]) + step * min(1.0, max(-1.0, moved))
