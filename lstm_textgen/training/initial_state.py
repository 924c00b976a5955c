"""
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

import numpy as np
import torch

from lstm_textgen.checkpoint.ranges import largest
from lstm_textgen.config import OptimizerConfig
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.optimizer import Optimizer

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
                memory.clamp_(-largest(f"initial.{name}"), largest(f"initial.{name}"))
        if heed is not None:
            heed(read[1:].numel())
    initial.requires_grad_(False)
