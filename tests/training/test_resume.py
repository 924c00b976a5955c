"""A run that was interrupted and one that was not end with the same bits."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstm_textgen.errors import CheckpointError
from lstm_textgen.training.events import Evaluated, StepDone
from lstm_textgen.training.resume import differences, restore, snapshot

STEPS = 8  # of 3 windows an epoch: it ends in the third


def pictured(trainer):
    """Everything about a run but its clock, as a picture."""
    tensors, progress = snapshot(trainer)
    return tensors, {k: v for k, v in progress["position"].items() if k != "spent_s"}


def same(one, other):
    (tensors, position), (others, other_position) = one, other
    return (
        position == other_position
        and tensors.keys() == others.keys()
        and all(np.array_equal(tensors[name], others[name]) for name in tensors)
    )


def losses(events):
    """Of each report its kind, step and exact sum."""
    kinds = StepDone, Evaluated
    return [(type(e), e.step, e.loss) for e in events if isinstance(e, kinds)]


def run_to(trainer, step):
    """Go on until *step* is made, and stop there as a signal would."""
    events = []
    if step == trainer.position.step:
        trainer.stop("interrupted")
    for event in trainer.fit():
        events.append(event)
        if isinstance(event, StepDone) and event.step == step < STEPS:
            trainer.stop("interrupted")
    assert trainer.position.step == step
    return losses(events)


@pytest.fixture(scope="module")
def build(make_trainer):
    """Trainers with both kinds of noise."""
    return functools.partial(
        make_trainer, steps=STEPS, dropout=0.3, weight_drop=0.3, patience=1.0
    )


@pytest.fixture(scope="module")
def whole(build):
    """The run that nothing interrupts, of each cell once: its losses and its end."""

    @functools.cache
    def of(cell):
        trainer = build(cell=cell)
        return run_to(trainer, STEPS), pictured(trainer)

    return of


@pytest.fixture(scope="module", autouse=True)
def _every_step():
    """Tell of every step, and judge after every second one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lstm_textgen.training.loop.EVALUATIONS", 4)
        patch.setattr("lstm_textgen.training.loop.REPORT_EVERY_S", 0.0)
        yield


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("stops", [(0,), (1,), (2,), (3,), (6,), (7,), (2, 3, 5)])
def test_going_on_is_exact(build, whole, cell, stops):
    """
    Weights, moments, memory, noise, places and losses: every bit is the same.

    Stopped before the first step, within an epoch, at its end (3 and 6), before
    the last step, or several times, each time into a trainer that is built anew.
    """
    trainer, told = build(cell=cell), []
    for stop in stops:
        told += run_to(trainer, stop)
        state = snapshot(trainer)
        trainer = build(cell=cell)
        restore(trainer, *state)
        assert same(pictured(trainer), (state[0], pictured(trainer)[1]))
    told += run_to(trainer, STEPS)
    expected, end = whole(cell)

    assert told == expected
    assert same(pictured(trainer), end)


@given(st.sets(st.integers(0, STEPS - 1), max_size=4).map(sorted), st.data())
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_number_of_stops(build, whole, stops, data):
    """Wherever and however often a run is stopped, it ends as if it had not been."""
    cell = data.draw(st.sampled_from(["lstm", "gru", "rnn"]))
    trainer = build(cell=cell)
    for stop in stops:
        run_to(trainer, stop)
        state = snapshot(trainer)
        trainer = build(cell=cell)
        restore(trainer, *state)
    run_to(trainer, STEPS)

    assert same(pictured(trainer), whole(cell)[1])


@pytest.mark.parametrize("forgotten", ["generator", "memory.", "optimizer.", "model."])
def test_nothing_in_the_state_is_idle(build, whole, forgotten):
    """With the noise, memory, moments or weights of a new trainer the end differs."""
    first = build()
    run_to(first, 4)
    tensors, progress = snapshot(first)
    trainer = build()
    fresh, _ = snapshot(trainer)
    kept = {k: v for k, v in tensors.items() if not k.startswith(forgotten)}
    kept |= {k: v for k, v in fresh.items() if k.startswith(forgotten)}
    restore(trainer, kept, progress)
    run_to(trainer, STEPS)

    assert not same(pictured(trainer), whole("lstm")[1])


