"""The last characters, in memory that does not grow."""

import numpy as np
import torch

from lstm_textgen.sampling.generate import History


def test_it_is_the_end_of_all_that_was_written():
    """For windows and prompts of any length, at every step."""
    for window in (1, 2, 5):
        for known in (0, 1, 4, 9):
            whole = np.arange(known)
            history = History(whole, 2, window)
            for step in range(23):
                expected = torch.as_tensor(whole[-window:] if len(whole) else whole)

                assert torch.equal(history.last, expected.expand(2, -1))
                whole = np.append(whole, 100 + step)
                history.add(torch.tensor([100 + step] * 2))


def test_samples_go_their_own_ways():
    """From a common beginning."""
    history = History(np.array([7, 8]), 2, 3)
    history.add(torch.tensor([1, 2]))
    history.add(torch.tensor([3, 4]))

    assert history.last.tolist() == [[8, 1, 3], [8, 2, 4]]
