"""A whole comparison in small: nothing is trained twice, and a stopped one resumes."""

import json
from dataclasses import replace

import pytest
import torch

from lstm_textgen.compare import study
from lstm_textgen.compare.design import RATES, CompareConfig, StudyDesign
from lstm_textgen.compare.experiments import expected_seconds
from lstm_textgen.compare.results import StudyResult, TriedRate
from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import DivergedError
from lstm_textgen.model.machine import Machine

CPU = Machine(torch.device("cpu"), 1)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_evaluations")]

EXPERIMENTS = 2 * 2 * (3 + 2)
"""Two cells, text and one task, three rates and two seeds; there may be more rates."""


@pytest.fixture
def trained(monkeypatch):
    """The labels of the experiments that are really run."""
    labels, run_experiment = [], study.run_experiment

    def recorded(experiment, *arguments):
        labels.append(experiment.label)
        return run_experiment(experiment, *arguments)

    monkeypatch.setattr(study, "run_experiment", recorded)
    return labels


def without_times(result):
    """As JSON, but for what the clock decides."""
    plain = result.to_json()
    for text in plain["texts"]:
        del text["seconds"], text["by_seconds"]
    return plain


def diverge(*arguments, **settings):
    raise DivergedError("It diverged.", "Lower the rate.")


def test_the_last_event_is_the_result(study_events, tiny_design):
    """One curve for every seed, at the same places."""
    [*_, result] = study_events()

    assert isinstance(result, StudyResult)
    for text in result.texts:
        assert len(text.by_characters.y) == tiny_design.seeds
        assert text.context.x == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
        assert len(text.trained.x) == 512
        assert text.seeds == (1, 2)
    assert [cell for cell, _ in result.reach_ratios] == ["rnn"]
    json.dumps(result.to_json(), allow_nan=False)


def test_a_second_run_trains_nothing(study_events, trained, tiny_design, store):
    """It loads every result, and comes to the same end."""
    before_s = study.missing_seconds(tiny_design, store)
    first = study_events()
    done = list(trained)
    second = study_events()

    assert len(first) == len(done) + 1 > EXPERIMENTS
    assert len(set(done)) == len(done)
    assert trained == done
    assert [event.was_stored for event in second[:-1]] == [True] * len(done)
    assert second[-1].to_json() == first[-1].to_json()
    assert before_s == pytest.approx(expected_seconds(tiny_design), rel=0.2)
    assert study.missing_seconds(tiny_design, store) == 0


def test_a_stopped_run_resumes(study_events, trained, tiny_design, store):
    """What was done before the stop is not done again; the remainder is, once."""
    stopped = study_events(stop=7)
    left_s = study.missing_seconds(tiny_design, store)
    study_events()

    assert len(stopped) == 7
    assert 0 < left_s < expected_seconds(tiny_design)
    assert len(trained) == len(set(trained)) >= EXPERIMENTS


def test_two_processes_give_what_one_does(study_events, store):
    """Side by side or one after the other is the same work."""
    [*_, alone] = study_events()
    for path in store.folder.glob("bracket-*"):
        path.unlink()
    [*_, together] = study_events(workers=2)

    assert without_times(replace(together, machine=alone.machine)) == without_times(
        alone
    )


def test_a_rate_that_diverges_is_not_chosen(study_events, monkeypatch):
    """It is a result, stored like any other; seeds that diverge are left out."""
    measure = study.measure_on_text

    def sometimes(config, *arguments, **settings):
        if config.optimizer.learning_rate == RATES[0] or config.seed == 2:
            diverge()
        return measure(config, *arguments, **settings)

    monkeypatch.setattr(study, "measure_on_text", sometimes)
    [*_, result] = study_events()

    for text in result.texts:
        assert text.choice.tried[0] == TriedRate(rate=RATES[0], score=None)
        assert text.choice.rate != RATES[0]
        assert (text.diverged, text.seeds) == (1, (1,))


def test_where_everything_diverges_there_is_still_a_result(study_events, monkeypatch):
    """Nothing of the text, and everything of the task."""
    monkeypatch.setattr(study, "measure_on_text", diverge)
    [*_, result] = study_events()

    assert result.texts[0].nats_per_char.mean is None
    assert len(result.tasks[0].cells[0].accuracy.y) == 2
    json.dumps(result.to_json(), allow_nan=False)


def test_a_design_is_made_once(text, store, tiny_design, monkeypatch):
    """Measured again it would differ, and no stored result would fit it."""
    designs = iter([tiny_design, replace(tiny_design, text_steps=99)])
    monkeypatch.setattr(study, "design_study", lambda *_, **__: next(designs))
    config = CompareConfig(minutes=1.0)

    first, second = (study.load_design(config, text, store, CPU) for _ in range(2))
    other = study.load_design(replace(config, seeds=2), text, store, CPU)

    assert first == second == tiny_design
    assert other.text_steps == 99
    plain = json.loads(json.dumps(to_json(tiny_design)))
    assert from_json(StudyDesign, plain) == tiny_design