def test_a_picture_does_not_change(build, whole):
    """
    Going on changes neither the picture nor a second run that begins from it.

    The optimiser works in place, so tensors that are shared would run with it.
    """
    first = build()
    run_to(first, 4)
    tensors, progress = snapshot(first)
    before = {name: tensor.copy() for name, tensor in tensors.items()}
    one, other = build(), build()
    restore(one, tensors, progress)
    restore(other, tensors, progress)
    for trainer in (first, one):
        trainer.asked_to_stop = None
        run_to(trainer, STEPS)

    assert all(np.array_equal(tensors[name], before[name]) for name in before)
    run_to(other, STEPS)
    assert same(pictured(other), whole("lstm")[1])


def test_time_that_was_used(make_trainer):
    """The picture knows the seconds of all parts together."""
    trainer = make_trainer(clock=lambda: 12.5)

    assert snapshot(trainer)[1]["position"]["spent_s"] == 12.5


def test_a_state_from_another_device(build):
    """
    A GPU's generator has another state: here the noise begins anew, the rest goes on.

    So a run that was begun there goes on here, and which noise it gets is known. It
    was refused as a state of other settings.
    """
    first = build()
    run_to(first, 4)
    tensors, progress = snapshot(first)
    there = {
        "position": progress["position"],
        "circumstances": progress["circumstances"] | {"device": "cuda"},
    }
    foreign = tensors | {"generator": np.zeros(16, np.uint8)}
    ends, noises = [], []
    for step in (4, 4, 5):
        trainer = build()
        position = there["position"] | {"step": step}
        restore(trainer, foreign, there | {"position": position})
        noises.append(torch.rand(3, generator=trainer.generator).tolist())
        run_to(trainer, STEPS)
        ends.append(pictured(trainer))

    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])
    assert noises[0] == noises[1] != noises[2]
    assert "device cpu, not cuda" in differences(build(), there)


class TestStatesThatDoNotFit:
    @pytest.fixture
    def state(self, build):
        trainer = build()
        run_to(trainer, 2)
        return snapshot(trainer)

    @pytest.mark.parametrize(
        "shape",
        [{"hidden": 7}, {"layers": 1}, {"layers": 3}, {"cell": "gru"}, {"streams": 4}],
    )
    def test_another_shape(self, build, state, shape):
        """The state of another model or batch is refused, with a way out."""
        with pytest.raises(CheckpointError, match="does not fit") as caught:
            restore(build(**shape), *state)
        assert caught.value.exit_code == 65
        assert "-o" in caught.value.remedy

    def test_another_vocabulary(self, make_trainer, state):
        """So is that of a text with more characters."""
        with pytest.raises(CheckpointError, match="does not fit"):
            restore(make_trainer(vocabulary=8), *state)

    @pytest.mark.parametrize(
        "name",
        [
            "generator",
            "memory.0.cell",
            "model.head.bias",
            "optimizer.head.bias.mean",
        ],
    )
    def test_a_tensor_is_missing_or_misshapen(self, build, state, name):
        """Each one is needed, in its own shape."""
        tensors, progress = state
        lacking = {k: v for k, v in tensors.items() if k != name}
        misshapen = tensors | {name: tensors[name].flatten()[:1]}

        for wrong in (lacking, misshapen):
            with pytest.raises(CheckpointError, match="does not fit"):
                restore(build(), wrong, progress)

    @pytest.mark.parametrize(
        "progress",
        [
            {},
            {"position": None},
            {"position": {"step": "2"}},
            {"position": {"stop": 2}},
        ],
    )
    def test_a_position_that_is_none(self, build, state, progress):
        """A place in the run that cannot be understood is refused too."""
        with pytest.raises(CheckpointError, match="does not fit"):
            restore(build(), state[0], progress)
