"""What a run does when something goes wrong in the middle of it."""

import dataclasses
import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.errors import ConfigError, CorpusError, DivergedError, VocabularyError
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.training.events import Evaluated, Saved, SetBack, StepDone, Warned
from lstm_textgen.training.start import open_session, prepare

TEXT = "the cat sat on the mat and the rat sat on the cat; " * 20


@pytest.fixture
def text(make_source):
    return make_source("cats", TEXT)


@pytest.fixture
def follow(machine):
    """Run to the end, with *act* called at each event; the events."""

    def run(prepared, act=lambda session, event: None, **options):
        with open_session(prepared, started_s=0.0, **options) as (session, warnings):
            events = []
            for event in session.run():
                events.append(event)
                act(session, event)
        return events, warnings

    return run


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def steps_logged(path):
    text = (path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [line["step"] for line in lines if line["event"] == "StepDone"]


def break_weights(session):
    session.trainer.model.head.bias.data[0] = math.nan


class TestRunningAway:
    def test_it_goes_back_and_on_at_half_the_rate(
        self, text, make_wishes, machine, follow, every_step
    ):
        """
        Broken once, the run goes on from its last state and ends as it should.

        The state is from step 4; the metrics have every step once.
        """
        broken = []

        def act(session, event):
            if isinstance(event, StepDone) and event.step == 7 and not broken:
                broken.append(event)
                break_weights(session)

        prepared = prepare(text, make_wishes(steps=20), machine)
        events, _ = follow(prepared, act)
        (back,) = of(SetBack, events)
        rates = {e.step: e.learning_rate for e in of(StepDone, events)}

        assert (back.step, back.from_step, back.learning_rate) == (4, 8, 0.01)
        assert events[-1].reason == "budget"
        assert steps_logged(prepared.path) == [*range(1, 21)]
        assert rates[6] == pytest.approx(0.01 * (1 - 5.5 / 20) / 0.98, rel=0.05)
        assert load_checkpoint(prepared.path / "model.safetensors")

    def test_the_setback_is_remembered(
        self, text, make_wishes, machine, follow, train, every_step, tmp_path
    ):
        """Stopped after it, the run goes on at half the rate, bit for bit."""

        def act(session, event, stop=None):
            if isinstance(event, StepDone) and event.step == 7:
                if session.trainer.position.setbacks == 0:
                    break_weights(session)
                elif stop:
                    session.trainer.stop("interrupted")

        wishes = make_wishes(steps=20)
        whole = prepare(text, wishes, machine, output=tmp_path / "whole")
        follow(whole, act)
        parts = prepare(text, wishes, machine, output=tmp_path / "parts")
        follow(parts, lambda session, event: act(session, event, stop=True))
        follow(prepare(text, wishes, machine, output=parts.path, resume=True))
        ends = [RunDirectory(run.path).load_state() for run in (whole, parts)]

        assert ends[0][1]["position"]["setbacks"] == 1
        assert all(np.array_equal(ends[0][0][k], ends[1][0][k]) for k in ends[0][0])

    def test_again_and_again(self, text, make_wishes, machine, follow, every_step):
        """After three halvings the error names the rate and the best model so far."""
        seen = []

        def act(session, event):
            seen.append(event)
            if isinstance(event, StepDone) and of(Evaluated, seen):
                break_weights(session)

        prepared = prepare(text, make_wishes(steps=20), machine)
        with pytest.raises(DivergedError) as caught:
            follow(prepared, act)
        rates = [event.learning_rate for event in of(SetBack, seen)]
        path = prepared.path / "model.safetensors"

        assert rates == [0.01, 0.005, 0.0025]
        assert caught.value.exit_code == 3
        assert str(path) in caught.value.remedy
        assert load_checkpoint(path).training.steps == 4

    def test_before_anything_was_learned(
        self, text, make_wishes, machine, follow, every_step
    ):
        """The first state is that of step 0, and no model is promised."""

        def act(session, event):
            if isinstance(event, Saved):
                break_weights(session)

        prepared = prepare(text, make_wishes(steps=20), machine)
        with pytest.raises(DivergedError) as caught:
            follow(prepared, act)

        assert not (prepared.path / "model.safetensors").exists()
        assert "best model" not in caught.value.remedy
        assert RunDirectory(prepared.path).load_state()[1]["position"]["step"] == 0

    @pytest.mark.parametrize(
        ("save_every_s", "validation"), [(0.0, 0.1), (1e9, 0.0), (1e9, 0.1)]
    )
    def test_weights_that_no_file_holds(
        self, text, make_wishes, machine, follow, every_step, save_every_s, validation
    ):
        """
        They are seen before the state or the model is saved, and the run goes back.

        A number above 2^53 gives a finite loss, if a bad one. The run used to end with
        65, as if a file were damaged, or kept it in its state.
        """
        broken = []

        def act(session, event):
            if isinstance(event, StepDone) and event.step == 7 and not broken:
                broken.append(event)
                session.trainer.model.embedding.weight.data[0, 0] = 1e17

        wishes = make_wishes(text={"validation": validation})
        prepared = prepare(text, wishes, machine)
        events, _ = follow(prepared, act, save_every_s=save_every_s)

        assert len(of(SetBack, events)) == 1
        assert "embedding.weight" in of(SetBack, events)[0].reason
        assert events[-1].reason == "budget"
        assert steps_logged(prepared.path) == [*range(1, 11)]
        assert RunDirectory(prepared.path).load_state()[1]["position"]["setbacks"] == 1


class TestTheLog:
    def test_a_log_that_cannot_be_written_stops_nothing(
        self, text, make_wishes, machine, follow, every_step
    ):
        """One warning; once the disk takes it again, every step is there."""
        prepared = prepare(text, make_wishes(), machine)
        path = prepared.path / "metrics.jsonl"

        def act(session, event):
            if isinstance(event, StepDone) and event.step == 2:
                path.rename(path.with_suffix(".aside"))
                path.mkdir()
            if isinstance(event, StepDone) and event.step == 8:
                path.rmdir()
                path.with_suffix(".aside").rename(path)

        events, _ = follow(prepared, act)
        (warning,) = of(Warned, events)

        assert "metrics.jsonl" in warning.text
        assert warning.text.endswith("Training goes on.")
        assert events[-1].reason == "budget"
        assert steps_logged(prepared.path) == [*range(1, 11)]

    def test_a_log_that_cannot_be_shortened_stops_no_resume(
        self, text, make_wishes, machine, train, follow, every_step
    ):
        """It is shortened as soon as the disk lets us; that used to end the process."""
        prepared, _ = train(text, make_wishes(), stop=4)
        path = prepared.path / "metrics.jsonl"
        path.write_text(path.read_text() + '{"event": "StepDone", "step": 5}\n')
        path.rename(path.with_suffix(".aside"))
        path.mkdir()

        def act(session, event):
            if isinstance(event, StepDone) and event.step == 8:
                path.rmdir()
                path.with_suffix(".aside").rename(path)

        again = prepare(text, make_wishes(), machine, output=prepared.path, resume=True)
        events, _ = follow(again, act, save_every_s=0.0)

        assert "metrics.jsonl" in of(Warned, events)[0].text
        assert len(of(Warned, events)) == 1
        assert steps_logged(prepared.path) == [*range(1, 11)]


class TestSignals:
    def test_saving_on_request(self, text, make_wishes, machine, follow, every_step):
        """SIGUSR1 saves the state after the step, as often as it comes."""

        def act(session, event):
            if isinstance(event, StepDone) and event.step in (3, 6):
                os.kill(os.getpid(), signal.SIGUSR1)

        prepared = prepare(text, make_wishes(), machine)
        events, _ = follow(prepared, act, save_every_s=1e9)
        asked = [e.step for e in of(Saved, events) if e.asked]

        assert asked == [3, 6]
        assert events[-1].reason == "budget"


class TestAnotherMachine:
    def test_what_moves_the_last_bits_is_told(
        self, text, make_wishes, machine, train, follow, monkeypatch
    ):
        """Other threads, another torch or textgen: it goes on, and says so."""
        prepared, _ = train(text, make_wishes(), stop=3)
        other = dataclasses.replace(machine, threads=3)
        monkeypatch.setattr(torch, "__version__", "9.9")
        monkeypatch.setattr(
            "lstm_textgen.training.machine.versions", lambda: {"lstm_textgen": "8.8"}
        )
        again = prepare(text, make_wishes(), other, output=prepared.path, resume=True)
        with open_session(again, started_s=0.0) as (_, warnings):
            pass

        (warning,) = warnings
        assert "threads 3, not 1; torch 9.9, not 2." in warning
        assert "textgen 8.8, not " in warning
        assert "numpy" not in warning
        assert "not bit for bit" in warning

    def test_threads_of_a_run_by_minutes(self, text, make_wishes, machine, train):
        """They are chosen by the clock each time; such a run has no bits to keep."""
        prepared, _ = train(text, make_wishes(minutes=1.0), stop=1)
        other = dataclasses.replace(machine, threads=3)
        path = prepared.path
        again = prepare(text, make_wishes(minutes=1.0), other, output=path, resume=True)
        with open_session(again, started_s=0.0) as (_, warnings):
            pass

        assert warnings == []

    def test_a_state_that_knows_less(self, text, make_wishes, machine, train):
        """What an older version did not write down is no difference."""
        prepared, _ = train(text, make_wishes(), stop=3)
        directory = RunDirectory(prepared.path)
        tensors, progress, _ = directory.load_state()
        for name in ("numpy", "textgen"):
            del progress["circumstances"][name]
        directory.save_state(tensors, progress)
        again = prepare(text, make_wishes(), machine, output=prepared.path, resume=True)
        with open_session(again, started_s=0.0) as (_, warnings):
            pass

        assert warnings == []

    def test_a_precision_that_does_not_run_here(
        self, text, make_wishes, machine, train, monkeypatch
    ):
        """
        A run in bfloat16 goes on in float32 where there is no bfloat16, and says so.

        It used to advise --precision auto, which was then refused as another setting.
        """
        prepared, _ = train(text, make_wishes(), stop=3)
        path = prepared.path / "run.json"
        settings = json.loads(path.read_text())
        settings["config"]["precision"] = "bfloat16"
        path.write_text(json.dumps(settings))

        def speed(where, *_):
            if where.dtype == torch.bfloat16:
                raise RuntimeError("no kernel")
            return 1e5

        monkeypatch.setattr("lstm_textgen.training.speed.training_speed", speed)
        again = prepare(text, make_wishes(run={}), machine, resume=True)

        assert again.plan.machine.dtype == torch.float32
        assert again.plan.config.precision == "bfloat16"


class TestAnotherText:
    @pytest.fixture
    def begun(self, text, make_wishes, train, every_step):
        """A run that was stopped on the way, with a model."""
        prepared, _ = train(text, make_wishes(steps=20), stop=9)
        return prepared

    def test_accepted(
        self, begun, make_source, make_wishes, machine, follow, every_step
    ):
        """
        It begins a new epoch of the new text in the old vocabulary, once.

        Afterwards the new text is the text of the run.
        """
        other = make_source("cats", TEXT.replace("rat", "cat")[:-100])
        accept = {"resume": True, "accept_corpus_change": True}
        again = prepare(other, make_wishes(steps=20), machine, **accept)
        with open_session(again, started_s=0.0) as (session, warnings):
            at = session.trainer.position
        assert "another one" in warnings[-1]
        assert (at.step, at.epoch, at.tick) == (9, 1, 0)
        assert again.text.tokenizer == begun.text.tokenizer

        once_more = prepare(other, make_wishes(steps=20), machine, resume=True)
        events, warnings = follow(once_more)
        record = load_checkpoint(begun.path / "model.safetensors").training
        assert (warnings, events[-1].step) == ([], 20)
        assert record.sha256 == once_more.text.sha256
        assert steps_logged(begun.path) == [*range(1, 21)]

    def test_of_a_run_that_is_over(
        self, text, make_source, make_wishes, machine, train, follow, every_step
    ):
        """No step is left, and the model gets its figure on the new text."""
        prepared, _ = train(text, make_wishes())
        other = make_source("cats", TEXT.replace("rat", "cat")[:-100])
        accept = {"resume": True, "accept_corpus_change": True}
        events, _ = follow(prepare(other, make_wishes(), machine, **accept))
        record = load_checkpoint(prepared.path / "model.safetensors").training

        assert not of(StepDone, events)
        assert [e.final for e in of(Evaluated, events)] == [False, True]
        assert record.validation_nats_per_char == (
            of(Evaluated, events)[-1].loss.nats_per_char
        )
        assert record.characters == len(TEXT) - 100

    def test_refused(self, begun, make_source, make_wishes, machine):
        """Without a word for it, the way on is named."""
        other = make_source("cats", TEXT.replace("rat", "bat"))
        with pytest.raises(CorpusError) as caught:
            prepare(other, make_wishes(steps=20), machine, resume=True)

        assert "--accept-corpus-change" in caught.value.remedy

    def test_a_character_that_the_run_does_not_know(
        self, begun, make_source, make_wishes, machine
    ):
        """Its ids would mean other characters, so this is refused by name."""
        other = make_source("cats", TEXT.replace("rat", "zebra"))
        accept = {"resume": True, "accept_corpus_change": True}
        with pytest.raises(VocabularyError, match="'z'"):
            prepare(other, make_wishes(steps=20), machine, **accept)


def test_not_enough_memory(text, make_wishes, machine, monkeypatch, every_step):
    """The settings that decide are named with what they are."""
    prepared = prepare(text, make_wishes(), machine)
    words = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    with open_session(prepared, started_s=0.0) as (session, _):
        monkeypatch.setattr(session.trainer, "_read", _raise(RuntimeError(words)))
        with pytest.raises(ConfigError) as caught:
            list(session.run())

    assert "2 layers of hidden 6 with 3 streams and a window of 5" in str(caught.value)
    assert "--streams" in caught.value.remedy


def _raise(error):
    def function(*_):
        raise error

    return function


def test_no_clock_that_can_jump():
    """
    Budgets are measured by a clock that only goes forward; no other is read.

    But for the age of what a fetch left behind: the dates of files are by the calendar.
    """
    package = Path(__file__).parents[2] / "lstm_textgen"
    found = [
        str(path.relative_to(package))
        for part in ("training", "checkpoint")
        for path in (package / part).rglob("*.py")
        if "time.time" in path.read_text(encoding="utf-8")
    ]

    assert found == ["checkpoint/pruning.py"]
