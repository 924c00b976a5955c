"""Whole runs on a small text in a folder, everything about them explicit."""

import pytest

from lstm_textgen.config import BudgetConfig, Cadence
from lstm_textgen.text.source import find_source
from lstm_textgen.training.events import StepDone
from lstm_textgen.training.loop import Control, Loop
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.prepare import prepare_run
from lstm_textgen.training.run import open_run
from tests.training.tiny import CPU


@pytest.fixture
def machine(monkeypatch):
    """One thread in float32; no probes, and previews of few characters."""
    monkeypatch.setattr("lstm_textgen.training.run.PREVIEW_LENGTH", 3)
    for probe in ("speed.training_speed", "plan.reading_speed"):
        monkeypatch.setattr(f"lstm_textgen.training.{probe}", lambda *args: 1e5)
    return CPU


@pytest.fixture
def make_source(tmp_path, monkeypatch):
    """Write a text; runs go below the same folder, and so does the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))

    def write(name, text):
        path = tmp_path / f"{name}.txt"
        path.write_text(text, encoding="utf-8", newline="")
        return find_source([str(path)])

    return write


@pytest.fixture
def cats(make_source):
    """A text of about 1,000 characters."""
    return make_source(
        "cats", "the cat sat on the mat and the rat sat on the cat; " * 20
    )


@pytest.fixture
def make_overrides():
    """Overrides that leave nothing to the plan; 10 steps unless others are given."""

    def make(*, optimizer=None, minutes=None, steps=10, learning_rate=0.02, **groups):
        batch = {"streams": 3, "window": 5, "dropout": 0.0, "patience": 1.0}
        return Overrides(
            optimizer=batch | {"learning_rate": learning_rate} | (optimizer or {}),
            budget=BudgetConfig(
                minutes=minutes, steps=steps if minutes is None else None
            ),
            **{
                "model": {"hidden": 6, "layers": 2, "embedding": 4},
                "run": {"seed": 4, "precision": "float32"},
                **groups,
            },
        )

    return make


@pytest.fixture
def train(machine, monkeypatch):
    """
    Prepare a run and train it, with few evaluations and a report at every step.

    *stop* is the step after which it is asked to stop, *die* the event after which
    nobody takes any more. At each event *act* gets it, with the control and the loop.
    """
    loops = [None]

    class Seen(Loop):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            loops.append(self)

    monkeypatch.setattr("lstm_textgen.training.run.Loop", Seen)

    def run(
        source,
        overrides,
        *,
        stop=None,
        die=None,
        act=None,
        here=machine,
        started_s=0.0,
        cadence=None,
        **options,
    ):
        cadence = {"report_every_s": 0.0, "evaluations": 5, "save_every_s": 1e9} | (
            cadence or {}
        )
        prepared = prepare_run(source, overrides, here, **options)
        control, events = Control(), []
        with open_run(
            prepared, started_s=started_s, cadence=Cadence(**cadence), control=control
        ) as stream:
            for event in stream:
                events.append(event)
                if isinstance(event, StepDone) and event.step == stop:
                    control.ask_to_stop("interrupted")
                if act is not None:
                    act(event, control, loops[-1])
                if len(events) == die:
                    break
        return prepared, events

    return run
