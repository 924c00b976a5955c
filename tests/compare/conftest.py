"""A result of made-up figures, and a study so small that it takes a second."""

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
from lstm_textgen.compare.experiments import ResultStore, finals, trials
from lstm_textgen.compare.measure import CONTEXT_LENGTHS, StudyText
from lstm_textgen.compare.results import put_together
from lstm_textgen.compare.study import run_study
from lstm_textgen.config import Cadence, ModelConfig

RATE = 3e-3
FIGURES = {
    "lstm": (1.6, (0.995, 0.99), [1.0] * 6),
    "gru": (1.62, (0.98, 0.98), [1.0] * 6),
    "rnn": (1.7, (0.9, 0.9), [1.0, 1.0, 0.9, 0.55, 0.5, 0.5]),
}
"""Nats per character, decay of the gradient by seed, and accuracy by distance."""


def _made_up(experiment):
    """The middle rate is best; the lower one is worse, the higher one diverges."""
    nats, decays, accuracies = FIGURES[experiment.cell]
    if experiment.rate > RATE:
        return {"diverged": True}
    if experiment.rate < RATE:
        nats, accuracies = nats + 1, [0.5] * 6
    seed = max(1, experiment.seed)
    nats += 0.02 * (seed - 1)
    norms = [decays[seed - 1] ** k for k in range(512)]
    on_text = {
        "nats_per_char": nats,
        "curve": [[100_000, 15.0, nats + 0.5], [204_800, 28.0 + 2 * seed, nats]],
        "untrained": norms,
        "trained": norms,
        "context": [nats + seed / length for length in CONTEXT_LENGTHS],
    }
    return on_text if experiment.subject == "text" else {"accuracies": accuracies}


@pytest.fixture
def result(tiny_design, text):
    """An LSTM that remembers, and an RNN that forgets after 32 characters."""
    design = replace(
        tiny_design,
        cells=tuple(map(_planned, FIGURES)),
        tasks=(PlannedTask(name="agreement", steps=100),),
        text_steps=100,
        questions=500,
    )
    rates = {(on, cell): RATE for on in ("text", "agreement") for cell in FIGURES}
    experiments = trials(design) + finals(design, rates)
    results = {experiment: _made_up(experiment) for experiment in experiments}
    return put_together(design, text, results)


@pytest.fixture
def with_task_cells(result):
    """The result with other cells on its task."""

    def build(*cells):
        [task] = result.tasks
        return replace(result, tasks=(replace(task, cells=cells),))

    return build


@pytest.fixture
def few_evaluations(monkeypatch):
    """A run evaluates the held-out text three times only."""
    monkeypatch.setattr("lstm_textgen.compare.measure.CADENCE", Cadence(evaluations=3))


@pytest.fixture(scope="session")
def text():
    """A text of seven letters in which the one before last says the next."""
    random = np.random.RandomState(5)
    ids = np.cumsum(random.randint(0, 3, 6000)) % 7
    return StudyText(
        name="seven",
        sha256="5" * 64,
        characters=6000,
        train=ids[:4500].astype(np.uint8),
        held_out=ids[4500:].astype(np.uint8),
        vocabulary=7,
    )


def _planned(cell):
    text = with_equal_parameters(ModelConfig(hidden=4, embedding=3), cell)
    parameters = recurrent_parameters(text)
    return PlannedCell(
        terms=CellTerms(
            cell=cell,
            hidden=text.hidden,
            recurrent_parameters=parameters,
            parameters=1000,
            task_hidden=text.hidden,
            task_parameters=parameters,
            kernel="oneDNN, fused",
        ),
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
