"""A comparison with made-up figures, and a study so small that it takes a second."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from lstm_textgen.compare.design import (
    PlannedCell,
    PlannedTask,
    StudyDesign,
    recurrent_parameters,
    sized_like,
)
from lstm_textgen.compare.experiments import ResultStore
from lstm_textgen.compare.measure import TextData
from lstm_textgen.compare.results import (
    CellOnTask,
    CellOnText,
    CellTerms,
    Choice,
    Curve,
    OnTask,
    Spread,
    StudyResult,
)
from lstm_textgen.compare.study import StudyText, study
from lstm_textgen.config import ModelConfig

DISTANCES = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
CHOICE = Choice(rate=3e-3, tried=((1e-3, 2.1), (3e-3, 2.0), (9e-3, None)))


def _on_text(cell, nats, decay):
    norms = tuple(decay**k for k in range(512))
    curve = Curve(x=(1e5, 2e5), y=((nats + 0.5, nats), (nats + 0.6, nats + 0.02)))
    return CellOnText(
        cell=cell,
        choice=CHOICE,
        nats_per_char=Spread(each=(nats, nats + 0.02)),
        seconds=Spread(each=(30.0, 32.0)),
        by_characters=curve,
        by_seconds=Curve(x=(15.0, 31.0), y=curve.y),
        untrained=Curve(x=tuple(map(float, range(512))), y=(norms, norms)),
        trained=Curve(x=tuple(map(float, range(512))), y=(norms, norms)),
        reach_untrained=Spread(each=(20.0, 22.0)),
        reach_trained=Spread(each=(None, 90.0)),
        context=Curve(x=(1.0, 512.0), y=((3.0, nats), (3.0, nats))),
        context_end=Spread(each=(64.0, 128.0)),
        seeds=(1, 2),
        diverged=0,
    )


def _on_task(cell, accuracies, limits=(None, None)):
    return CellOnTask(
        cell=cell,
        choice=CHOICE,
        accuracy=Curve(x=DISTANCES, y=(accuracies, accuracies)),
        half_way=Spread(each=limits),
        seeds=(1, 2),
        diverged=0,
    )


def _terms(cell):
    return CellTerms(
        cell=cell,
        hidden=128,
        recurrent_parameters=99_328,
        parameters=111_873,
        task_hidden=64,
        task_parameters=20_992,
        kernel="oneDNN, fused",
    )


@pytest.fixture
def found():
    """An LSTM that remembers, and an RNN that forgets after 32 characters."""
    forgets = (1.0, 1.0, 0.9, 0.55, 0.5, 0.5)
    return StudyResult(
        corpus="book",
        characters=1_000_000,
        vocabulary=65,
        held_out=100_000,
        text="ab" * 32,
        machine="2 cores, one a network",
        seeds=2,
        characters_read=200_000,
        questions=500,
        terms=tuple(_terms(cell) for cell in ("lstm", "gru", "rnn")),
        texts=(
            _on_text("lstm", 1.6, 0.99),
            _on_text("gru", 1.62, 0.98),
            _on_text("rnn", 1.7, 0.9),
        ),
        tasks=(
            OnTask(
                name="agreement",
                title="agreement of subject and verb",
                example="the child was",
                baseline=0.5,
                steps=100,
                cells=(
                    _on_task("lstm", (1.0,) * 6),
                    _on_task("gru", (1.0,) * 6),
                    _on_task("rnn", forgets, (50.0, 52.0)),
                ),
            ),
        ),
        reach_ratios=(
            ("gru", Spread(each=(2.7, 2.8))),
            ("rnn", Spread(each=(1e4, 2e4))),
        ),
        reach_ratios_untrained=(),
    )


@pytest.fixture
def kept_up(found):
    """The same, but the RNN is as good on the task."""
    task = found.tasks[0]
    lstm, gru, _ = task.cells
    cells = (lstm, gru, replace(lstm, cell="rnn"))
    return replace(found, tasks=(replace(task, cells=cells),))


@pytest.fixture
def few_looks(monkeypatch):
    """A run looks at the held-out text three times only."""
    monkeypatch.setattr("lstm_textgen.training.loop.EVALUATIONS", 3)


@pytest.fixture(scope="session")
def subject():
    """A text of seven letters in which the one before last says the next."""
    random = np.random.RandomState(5)
    ids = np.cumsum(random.randint(0, 3, 6000)) % 7
    material = TextData(
        train=ids[:4500].astype(np.uint8),
        held_out=ids[4500:].astype(np.uint8),
        vocabulary=7,
    )
    return StudyText(name="seven", sha256="5" * 64, characters=6000, material=material)


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
    return StudyDesign(
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
    return ResultStore(tmp_path / "pieces")


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
