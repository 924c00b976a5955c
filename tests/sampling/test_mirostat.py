"""Mirostat: a mask whose limit follows what was drawn."""

import pytest
import torch

from lstm_textgen.sampling.transforms import first_limits, keep_below_limit, next_limits


def limits(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(0.1, {0}), (0.69, {0}), (0.7, {0}), (1.4, {0, 1}), (2.1, {0, 1, 2, 3})],
)
def test_what_surprises_more_than_the_limit_is_left_out(limit, kept):
    """Probabilities 1/2, 1/4, 1/8, 1/8 surprise by 0.69, 1.39, 2.08, 2.08 nats."""
    logits = torch.tensor([[0.5, 0.25, 0.125, 0.125]], dtype=torch.float64).log()

    changed = keep_below_limit(logits, limits(limit))

    assert set(changed[0].isfinite().nonzero()[:, 0].tolist()) == kept


def test_every_row_has_its_own_limit():
    """And the likeliest of each stays."""
    logits = torch.zeros(2, 4, dtype=torch.float64)
    logits[1, 2] = 1.0

    changed = keep_below_limit(logits, limits(9.0, 0.0))

    assert changed.isfinite().sum(-1).tolist() == [4, 1]
    assert changed[1].argmax() == 2


def test_limits_move_against_the_error():
    """Too surprising lowers, too dull raises, by the rate."""
    assert first_limits(2, 1.5).tolist() == [3.0, 3.0]
    moved = next_limits(limits(3.0, 3.0), limits(2.5, 0.5), target=1.5, rate=0.1)

    assert moved.tolist() == pytest.approx([2.9, 3.1])
