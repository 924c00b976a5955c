"""Dice and draws: fair, repeatable, and never what was masked."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.sampling.generate import UniformStream, draw_ids

HIGHEST = 1 - 2**-53
"""The greatest number that dice can show."""


def rows(*uniforms):
    return torch.tensor(uniforms, dtype=torch.float64)


def test_draws_invert_the_cumulative_distribution():
    """
    Evenly spaced numbers draw each character by its share, off by at most one.

    One thousand rows with 1/2, 1/3, 0 and 1/6.
    """
    logits = torch.tensor([3.0, 2.0, 0.0, 1.0], dtype=torch.float64).log()
    uniforms = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000

    ids = draw_ids(logits.expand(1000, -1).contiguous(), uniforms).tolist()

    assert ids == sorted(ids)
    counts = [Counter(ids)[i] for i in range(4)]
    assert counts == pytest.approx([500, 1000 / 3, 0, 1000 / 6], abs=1)
    assert counts[2] == 0


def test_dice_draw_by_probability():
    """
    Twenty thousand rolls fit the probabilities, by chi-squared at 1 in 1000.

    The bound for five degrees of freedom is 20.5.
    """
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 15.0], dtype=torch.float64)
    dice, count = UniformStream(1), 20_000
    uniforms = rows(*(dice.roll() for _ in range(count)))

    ids = draw_ids(weights.log().repeat(count, 1), uniforms)

    found = torch.bincount(ids, minlength=6).double()
    expected = count * weights / weights.sum()
    assert ((found - expected) ** 2 / expected).sum() < 20.5


@pytest.mark.parametrize(("uniform", "expected"), [(0.0, 0), (0.25, 1), (HIGHEST, 3)])
def test_borders_of_equal_quarters(uniform, expected):
    """A border belongs to the character above it, and the end to the last."""
    logits = torch.zeros(1, 4, dtype=torch.float64)

    assert draw_ids(logits, rows(uniform)).item() == expected


@given(
    logits=st.lists(
        st.one_of(st.just(-torch.inf), st.floats(-800, 800)), min_size=1, max_size=8
    ).filter(lambda row: max(row) > -torch.inf),
    uniform=st.one_of(st.sampled_from([0.0, HIGHEST]), st.floats(0, HIGHEST)),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(deadline=None)
def test_a_masked_character_is_never_drawn(logits, uniform, dtype):
    """Whatever is masked, and at both ends of the dice, what comes is possible."""
    row = torch.tensor([logits], dtype=dtype)

    (drawn,) = draw_ids(row, rows(uniform)).tolist()

    assert row.double().softmax(-1)[0, drawn] > 0


def test_rows_are_drawn_apart():
    """Each row has its own distribution and its own number."""
    logits = torch.full((3, 3), -torch.inf, dtype=torch.float64)
    logits[0, 2] = logits[1, 0] = 5.0
    logits[2] = 0.0

    assert draw_ids(logits, rows(0.5, 0.9, 0.5)).tolist() == [2, 0, 1]


@pytest.mark.parametrize(("seed", "sample"), [(0, 0), (0, 1), (2**63 - 1, 5)])
def test_dice_are_one_long_row_of_numbers(seed, sample):
    """
    Number n is the same as in one long draw from the generator.

    The borders of the blocks, at 256 and 512, do not show, and no number is left
    out or given twice.
    """
    dice = UniformStream(seed, sample)
    key = np.array([seed, sample], np.uint64)
    expected = np.random.Generator(np.random.Philox(key=key)).random(600)

    found = [dice.roll() for _ in range(600)]

    assert found == expected.tolist()
    assert len(set(found)) == 600


def test_seeds_and_samples_have_their_own_dice():
    """No two of them begin alike, also where seed and sample change places."""
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (1, 2), (2**63 - 1, 0)]
    firsts = {tuple(UniformStream(*key).roll() for _ in range(1)) for key in keys}

    assert len(firsts) == len(keys)
    assert UniformStream(5).roll() == UniformStream(5, 0).roll()
    assert all(0 <= UniformStream(seed).roll() < 1 for seed in range(100))
