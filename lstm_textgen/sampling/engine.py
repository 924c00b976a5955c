"""
Ids to ids: read a prompt, then draw one character after the other. Knows no text.

Shapes: N samples, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.state import StackState
from lstm_textgen.sampling.chain import Dice, draw, make_chain
from lstm_textgen.sampling.fast import FastStepper

PROMPT_WINDOW = 1024
"""Characters of a prompt that are read at a time: memory, not meaning."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One character of one sample."""

    id: int
    nats: float
    """What the model itself, before all transforms, would have paid for it."""


@torch.inference_mode()
def read_prompt(
    model: CharModel, ids: NDArray[np.unsignedinteger]
) -> tuple[Float[Tensor, "1 V"], StackState]:
    """
    Read a prompt of any length through the fused layers.

    Args:
        model: The network.
        ids: The prompt, at least 1 character.

    Returns:
        Logits of the character after it, and the memory.
    """
    state = model.zero_state(1)
    device = model.head.weight.device
    logits = torch.empty(0)
    for start in range(0, len(ids), PROMPT_WINDOW):
        window = ids[start : start + PROMPT_WINDOW].astype(np.int64)
        seen = torch.from_numpy(window).to(device).unsqueeze(1)
        logits, state = model(seen, state)
    return logits[-1], state


def generate(
    stepper: FastStepper,
    logits: Float[Tensor, "1 V"],
    state: StackState,
    config: SampleConfig,
    *,
    samples: int = 1,
) -> Iterator[list[Drawn]]:
    """
    Draw characters without end.

    Args:
        stepper: The network.
        logits: Of the first character to draw.
        state: The memory before it.
        config: How to draw.
        samples: How many texts to draw side by side from the same beginning.
            Sample n is the same text, however many are drawn with it, up to the
            rounding of a batched matrix product.

    Yields:
        The next character of every sample.
    """
    chain = make_chain(config)
    dice = [Dice(config.seed, sample) for sample in range(samples)]
    state = state.map(lambda tensor: tensor.expand(samples, -1))
    logits = logits.expand(samples, -1)
    while True:
        changed = logits
        for transform in chain:
            changed = transform(changed)
        rolls = torch.tensor([die.roll() for die in dice], dtype=torch.float64)
        ids = draw(changed.cpu(), rolls).to(logits.device)
        paid = -logits.log_softmax(dim=-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
        yield [Drawn(*pair) for pair in zip(ids.tolist(), paid.tolist(), strict=True)]
        logits, state = stepper.step(ids, state)
