"""A run that was interrupted and one that was not end with the same bits."""

import ast
import functools
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import Cadence
from lstm_textgen.errors import CheckpointError
from lstm_textgen.training.events import Evaluated, StepDone
from lstm_textgen.training.state import Position, RunState, resumed
from tests.training.tiny import CPU, equal, tiny

STEPS = 8  # of 3 windows an epoch: it ends in the third
CADENCE = Cadence(report_every_s=0.0, evaluations=4)

noisy = functools.partial(tiny, steps=STEPS, dropout=0.3, weight_drop=0.3)
"""Runs with both kinds of noise."""


def same(one, other):
    """Whether two states are equal in everything but their clock."""
    (tensors, about), (others, other_about) = one.to_arrays(), other.to_arrays()
    for metadata in (about, other_about):
        del metadata["position"]["spent_s"]
    return about == other_about and equal(tensors, others)


def again(run, state):
    """The state as a file gives it back, ready to continue."""
    tensors, metadata = state.to_arrays()
    copies = {name: array.copy() for name, array in tensors.items()}
    loaded = RunState.from_arrays(copies, metadata, run.spec, vocabulary=7)
    return resumed(run.spec, loaded, CPU)[0]


def run_to(run, step, state=None):
    """
    Train up to *step*, and stop there as a signal would.

    Returns:
        Of each report its kind, step and exact sum; and the state.
    """
    loop, reports = run.loop(state, CADENCE), []
    if step == loop.position.step:
        run.control.ask_to_stop("interrupted")
    for event in loop.events():
        if isinstance(event, StepDone | Evaluated):
            reports.append((type(event), event.step, event.loss))
        if isinstance(event, StepDone) and event.step == step < STEPS:
            run.control.ask_to_stop("interrupted")
    assert loop.position.step == step
    return reports, loop.state()


