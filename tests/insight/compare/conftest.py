"""A plan so small that all of it is trained in a second."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from lstm_textgen.config import ModelConfig
from lstm_textgen.insight.compare.pieces import Drawer
from lstm_textgen.insight.compare.reading import Material
from lstm_textgen.insight.compare.settings import Plan, PlannedCell, PlannedTask
from lstm_textgen.insight.compare.sizes import recurrent_parameters, sized_like
from lstm_textgen.insight.compare.study import Subject, study


@pytest.fixture
def few_looks(monkeypatch):
    """A run looks at the held-out text three times only."""
    monkeypatch.setattr("lstm_textgen.training.trainer.EVALUATIONS", 3)


@pytest.fixture(scope="session")
def subject():
    """A text of seven letters in which the one before last says the next."""
    random = np.random.RandomState(5)
    ids = np.cumsum(random.randint(0, 3, 6000)) % 7
    material = Material(
        train=ids[:4500].astype(np.uint8),
        held_out=ids[4500:].astype(np.uint8),
        vocabulary=7,
    )
    return Subject(name="seven", sha256="5" * 64, characters=6000, material=material)


def _planned(cell):
    text = sized_like(ModelConfig(hidden=4, embedding=3), cell)
    return PlannedCell(
        text=text,
        task=text,
        recurrent_parameters=recurrent_parameters(text),
        parameters=1000,
        task_parameters=recurrent_parameters(text),
        kernel="none",
        text_speed=1e5,
        task_speed=1e5,
    )


@pytest.fixture(scope="session")
def plan():
    """Two cells, one task, two seeds, two steps."""
    return Plan(
        cells=(_planned("lstm"), _planned("rnn")),
        tasks=(PlannedTask(name="bracket", steps=3),),
        text_steps=2,
        workers=1,
        seeds=2,
        places=3,
        questions=2,
        text="5" * 64,
        device="cpu",
        seconds=10.0,
    )


@pytest.fixture
def drawer(tmp_path):
    return Drawer(tmp_path / "pieces")


@pytest.fixture
def run_study(plan, subject, drawer):
    """Run a study; after *stop* events somebody asks to stop."""

    def run(*, stop=None, **changes):
        asked, events = threading.Event(), []
        for event in study(replace(plan, **changes), subject, drawer, asked):
            events.append(event)
            if len(events) == stop:
                asked.set()
        return events

    return run
