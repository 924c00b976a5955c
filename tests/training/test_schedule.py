"""The learning rate over a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.training.schedule import rate_factor

shares = st.floats(0, 1)
warm_ups = st.floats(0, 0.5)


@pytest.mark.parametrize(
    ("progress", "warm_up", "factor"),
    [
        (0.0, 0.2, 0.0),
        (0.05, 0.2, 0.25),
        (0.1, 0.2, 0.5),
        (0.2, 0.2, 1.0),
        (0.6, 0.2, 0.5),  # half way down
        (0.4, 0.2, 0.75),
        (0.8, 0.2, 0.25),
        (0.0, 0.0, 1.0),
        (0.5, 0.0, 0.5),
    ],
)
def test_points_worked_by_hand(progress, warm_up, factor):
    """A straight line to 1 at the end of the warm-up, then a straight line to 0."""
    assert rate_factor(progress, warm_up) == pytest.approx(factor, abs=1e-15)


@given(st.floats(1, 2), warm_ups)
def test_the_run_ends_at_zero(progress, warm_up):
    """At the end of the budget, and past it, the rate is exactly 0."""
    assert rate_factor(progress, warm_up) == 0.0


@given(shares, shares, warm_ups)
def test_up_then_down(one, other, warm_up):
    """The factor climbs before the end of the warm-up and falls after it, in [0, 1]."""
    early, late = sorted((one, other))
    before, after = rate_factor(early, warm_up), rate_factor(late, warm_up)

    assert 0 <= before <= 1
    assert 0 <= after <= 1
    if late <= warm_up:
        assert before <= after
    if early >= warm_up:
        assert before >= after


@given(st.integers(0, 9_999), st.floats(0.05, 0.5))
def test_there_are_no_jumps(place, warm_up):
    """
    A small step of progress is a small step of the factor, also at both ends.

    It climbs by 1 / warm_up, and falls by 1 / (1 - warm_up), which is 2 at most.
    """
    here, there = place / 10_000, (place + 1) / 10_000
    jump = abs(rate_factor(there, warm_up) - rate_factor(here, warm_up))

    assert jump <= max(1 / warm_up, 2.0) / 10_000 + 1e-12
