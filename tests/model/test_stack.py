"""The walk up the layers, with numbers small enough to add in the head."""

import numpy as np
import pytest

from lstm_textgen.model.stack import walk


@pytest.mark.parametrize(("residual", "expected"), [(True, 60), (False, 36)])
def test_each_layer_reads_the_one_below(residual, expected):
    """
    The lowest layer replaces its input, the others add to theirs if they are residual.

    The layers multiply by 2, 3 and 4 and add their state, which then grows by 1:
    1 -> 2 + 1 = 3 -> 9 (+ 3) -> 4 times that (+ 12).
    """
    factors, seen = (2, 3, 4), []

    def layer_step(depth, x, state):
        seen.append(depth)
        return factors[depth] * x + state, state + 1

    x, after = walk(np.array([1.0]), (1, 0, 0), layer_step, residual=residual)

    assert seen == [0, 1, 2]
    assert after == (2, 1, 1)
    assert x == [expected]
