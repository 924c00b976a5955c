"""
Teach a network one recall task, and see how far it can remember.

Every cell sees the same questions in the same order. Short distances come first:
the longest one grows from 16 to the farthest over the first half of the run, and each
batch has one distance, drawn evenly on a logarithmic scale.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from lstm_textgen.compare.tasks import (
    DISTANCES,
    SHORTEST,
    Batch,
    Question,
    RecallTask,
    as_batch,
)
from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.text.streams import IGNORE
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.schedule import rate_factor

GROWS_UNTIL = 0.5
"""Share of the run after which questions come from all distances."""

FIRST_LONGEST = 16

FARTHEST = DISTANCES[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskTraining:
    """How a task is taught."""

    steps: int
    """Batches, each followed by one change of the weights."""
    streams: int
    """Questions of a batch."""
    optimizer: OptimizerConfig
    seed: int
    device: torch.device


def distance_at(progress: float, random: Random) -> int:
    """
    A distance for the next batch.

    Args:
        progress: Share of the run that is over, 0 to 1.
        random: Where the choice comes from.
    """
    share = min(1.0, progress / GROWS_UNTIL)
    longest = FIRST_LONGEST * (FARTHEST / FIRST_LONGEST) ** share
    spread = math.log(longest / SHORTEST)
    return round(SHORTEST * math.exp(random.random() * spread))


def teach(
    task: RecallTask,
    config: ModelConfig,
    drill: TaskTraining,
    go_on: Callable[[], None],
) -> CharModel:
    """
    Train a new network on *task*; only the characters asked for count.

    Args:
        task: What to learn.
        config: The shape of the network.
        drill: How long, and how fast.
        go_on: Called before every step; may raise to break off.

    Raises:
        DivergedError: The loss is no longer a number.
    """
    model = CharModel(config, len(task.alphabet))
    initialize(model, torch.Generator().manual_seed(drill.seed))
    optimizer = Optimizer(model.to(drill.device), drill.optimizer)
    random = Random(f"{task.name} {drill.seed}")
    for step in range(drill.steps):
        go_on()
        distance = distance_at(step / drill.steps, random)
        questions = [task.ask(distance, random) for _ in range(drill.streams)]
        _step(model, as_batch(questions, task.alphabet), drill.optimizer.clip)
        share = (step + 0.5) / drill.steps
        optimizer.rate = drill.optimizer.learning_rate * rate_factor(
            share, drill.optimizer.warm_up
        )
        optimizer.step()
    return model


def _step(model: CharModel, batch: Batch, clip: float) -> None:
    """Gradients of one batch, clipped."""
    logits, targets = _read(model, batch)
    nats = summed_loss(logits, targets) / int((targets != IGNORE).sum())
    torch.autograd.backward(nats)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    if not math.isfinite(float(norm)):
        raise DivergedError(
            f"The gradient of a recall task is {float(norm):.4g}: training ran away.",
            "Compare with lower learning rates.",
        )


def _read(model: CharModel, batch: Batch) -> tuple[Tensor, Tensor]:
    device = model.head.weight.device
    inputs = torch.from_numpy(batch.inputs).to(device)
    targets = torch.from_numpy(batch.targets).to(device)
    return model(inputs, model.initial_state(inputs.shape[1]))[0], targets


@torch.inference_mode()
def accuracy(
    model: CharModel,
    task: RecallTask,
    distance: int,
    count: int,
    *,
    seed: int = 0,
    go_on: Callable[[], None] = lambda: None,
) -> float:
    """
    How often the network's likeliest answer is right.

    Args:
        model: Knows the alphabet of the task.
        task: What to ask; the choice is among its answers.
        distance: How far back what decides stands.
        count: Questions, fresh ones.
        seed: Of the questions; no training uses the same.
        go_on: Called every second or so; may raise to break off.

    Returns:
        The share of the characters asked for, 0 to 1.
    """
    random = Random(f"judge {task.name} {distance} {seed}")
    questions = [task.ask(distance, random) for _ in range(count)]
    ids = [task.alphabet.index(char) for char in task.answers]
    answers = torch.tensor(ids, device=model.head.weight.device)
    right = asked = 0
    for start in range(0, count, 128):
        go_on()
        some: list[Question] = questions[start : start + 128]
        logits, targets = _read(model, as_batch(some, task.alphabet))
        counted = targets != IGNORE
        said = answers[logits[counted][:, answers].argmax(dim=-1)]
        right += int((said == targets[counted]).sum())
        asked += int(counted.sum())
    return right / asked


def half_way(
    distances: Float64[np.ndarray, " D"],
    accuracies: Float64[np.ndarray, " D"],
    baseline: float,
) -> float | None:
    """
    The distance at which accuracy falls half way from perfect to the baseline.

    Between two distances the way is taken as straight, on a logarithmic scale.

    Returns:
        None where it never falls so low; the first distance where it starts there.
    """
    middle = (1 + baseline) / 2
    below = np.flatnonzero(accuracies < middle)
    if len(below) == 0:
        return None
    at = int(below[0])
    if at == 0:
        return float(distances[0])
    high, low = accuracies[at - 1], accuracies[at]
    share = (high - middle) / (high - low)
    ratio = distances[at] / distances[at - 1]
    return float(distances[at - 1] * ratio**share)
