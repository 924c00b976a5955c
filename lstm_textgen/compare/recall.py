"""
Train a network on one recall task, and measure how far back it remembers.

Every cell sees the same questions in the same order. Short distances come first: the
longest one grows from 16 to 256 over the first half of the run. Each batch has one
distance, drawn log-uniformly.

Shapes: T characters, B questions, V vocabulary, D distances.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from lstm_textgen.compare.tasks import (
    DISTANCES,
    MAX_DISTANCE,
    MIN_DISTANCE,
    Question,
    RecallTask,
    make_batch,
)
from lstm_textgen.config import TrainConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.text.streams import IGNORE
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.schedule import rate_factor

FIRST_MAX_DISTANCE = 16

ALL_DISTANCES_FROM = 0.5
"""Fraction of the run after which questions have all distances."""

QUESTIONS_AT_ONCE = 128


def distance_at(progress: float, random: Random) -> int:
    """
    Draw the distance of the next batch.

    Args:
        progress: Fraction of the run that is done, 0 to 1.
        random: Source of the draw.
    """
    growth = min(1.0, progress / ALL_DISTANCES_FROM)
    longest = FIRST_MAX_DISTANCE * (MAX_DISTANCE / FIRST_MAX_DISTANCE) ** growth
    spread = math.log(longest / MIN_DISTANCE)
    return round(MIN_DISTANCE * math.exp(random.random() * spread))


def measure_on_task(
    config: TrainConfig,
    task: RecallTask,
    *,
    device: torch.device,
    questions: int,
    check_interrupt: Callable[[], None],
) -> dict[str, Any]:
    """
    Train a network on a recall task and measure it.

    Args:
        config: The network, its optimizer, steps and seed.
        task: What to learn.
        device: Where to compute.
        questions: Asked at each distance.
        check_interrupt: Called often; may raise to stop.

    Returns:
        Plain JSON: the `accuracies` at `DISTANCES`, 0 to 1.

    Raises:
        DivergedError: The gradient is not finite.
    """
    model = train_on_task(task, config, device=device, check_interrupt=check_interrupt)
    accuracy_at = partial(
        measure_accuracy,
        model,
        task,
        count=questions,
        seed=config.seed,
        check_interrupt=check_interrupt,
    )
    return {"accuracies": [accuracy_at(distance) for distance in DISTANCES]}


def train_on_task(
    task: RecallTask,
    config: TrainConfig,
    *,
    device: torch.device,
    check_interrupt: Callable[[], None] = lambda: None,
) -> CharModel:
    """
    Train a new network on *task*; only answers count in the loss.

    Args:
        task: What to learn.
        config: The network, its optimizer, steps and seed. The streams are the
            questions of a batch; the window is not used.
        device: Where to compute.
        check_interrupt: Called before every step; may raise to stop.

    Raises:
        DivergedError: The gradient is not finite.
    """
    model = CharModel(config.model, len(task.alphabet))
    initialize(model, torch.Generator().manual_seed(config.seed))
    settings, steps = config.optimizer, config.budget.steps
    assert steps is not None
    optimizer = Optimizer(model.to(device), settings)
    random = Random(f"{task.name} {config.seed}")
    for step in range(steps):
        check_interrupt()
        distance = distance_at(step / steps, random)
        questions = [
            task.make_question(distance, random) for _ in range(settings.streams)
        ]
        _backward(model, task, questions, settings.clip)
        progress = (step + 0.5) / steps
        factor = rate_factor(progress, settings.warm_up)
        optimizer.step(settings.learning_rate * factor)
    return model


def _backward(
    model: CharModel, task: RecallTask, questions: Sequence[Question], clip: float
) -> None:
    """Compute the clipped gradients of one batch."""
    logits, targets = _forward(model, task, questions)
    nats = summed_loss(logits, targets) / int((targets != IGNORE).sum())
    torch.autograd.backward(nats)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    if not math.isfinite(float(norm)):
        raise DivergedError(
            f"The gradient of a recall task is {float(norm):.4g}: training ran away.",
            "Compare with lower learning rates.",
        )


def _forward(
    model: CharModel, task: RecallTask, questions: Sequence[Question]
) -> tuple[Float[Tensor, "T B V"], Int64[Tensor, "T B"]]:
    """Logits and targets on the device of the model."""
    device = model.head.weight.device
    inputs, targets = (ids.to(device) for ids in make_batch(questions, task.alphabet))
    return model(inputs, model.initial_state(len(questions)))[0], targets


@torch.inference_mode()
def measure_accuracy(
    model: CharModel,
    task: RecallTask,
    distance: int,
    count: int,
    *,
    seed: int = 0,
    check_interrupt: Callable[[], None] = lambda: None,
) -> float:
    """
    How often the most likely answer is right.

    Args:
        model: Has the alphabet of the task as its vocabulary.
        task: Only its answers are ranked.
        distance: Characters between what decides and the answer.
        count: Number of questions, drawn anew.
        seed: Of the questions; no training uses the same ones.
        check_interrupt: Called every second or so; may raise to stop.

    Returns:
        Fraction of right answers, 0 to 1.
    """
    random = Random(f"judge {task.name} {distance} {seed}")
    questions = [task.make_question(distance, random) for _ in range(count)]
    ids = [task.alphabet.index(char) for char in task.answers]
    answer_ids = torch.tensor(ids, device=model.head.weight.device)
    right = total = 0
    for start in range(0, count, QUESTIONS_AT_ONCE):
        check_interrupt()
        batch = questions[start : start + QUESTIONS_AT_ONCE]
        logits, targets = _forward(model, task, batch)
        is_answer = targets != IGNORE
        predicted = answer_ids[logits[is_answer][:, answer_ids].argmax(dim=-1)]
        right += int((predicted == targets[is_answer]).sum())
        total += int(is_answer.sum())
    return right / total


def half_way_distance(
    distances: Float64[np.ndarray, " D"],
    accuracies: Float64[np.ndarray, " D"],
    baseline: float,
) -> float | None:
    """
    The first distance at which accuracy is half way from perfect to the baseline.

    Between two distances accuracy is interpolated linearly in the log of the distance.

    Returns:
        None where accuracy stays above that; the first distance where it starts below.
    """
    middle = (1 + baseline) / 2
    below = np.flatnonzero(accuracies < middle)
    if len(below) == 0:
        return None
    at = int(below[0])
    if at == 0:
        return float(distances[0])
    high, low = accuracies[at - 1], accuracies[at]
    fraction = (high - middle) / (high - low)
    ratio = distances[at] / distances[at - 1]
    return float(distances[at - 1] * ratio**fraction)
