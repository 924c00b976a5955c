"""The losses of the steps since they were last told."""

import time

import torch
from torch import Tensor

from lstm_textgen.evaluation.perplexity import Loss


class Tally:
    """
    Sums that stay on the device until they are read: reading makes a GPU wait.

    Args:
        device: Where the losses are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.clear()

    def clear(self) -> None:
        """Begin anew, now."""
        self.characters = 0
        self._nats = torch.zeros((), dtype=torch.float64, device=self._device)
        self._norm = torch.zeros(())
        self.wait()

    def wait(self) -> None:
        """Count the seconds from now on: what went before was no training."""
        self._began_s = time.monotonic()

    def add(self, nats: Tensor, characters: int, norm: Tensor) -> None:
        """
        Add a step.

        Args:
            nats: Its loss, summed over its characters.
            characters: How many these are.
            norm: Of the gradient, before clipping.
        """
        self._nats += nats.detach().double()
        self.characters += characters
        self._norm = norm

    def loss(self) -> Loss:
        """The sum."""
        return Loss(float(self._nats), self.characters)

    def norm(self) -> float:
        """That of the last step."""
        return float(self._norm)

    def seconds(self) -> float:
        """Since the last `clear` or `wait`."""
        return time.monotonic() - self._began_s
