"""
Fair draws that can be repeated: random numbers by seed, sample and place.

Shapes: N samples, V vocabulary.
"""

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor


class Dice:
    """
    The random numbers of one sample, the same wherever and with whom it is drawn.

    Number n depends on the seed, the sample and n alone: a counter-based generator
    keyed by seed and sample.

    Args:
        seed: 0 to 2^63 - 1.
        sample: Which sample of that seed, 0 or more.

    Source:
        Salmon et al. (2011), Parallel Random Numbers: As Easy as 1, 2, 3.
    """

    BLOCK = 256

    def __init__(self, seed: int, sample: int = 0) -> None:
        key = np.array([seed, sample], dtype=np.uint64)
        self._generator = np.random.Generator(np.random.Philox(key=key))
        self._block: list[float] = []

    def roll(self) -> float:
        """The next number, at least 0 and below 1."""
        if not self._block:  # many at once, because one call costs a microsecond
            self._block = self._generator.random(self.BLOCK).tolist()[::-1]
        return self._block.pop()


def draw(
    logits: Float[Tensor, "N V"], uniforms: Float64[Tensor, " N"]
) -> Int64[Tensor, " N"]:
    """
    Draw one character per row by inverting the cumulative distribution.

    Args:
        logits: After all transforms; at least one per row is finite.
        uniforms: One number per row, at least 0 and below 1.

    Returns:
        Ids, each with a probability above 0.
    """
    probs = logits.double().softmax(dim=-1)
    mass = probs.cumsum(dim=-1)
    # of the total that was reached, not of 1: rounding must not pass the last one
    targets = uniforms.unsqueeze(-1) * mass[:, -1:]
    return torch.searchsorted(mass, targets, right=True).squeeze(-1)
