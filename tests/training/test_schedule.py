"""The learning rate over a run, when the end of the text is read, and the budget."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.config import BudgetConfig
from lstm_textgen.training.schedule import (
    END_MARGIN,
    Meter,
    end_of_text_at,
    rate_factor,
    windows_ahead,
)
from lstm_textgen.training.state import Position

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


def test_what_is_ahead():
    """Thirty windows took a quarter of the budget: as many for each that is left."""
    assert windows_ahead(30, 0.1, 0.35) == pytest.approx(78)
    assert windows_ahead(30, 0.1, 1.0) == 0
    assert windows_ahead(0, 0.1, 0.1) == math.inf


def test_an_epoch_of_one_window():
    """At its end nothing is known of the pace; at the end of the budget all is."""
    after = [
        Position(epoch=epoch, began=0.0).after_window(
            9, progress=progress, applied=True, ticks=1
        )
        for epoch, progress in ((0, 0.0), (3, 0.75), (4, 1.0))
    ]

    assert [at.end_at for at in after] == [None, 0.0, 0.0]


@pytest.mark.parametrize(
    ("epochs", "share"),
    [(0.1, 0.085), (1.0, 0.85), (1.1, 0.95), (1.5, 0.35), (2.0, 0.85), (2.1, None)],
)
def test_when_the_end_of_the_text_is_read(epochs, share):
    """In what is left, or where that is short in the epoch before."""
    assert end_of_text_at(epochs) == (share and pytest.approx(share))


@pytest.mark.parametrize(
    "epochs", [0.05, 0.6, 1.0, 1.05, 1.3, 1.7, 2.0, 2.4, 5.9, 14.0]
)
@pytest.mark.parametrize("began", [0.0, 0.3])
def test_a_run_ends_soon_after_the_end_of_the_text(epochs, began):
    """
    However many epochs it has, and wherever in the budget its first step stands.

    At 1.6 epochs the end was read once or twice, early or late, as the seed had it, and
    the same settings came to 1.50 or to 1.46 nats.
    """
    ticks = 400
    windows = round(epochs * ticks)
    at, read = Position(end_at=end_of_text_at(epochs)), []
    for window in range(windows):
        if at.end_at is not None and at.tick <= at.end_at * ticks < at.tick + 1:
            read.append(window)
        at = at.after_window(
            1,
            progress=began + (1 - began) * window / windows,
            applied=True,
            ticks=ticks,
        )

    assert 0 <= (windows - read[-1]) / ticks <= END_MARGIN * min(1.0, epochs) + 0.01


class Clock:
    """Shows what it was set to."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def test_minutes(clock):
    """A quarter of the minutes is a quarter of the budget, however many steps."""
    budget = BudgetConfig(minutes=2.0)
    meter = Meter(budget, ticks=10, started_s=1000.0, clock=clock)

    assert meter.progress(999) == 0
    clock.now_s += 30
    assert meter.elapsed_s() == 30
    assert meter.progress(0) == 0.25
    clock.now_s += 1000
    assert meter.progress(0) == 1


def test_starting_up_counts(clock):
    """Seconds before the meter was made, as for the import of torch, are used up."""
    meter = Meter(BudgetConfig(minutes=1.0), ticks=10, started_s=985.0, clock=clock)

    assert meter.progress(0) == 0.25


def test_steps_and_epochs_do_not_look_at_the_clock(clock):
    """Steps are counted; an epoch is so many ticks, and a part of one is rounded up."""
    steps = Meter(BudgetConfig(steps=40), ticks=10, started_s=0.0, clock=clock)
    epochs = Meter(BudgetConfig(epochs=2.0), ticks=10, started_s=0.0, clock=clock)
    part = Meter(BudgetConfig(epochs=0.25), ticks=10, started_s=0.0, clock=clock)
    least = Meter(BudgetConfig(epochs=1e-9), ticks=10, started_s=0.0, clock=clock)

    assert [steps.progress(n) for n in (0, 10, 40, 41)] == [0, 0.25, 1, 1]
    assert [epochs.progress(n) for n in (0, 5, 20)] == [0, 0.25, 1]
    assert [part.progress(n) for n in (0, 2, 3)] == [0, 2 / 3, 1]
    assert least.progress(1) == 1


def test_what_earlier_parts_took_counts(clock):
    """A run that was resumed after 30 of its 60 seconds has 30 left."""
    meter = Meter(
        BudgetConfig(minutes=1.0), ticks=10, started_s=1000.0, spent_s=30.0, clock=clock
    )

    assert meter.elapsed_s() == 30
    assert meter.progress(0) == 0.5
    clock.now_s += 15
    assert meter.elapsed_s() == 45
    assert meter.progress(0) == 0.75


@pytest.mark.parametrize(
    ("reserve_s", "end_s"), [(0.0, 60), (6.0, 54), (15.0, 45), (16.0, 45), (1e9, 45)]
)
def test_reserve(clock, reserve_s, end_s):
    """
    Training ends early by the reserve, but by a quarter of the budget at most.

    Steps that were asked for are all made.
    """
    steps = BudgetConfig(steps=4)
    meter = Meter(steps, ticks=10, started_s=0.0, reserve_s=reserve_s, clock=clock)
    assert meter.progress(3) == 0.75

    meter = Meter(
        BudgetConfig(minutes=1.0),
        ticks=10,
        started_s=1000.0,
        reserve_s=reserve_s,
        clock=clock,
    )

    clock.now_s = 1000.0 + end_s - 0.001
    assert 0.999 < meter.progress(0) < 1
    clock.now_s = 1000.0 + end_s
    assert meter.progress(0) == 1


@given(
    st.sampled_from([{"minutes": 0.1}, {"epochs": 1.5}, {"steps": 7}]),
    st.integers(0, 10**6),
    st.floats(0, 1e6),
)
def test_never_above_one(budget, step, later_s):
    """Progress is from 0 to 1, whatever the step and the clock say."""
    clock = Clock()
    meter = Meter(BudgetConfig(**budget), ticks=3, started_s=1000.0, clock=clock)
    clock.now_s += later_s

    assert 0 <= meter.progress(step) <= 1
