"""A made-up result, and a study so small that it takes a second."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from lstm_textgen.compare.design import (
    CellTerms,
    PlannedCell,
    PlannedTask,
    StudyDesign,
    recurrent_parameters,
    with_equal_parameters,
)
from lstm_textgen.compare.experiments import ResultStore
from lstm_textgen.compare.measure import TextData
from lstm_textgen.compare.results import (
    CellOnTask,
    Curve,
    RateChoice,
    Spread,
    StudyResult,
    TaskResult,
    TextResult,
    TriedRate,
)
from lstm_textgen.compare.study import StudyText, run_study
from lstm_textgen.config import ModelConfig
from lstm_textgen.training.loop import Cadence

DISTANCES = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
CHOICE = RateChoice(
    rate=3e-3,
    at_edge=False,
    by_chance=False,
    tried=(
        TriedRate(rate=1e-3, score=2.1),
        TriedRate(rate=3e-3, score=2.0),
        TriedRate(rate=9e-3, score=None),
    ),
)


def _on_text(cell, nats, decay):
    norms = tuple(decay**k for k in range(512))
    reach = Curve(x=tuple(map(float, range(512))), y=(norms, norms))
    losses = ((nats + 0.5, nats), (nats + 0.6, nats + 0.02))
    return TextResult(
        cell=cell,
        choice=CHOICE,
        nats_per_char=Spread.over((nats, nats + 0.02)),
        seconds=Spread.over((30.0, 32.0)),
        by_characters=Curve(x=(1e5, 2e5), y=losses),
        by_seconds=Curve(x=(15.0, 31.0), y=losses),
        untrained=reach,
        trained=reach,
        reach_untrained=Spread.over((20.0, 22.0)),
        reach_trained=Spread.over((None, 90.0)),
        context=Curve(x=(1.0, 512.0), y=((3.0, nats), (3.0, nats))),
        context_end=Spread.over((64.0, 128.0)),
        seeds=(1, 2),
        diverged=0,
    )


def _on_task(cell, accuracies, half_way=(None, None)):
    return CellOnTask(
        cell=cell,
        choice=CHOICE,
        accuracy=Curve(x=DISTANCES, y=(accuracies, accuracies)),
        half_way=Spread.over(half_way),
        seeds=(1, 2),
        diverged=0,
    )


def _terms(cell, hidden=128, parameters=99_328):
    return CellTerms(
        cell=cell,
        hidden=hidden,
        recurrent_parameters=parameters,
        parameters=111_873,
        task_hidden=64,
        task_parameters=20_992,
        kernel="oneDNN, fused",
    )


@pytest.fixture
def result():
    """An LSTM that remembers, and an RNN that forgets after 32 characters."""
    forgets = (1.0, 1.0, 0.9, 0.55, 0.5, 0.5)
    agreement = TaskResult(
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
    )
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
        tasks=(agreement,),
        reach_ratios=(
            ("gru", Spread.over((2.7, 2.8))),
            ("rnn", Spread.over((1e4, 2e4))),
        ),
        reach_ratios_untrained=(),
    )


@pytest.fixture
def with_task_cells(result):
    """The result with other cells on its task."""

    def build(*cells):
        [task] = result.tasks
        return replace(result, tasks=(replace(task, cells=cells),))

    return build


@pytest.fixture
def kept_up(result, with_task_cells):
    """The same, but the RNN is as good on the task."""
    lstm, gru, _ = result.tasks[0].cells
    return with_task_cells(lstm, gru, replace(lstm, cell="rnn"))


@pytest.fixture
def few_evaluations(monkeypatch):
    """A run evaluates the held-out text three times only."""
    monkeypatch.setattr("lstm_textgen.compare.measure.CADENCE", Cadence(evaluations=3))


@pytest.fixture(scope="session")
def text():
    """A text of seven letters in which the one before last says the next."""
    random = np.random.RandomState(5)
    ids = np.cumsum(random.randint(0, 3, 6000)) % 7
    data = TextData(
        train=ids[:4500].astype(np.uint8),
        held_out=ids[4500:].astype(np.uint8),
        vocabulary=7,
    )
    return StudyText(name="seven", sha256="5" * 64, characters=6000, data=data)


def _planned(cell):
    text = with_equal_parameters(ModelConfig(hidden=4, embedding=3), cell)
    return PlannedCell(
        terms=_terms(cell, text.hidden, recurrent_parameters(text)),
        text=text,
        task=text,
        text_speed=1e5,
        task_speed=1e5,
    )


@pytest.fixture(scope="session")
def tiny_design():
    """Two cells, one task, two seeds, two steps."""
    return StudyDesign(
        cells=(_planned("lstm"), _planned("rnn")),
        tasks=(PlannedTask(name="bracket", steps=3),),
        text_steps=2,
        workers=1,
        seeds=2,
        context_positions=3,
        questions=2,
        text_sha256="5" * 64,
        device="cpu",
    )


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "pieces")


@pytest.fixture
def study_events(tiny_design, text, store):
    """Run a study; after *stop* events somebody asks to stop."""

    def run(*, stop=None, **changes):
        asked, events = threading.Event(), []
        for event in run_study(replace(tiny_design, **changes), text, store, asked):
            events.append(event)
            if len(events) == stop:
                asked.set()
        return events

    return run
