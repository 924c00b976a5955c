"""Experiments on equal terms; results on disk, found by all that decides them."""

import json
from dataclasses import replace

import pytest

from lstm_textgen.compare.design import RATES
from lstm_textgen.compare.experiments import Experiment, finals, trials
from lstm_textgen.config import ModelConfig, OptimizerConfig

EXPERIMENT = Experiment(
    subject="text",
    model=ModelConfig(hidden=4),
    optimizer=OptimizerConfig(),
    seed=1,
    device="cpu",
    steps=5,
    text_sha256="0" * 64,
)
RESULT = {"nats_per_char": 1.25, "curve": [[1, 0.5, 2.0]]}


def load(store, experiment):
    return store.load(experiment.label, experiment.to_json())


@pytest.fixture
def saved(store):
    """The file of a saved result."""
    assert load(store, EXPERIMENT) is None
    store.save(EXPERIMENT.label, EXPERIMENT.to_json(), RESULT)
    [path] = store.folder.iterdir()
    return path


def test_every_cell_is_compared_on_equal_terms(tiny_design):
    """All read as many characters, try the same rates, and have the same seeds."""
    terms = {"lstm": [], "rnn": []}
    for e in trials(tiny_design) + finals(tiny_design):
        batch = (e.optimizer.streams, e.optimizer.window)
        terms[e.cell].append((e.subject, e.steps, batch, e.rate, e.seed))

    assert terms["lstm"] == terms["rnn"]
    assert {rate for *_, rate, seed in terms["rnn"] if seed == 0} == set(RATES)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "copy"},
        {"seed": 2},
        {"steps": 6},
        {"device": "cuda"},
        {"model": ModelConfig(hidden=5)},
        {"optimizer": OptimizerConfig(learning_rate=1e-4)},
        {"text_sha256": "1" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_are_another_experiment(store, saved, change):
    """Anything that decides the result makes a difference."""
    assert load(store, replace(EXPERIMENT, **change)) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"settings": {}, "result": {}}', "\udc80", '{"settings": 1}'],
)
def test_a_damaged_file_counts_as_missing(store, saved, content):
    """The next result replaces it."""
    saved.write_text(content, encoding="utf-8", errors="surrogateescape")

    assert load(store, EXPERIMENT) is None
    store.save(EXPERIMENT.label, EXPERIMENT.to_json(), RESULT)
    assert load(store, EXPERIMENT) == RESULT


def test_a_result_beside_other_settings_is_not_taken(store, saved):
    """The name of a file is short; its contents decide."""
    stored = json.loads(saved.read_text())
    stored["settings"]["seed"] = 2
    saved.write_text(json.dumps(stored))

    assert load(store, EXPERIMENT) is None
