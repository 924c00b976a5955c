"""The plan: minutes become lengths, the same for every cell."""

import pytest
import torch

from lstm_textgen.compare import plan as planning
from lstm_textgen.compare.design import CompareConfig
from lstm_textgen.compare.plan import FEWEST_STEPS, design_study
from lstm_textgen.training.machine import Machine


@pytest.fixture
def make(monkeypatch):
    """Plan on a machine whose RNN is slow."""

    def speed(machine, model, config):
        return 1e4 if model.config.cell == "rnn" else 5e4

    monkeypatch.setattr(planning, "training_speed", speed)

    def plan(threads=2, characters=10**7, **wishes):
        return design_study(
            CompareConfig(**wishes),
            characters=characters,
            vocabulary=60,
            text="0" * 64,
            machine=Machine(torch.device("cpu"), threads),
        )

    return plan


@pytest.mark.parametrize("minutes", [10.0, 60.0, 240.0])
def test_the_time_that_was_given_is_used(make, minutes):
    """Within a tenth, if the text is long enough for it."""
    assert make(minutes=minutes).seconds == pytest.approx(60 * minutes, rel=0.1)


def test_more_cores_do_more_in_the_same_time(make):
    """Twice the processes, twice the steps."""
    one, two = make(threads=1, minutes=240.0), make(threads=2, minutes=240.0)

    assert two.text_steps == pytest.approx(2 * one.text_steps, rel=0.1)
    assert two.tasks[0].steps == pytest.approx(2 * one.tasks[0].steps, rel=0.1)


def test_a_short_text_is_not_learned_by_heart(make):
    """At most three epochs, however long there is time."""
    plan = make(minutes=600.0, characters=100_000)

    assert plan.text_steps * 16 * 128 <= 300_000


def test_no_time_still_makes_some_steps(make):
    """So that there is something to see."""
    plan = make(minutes=0.01)

    assert plan.text_steps == FEWEST_STEPS
    assert {task.steps for task in plan.tasks} == {FEWEST_STEPS}


def test_without_tasks_the_text_gets_all_the_time(make):
    """More steps than with them."""
    alone = make(minutes=60.0, tasks=())

    assert alone.tasks == ()
    assert alone.text_steps > 2 * make(minutes=60.0).text_steps
