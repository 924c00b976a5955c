"""A whole comparison in small: nothing is trained twice, and a broken one goes on."""

import json
from dataclasses import replace

import pytest
import torch

from lstm_textgen.compare import study
from lstm_textgen.compare import study as pool
from lstm_textgen.compare.agenda import every_piece, trials
from lstm_textgen.compare.design import RATES, CompareConfig, StudyDesign
from lstm_textgen.compare.measure import TextData
from lstm_textgen.compare.results import StudyResult, result_json
from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import CorpusError, DivergedError
from lstm_textgen.training.machine import Machine

CPU = Machine(torch.device("cpu"), 1)
pytestmark = pytest.mark.usefixtures("few_looks")

PIECES = 2 * 2 * (3 + 2)
"""Two cells, text and one task, three rates and two seeds; there may be more rates."""


@pytest.fixture
def worked(monkeypatch):
    """The labels of the pieces that are really worked on."""
    labels, work_on = [], pool.run_workers

    def watched(piece, *arguments):
        labels.append(piece.label)
        return work_on(piece, *arguments)

    monkeypatch.setattr(pool, "run_workers", watched)
    return labels


def without_times(found):
    """As JSON, but for what the clock decides."""
    plain = result_json(found)
    for text in plain["texts"]:
        del text["seconds"], text["by_seconds"]
    return plain


def test_a_second_run_trains_nothing(run_study, worked):
    """It finds every piece, and comes to the same end."""
    first = run_study()
    done = list(worked)
    worked.clear()
    second = run_study()

    assert len(first) == len(done) + 1 > PIECES
    assert len(set(done)) == len(done)
    assert worked == []
    assert [event.was_there for event in second[:-1]] == [True] * len(done)
    assert result_json(second[-1]) == result_json(first[-1])


def test_a_broken_run_goes_on(run_study, worked):
    """What was done before the stop is not done again; the rest is, once."""
    broken = run_study(stop=7)
    run_study()

    assert len(broken) == 7
    assert len(worked) == len(set(worked)) >= PIECES


def test_broken_and_whole_runs_find_the_same(run_study, drawer):
    """Also where a file was lost in between."""
    [*_, whole] = run_study()
    path = sorted(drawer.folder.iterdir())[3]
    path.unlink()
    [*_, again] = run_study()

    assert without_times(again) == without_times(whole)


def test_two_processes_find_what_one_does(run_study, drawer):
    """Side by side or one after the other is the same work."""
    [*_, alone] = run_study()
    for path in drawer.folder.glob("bracket-*"):
        path.unlink()
    [*_, together] = run_study(workers=2)

    assert without_times(together) == without_times(alone) | {
        "machine": together.machine
    }


def test_every_cell_is_met_on_equal_terms(plan):
    """All read as many characters, try the same rates, and have the same seeds."""
    terms = {"lstm": set(), "rnn": set()}
    for piece in every_piece(plan):
        rate = piece.optimizer.learning_rate if piece in trials(plan) else "chosen"
        streams = piece.optimizer.streams
        terms[piece.cell].add((piece.kind, piece.steps, streams, rate, piece.seed))

    assert terms["lstm"] == terms["rnn"]
    assert {rate for *_, rate, seed in terms["rnn"] if seed == 0} >= set(RATES)


def test_a_rate_that_runs_away_is_not_chosen(run_study, monkeypatch):
    """It is a result, kept like any other; seeds that run away are left out."""
    read_text = pool.read_text_data

    def run_away(piece, *arguments):
        if piece.optimizer.learning_rate == RATES[0] or piece.seed == 2:
            raise DivergedError("It ran away.", "Lower the rate.")
        return read_text(piece, *arguments)

    monkeypatch.setattr(pool, "read_text_data", run_away)
    [*_, found] = run_study()

    for text in found.texts:
        assert text.choice.tried[0] == (RATES[0], None)
        assert text.choice.rate != RATES[0]
        assert (text.diverged, len(text.nats_per_char.each)) == (1, 1)


def test_where_all_run_away_there_is_still_a_report(run_study, monkeypatch):
    """With nothing to draw for the text, and everything about the task."""

    def run_away(*arguments):
        raise DivergedError("It ran away.", "Lower the rate.")

    monkeypatch.setattr(pool, "read_text_data", run_away)
    [*_, found] = run_study()

    assert found.texts[0].nats_per_char.mean is None
    assert len(found.tasks[0].cells[0].accuracy.y) == 2
    json.dumps(result_json(found), allow_nan=False)


def test_a_plan_is_made_once(subject, drawer, plan, monkeypatch):
    """Measured again it would differ, and nothing that is done would be found."""
    plans = iter([plan, replace(plan, text_steps=99)])
    monkeypatch.setattr(study, "design_study", lambda *_, **__: next(plans))
    wishes = CompareConfig(minutes=1.0)

    first, second = (study.plan_for(wishes, subject, drawer, CPU) for _ in range(2))
    other = study.plan_for(replace(wishes, seeds=2), subject, drawer, CPU)

    assert first == second == plan
    assert other.text_steps == 99
    assert from_json(StudyDesign, json.loads(json.dumps(to_json(plan)))) == plan


def test_a_text_that_is_too_short_is_refused(subject):
    """The error says how long it must be."""
    with pytest.raises(CorpusError, match=r"(?s)1,023 .* 10,240 characters"):
        TextData(
            train=subject.material.train,
            held_out=subject.material.held_out[:1023],
            vocabulary=7,
        )


def test_the_last_event_is_what_was_found(run_study, plan):
    """One curve for every seed, at the same places."""
    [*_, found] = run_study()

    assert isinstance(found, StudyResult)
    for text in found.texts:
        assert len(text.by_characters.y) == plan.seeds
        assert text.context.x == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
        assert len(text.trained.x) == 512
    assert [cell for cell, _ in found.reach_ratios] == ["rnn"]
