"""Progress through a budget, by a clock that the test sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.config import BudgetConfig
from lstm_textgen.training.schedule import Meter


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
    """Training ends early by the reserve, but by a quarter of the budget at most."""
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


def test_reserve_is_about_minutes_only(clock):
    """Steps that were asked for are all made."""
    meter = Meter(
        BudgetConfig(steps=4), ticks=10, started_s=0.0, reserve_s=99.0, clock=clock
    )

    assert meter.progress(3) == 0.75


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
