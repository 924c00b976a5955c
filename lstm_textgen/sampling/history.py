"""
What was written last, in memory that does not grow.

Shapes: N samples, K characters of history.
"""

import torch
from jaxtyping import Int64, Integer
from numpy import ndarray
from torch import Tensor


class History:
    """
    The last characters of some samples that began alike.

    Args:
        recent: The end of what they have in common, the newest last.
        samples: N.
        window: The most characters to look back, 1 or more.
    """

    def __init__(
        self, recent: Integer[ndarray, " R"], samples: int, window: int
    ) -> None:
        known = torch.as_tensor(recent[-window:].astype("int64"))
        # twice as long as needed, so that it is moved to the front once in a while
        self._ids = torch.zeros(samples, 2 * window, dtype=torch.int64)
        self._ids[:, : len(known)] = known
        self._window, self._end = window, len(known)

    @property
    def last(self) -> Int64[Tensor, "N K"]:
        """The newest last; K grows up to the window."""
        return self._ids[:, max(self._end - self._window, 0) : self._end]

    def add(self, ids: Int64[Tensor, " N"]) -> None:
        """One more character of every sample."""
        if self._end == self._ids.shape[1]:
            self._ids[:, : self._window] = self._ids[:, -self._window :].clone()
            self._end = self._window
        self._ids[:, self._end] = ids
        self._end += 1