@functools.cache
def whole(cell):
    """The run that nothing interrupts, of each cell once: its reports and its end."""
    return run_to(noisy(cell=cell), STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@given(st.sets(st.integers(0, STEPS - 1), max_size=4).map(sorted))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_any_number_of_stops(cell, stops):
    """
    Wherever and however often a run is stopped, it ends as if it had not been.

    Weights, moments, recurrent state, noise, position and losses: every bit is the
    same. Each part begins in a new loop, from a state as a file holds it.
    """
    run, reports = noisy(cell=cell), []
    state = run.start
    for stop in stops:
        part, stopped = run_to(run, stop, state)
        state = again(run, stopped)
        reports += part
        assert same(state, stopped)
    part, end = run_to(run, STEPS, state)

    assert reports + part == whole(cell)[0]
    assert same(end, whole(cell)[1])


@pytest.mark.parametrize("part", ["noise", "recurrent", "optimizer", "weights"])
def test_nothing_in_the_state_is_idle(part):
    """With noise, recurrent state, moments or weights of a new run the end differs."""
    run = noisy()
    _, state = run_to(run, 4)
    state = replace(state, **{part: getattr(run.start, part)})
    _, end = run_to(run, STEPS, state)

    assert not same(end, whole("lstm")[1])


def test_a_state_does_not_change():
    """
    Training changes neither a state that was taken nor the one that it began with.

    The optimizer works in place, so tensors that are shared would change with it.
    """
    run = noisy()
    loop = run.loop(cadence=CADENCE)
    events = loop.events()
    taken = next(loop.state() for event in events if event.step == 4)
    before = {name: array.copy() for name, array in taken.to_arrays()[0].items()}
    list(events)
    run_to(run, STEPS, taken)

    assert equal(taken.to_arrays()[0], before)
    assert same(run_to(run, STEPS, taken)[1], whole("lstm")[1])


def test_a_state_from_another_device():
    """
    A GPU's generator has another state: here the noise begins anew, all else continues.

    So a run that was begun there resumes here, and which noise it gets is known. It
    was refused as a state of other settings.
    """
    run = noisy()
    _, state = run_to(run, 4)
    there = replace(
        state,
        environment={**state.environment, "device": "cuda"},
        noise=torch.zeros(16, dtype=torch.uint8),
    )
    later = replace(there, position=replace(there.position, step=5))
    states = [resumed(run.spec, saved, CPU)[0] for saved in (there, there, later)]

    assert torch.equal(states[0].noise, states[1].noise)
    assert not torch.equal(states[0].noise, states[2].noise)
    assert equal(states[0].weights, state.weights)
    assert run_to(run, STEPS, states[0])
    assert "device cpu, not cuda" in resumed(run.spec, there, CPU)[1]


@pytest.fixture(scope="module")
def saved():
    return run_to(noisy(), 2)[1].to_arrays()


class TestStatesThatDoNotFit:
    def refuse(self, tensors, metadata, spec, vocabulary=7):
        def load():
            state = RunState.from_arrays(tensors, metadata, spec, vocabulary=vocabulary)
            resumed(spec, state, CPU)

        with pytest.raises(CheckpointError, match="does not fit") as caught:
            load()
        assert caught.value.exit_code == 65
        assert "-o" in caught.value.remedy
        return caught.value.problem

    @pytest.mark.parametrize(
        "settings",
        [{"hidden": 7}, {"layers": 3}, {"cell": "gru"}, {"streams": 4}, {"seed": 9}],
    )
    def test_another_run(self, saved, settings):
        """The state of a run with other settings is refused, whatever its shapes."""
        tensors, metadata = saved
        other = noisy(**settings).spec

        assert "another run" in self.refuse(tensors, metadata, other)
        if "seed" not in settings:  # the same again, if its name were right
            renamed = metadata | {"run": other.identity()}
            assert "another run" not in self.refuse(tensors, renamed, other)

    def test_another_vocabulary(self, saved):
        """So is that of a text with more characters."""
        self.refuse(*saved, noisy().spec, vocabulary=8)

    @pytest.mark.parametrize(
        "name",
        [
            "generator",
            "recurrent.0.cell",
            "model.head.bias",
            "optimizer.head.bias.mean",
        ],
    )
    def test_a_tensor_is_missing_or_misshapen(self, saved, name):
        """Each one is needed, in its own shape."""
        tensors, metadata = saved
        lacking = {k: v for k, v in tensors.items() if k != name}
        misshapen = tensors | {name: tensors[name].flatten()[:1]}

        for wrong in (lacking, misshapen, tensors | {"more": np.zeros(1)}):
            self.refuse(wrong, metadata, noisy().spec)

    @pytest.mark.parametrize(
        "changes",
        [{"position": None}, {"position": {"step": "2"}}, {"position": {"stop": 2}}],
    )
    def test_an_unknown_position(self, saved, changes):
        """A position that cannot be understood is refused too, and so is none."""
        tensors, metadata = saved
        lacking = {k: v for k, v in metadata.items() if k not in changes}

        for wrong in (lacking, metadata | changes):
            self.refuse(tensors, wrong, noisy().spec)


def test_only_the_loop_changes_a_run():
    """
    No other module assigns to a run's state, nor makes one of its own.

    By reading the source: attributes of loops, states and positions are assigned in
    `loop.py` and `state.py` only, and no module assigns to what it imported.
    """
    package = Path(__file__).parents[2] / "lstm_textgen"
    names = {field.name for kind in (Position, RunState) for field in fields(kind)}
    names |= set(vars(tiny().loop()))
    writers, makers = set(), set()
    for path in package.rglob("*.py"):
        module = path.relative_to(package).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(
                node.ctx, ast.Store | ast.Del
            ):
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                if node.attr in names and not own:
                    writers.add(module)
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {keyword.arg for keyword in node.keywords}
                if called in ("Position", "RunState") or (
                    called.endswith("replace") and given & set(asdict(Position()))
                ):
                    makers.add(module)

    assert writers == set()
    assert makers == {"training/loop.py", "training/state.py"}
