"""Whole runs on disk: what they leave, and that stopping them changes nothing."""

import contextlib
import json
import os
import signal

import numpy as np
import pytest

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.checkpoint.record import part_of
from lstm_textgen.evaluation.perplexity import exact_loss
from lstm_textgen.model.weights import build_model
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.training.events import Evaluated, Sampled, Saved, StepDone, Stopped
from lstm_textgen.training.start import open_session, prepare

TEXT = "the cat sat on the mat and the rat sat on the cat; " * 20


@pytest.fixture
def text(make_source):
    return make_source("cats", TEXT)


def metrics(path):
    lines = (path / "metrics.jsonl").read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


def tensors(path):
    return load_checkpoint(path / "model.safetensors").tensors


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def told(path):
    """Of each line about the text its kind, step and what was found, in their order."""
    found = ("event", "step", "nats_per_char", "characters", "text")
    kinds = ("StepDone", "Evaluated", "Wrote")
    lines = [line for line in metrics(path) if line["event"] in kinds]
    return [[line.get(name) for name in found] for line in lines]


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


class TestFiles:
    def test_a_run_leaves_what_it_promises(self, text, make_wishes, train, every_step):
        """The model, the state, the metrics and the settings; no lock, no parts."""
        prepared, _ = train(text, make_wishes())

        assert {path.name for path in prepared.path.iterdir()} - {".lock"} == {
            "model.safetensors",
            "state.safetensors",
            "state.previous.safetensors",
            "metrics.jsonl",
            "run.json",
        }

    def test_the_model_is_what_it_says(self, make_source, make_wishes, train):
        """
        Its validation figure is what one finds who reads that part with it.

        Exactly, not nearly: one pass over that part, which is long enough for the
        quick estimates of the run to differ.
        """
        text = make_source("cats", 6 * TEXT)
        prepared, events = train(text, make_wishes(text={"test": 0.1}))
        checkpoint = load_checkpoint(prepared.path / "model.safetensors")
        record = checkpoint.training
        held_out = part_of(prepared.text, record, "validation")
        loss = exact_loss(build_model(checkpoint), held_out)

        assert (
            prepared.text.tokenizer.decode(held_out.tolist()) == (6 * TEXT)[4895:5508]
        )
        assert record.validation_nats_per_char == loss.nats_per_char
        assert record.validation_characters == loss.characters == 612
        assert (record.corpus, record.characters) == ("cats", 6120)
        assert (record.test_start, record.test_stop) == (5508, 6120)
        final = [e for e in events if isinstance(e, Evaluated) and e.final]
        assert [e.loss for e in final] == [loss]

    def test_a_long_text_is_judged_by_a_part(
        self, make_source, make_wishes, train, monkeypatch
    ):
        """
        Of a held-out part that takes long to read a share is counted, from all over it.

        Two minutes with 30 million characters once took two and a half.
        """
        for name, value in (("LONG_STREAM", 64), ("EXACT_LIMIT", 128)):
            monkeypatch.setattr(f"lstm_textgen.evaluation.perplexity.{name}", value)
        monkeypatch.setattr("lstm_textgen.evaluation.perplexity.MOST_JUDGED", 200)
        prepared, _ = train(make_source("cats", 6 * TEXT), make_wishes())
        record = load_checkpoint(prepared.path / "model.safetensors").training

        assert prepared.split.validation == (5508, 6120)
        assert 200 <= record.validation_characters < 210
        assert record.validation_nats_per_char > 0

    def test_a_held_out_part_in_which_no_character_begins(
        self, make_source, make_wishes, train
    ):
        """
        The last byte of a character is held out: nothing to count, and no figure.

        The run learned and then ended each time with a figure that was no number.
        """
        text = make_source("short", "日本" * 35)
        wishes = make_wishes(text={"tokenizer": "byte", "validation": 0.008}, steps=2)
        prepared, events = train(text, wishes)
        record = load_checkpoint(prepared.path / "model.safetensors").training

        assert prepared.split.validation == (208, 210)
        assert record.validation_nats_per_char is None
        assert isinstance(events[-1], Stopped)

    def test_the_model_is_the_best_one(self, make_source, make_wishes, train):
        """
        The steps in its record are those of the best evaluation of the run.

        The last tenth of the text has a character of its own, so that the more is
        learned the worse it gets.
        """
        text = make_source("turn", "ab" * 450 + "c" * 100)
        prepared, events = train(text, make_wishes(steps=10))
        evaluated = [e for e in events if isinstance(e, Evaluated) and not e.final]
        lowest = min(evaluated, key=lambda event: event.loss.nats_per_char)
        record = load_checkpoint(prepared.path / "model.safetensors").training

        assert record.steps == lowest.step
        assert record.steps == 2

    def test_events_come_in_order(self, text, make_wishes, train, seldom):
        """
        A state, losses, the evaluation, the best model, a line that it writes.

        The first state tells at once whether the disk takes it. At the end the state
        is saved, the best model judged, which the last state knows, and `Stopped` is
        the last of all.
        """
        _, events = train(text, make_wishes(steps=1))

        assert [type(event) for event in events] == [
            Saved,
            StepDone,
            Evaluated,
            Saved,
            Sampled,
            Saved,
            Saved,
            Evaluated,
            Saved,
            Stopped,
        ]
        saved = [e.what for e in events if isinstance(e, Saved)]
        assert saved == ["state", "model", "state", "state", "state"]

    def test_saving_all_the_time(self, text, make_wishes, train, every_step):
        """With no patience for crashes every step is followed by a state."""
        prepared, events = train(text, make_wishes(steps=4), save_every_s=0.0)
        saved = [e.step for e in events if isinstance(e, Saved) and e.what == "state"]

        assert set(saved) == {0, 1, 2, 3, 4}
        assert isinstance(events[-1], Stopped)
        assert (prepared.path / "state.previous.safetensors").exists()

    def test_metrics_have_no_gaps(self, text, make_wishes, train, every_step):
        """One JSON object for each event, with its name, and every step among them."""
        prepared, events = train(text, make_wishes(steps=30))
        lines = metrics(prepared.path)
        steps = [line for line in lines if line["event"] == "StepDone"]

        assert [line["event"] for line in lines] == [type(e).__name__ for e in events]
        assert [line["step"] for line in steps] == [*range(1, 31)]
        assert sum(line["characters"] for line in steps) == events[-1].characters
        assert all(line["nats_per_char"] > 0 for line in steps)
        assert all(
            "/" not in line["path"] for line in lines if line["event"] == "Saved"
        )

    def test_nothing_held_out(self, text, make_wishes, train):
        """The model is the last one, and it claims no figure; nor do the metrics."""
        prepared, events = train(text, make_wishes(text={"validation": 0.0}))
        record = load_checkpoint(prepared.path / "model.safetensors").training
        evaluated = [x for x in metrics(prepared.path) if x["event"] == "Evaluated"]

        assert record.validation_nats_per_char is None
        assert record.steps == events[-1].step
        assert {line["nats_per_char"] for line in evaluated} == {None}


class TestGoingOn:
    @pytest.mark.parametrize("stop", [1, 4, 9])
    def test_a_stop_changes_nothing(
        self, text, make_wishes, train, every_step, tmp_path, stop
    ):
        """
        Stopped and gone on with, a run ends with the same model, bit for bit.

        Its figure is the same, and the metrics have every step once.
        """
        wishes = make_wishes(optimizer={"dropout": 0.2, "weight_drop": 0.2})
        whole, _ = train(text, wishes, output=tmp_path / "whole")
        parts, first = train(text, wishes, output=tmp_path / "parts", stop=stop)
        assert (first[-1].step, first[-1].reason) == (stop, "interrupted")
        assert (parts.path / "model.safetensors").exists()
        _, second = train(text, wishes, output=parts.path, resume=True)
        records = [
            load_checkpoint(run.path / "model.safetensors").training
            for run in (whole, parts)
        ]

        assert second[-1].reason == "budget"
        assert equal(tensors(whole.path), tensors(parts.path))
        assert (
            records[0].validation_nats_per_char == records[1].validation_nats_per_char
        )
        assert records[0].steps == records[1].steps
        steps = [x["step"] for x in metrics(parts.path) if x["event"] == "StepDone"]
        assert steps == [*range(1, 11)]

    def test_without_wishes(self, text, make_wishes, train, tmp_path):
        """To go on, nothing needs to be said again: the run knows its settings."""
        whole, _ = train(text, make_wishes(), output=tmp_path / "whole")
        parts, _ = train(text, make_wishes(), output=tmp_path / "parts", stop=3)
        train(text, type(make_wishes())(), output=parts.path, resume=True)

        assert equal(tensors(whole.path), tensors(parts.path))

    def test_after_a_crash(
        self, text, make_wishes, machine, train, every_step, tmp_path
    ):
        """
        What was done after the last state is done again, and logged once.

        The process dies without a word at step 7; its last state is of step 4.
        """
        whole, _ = train(text, make_wishes(), output=tmp_path / "whole")
        prepared, _ = train(text, make_wishes(), output=tmp_path / "crashed", stop=4)
        again = prepare(text, make_wishes(), machine, output=prepared.path, resume=True)
        with open_session(again, started_s=0.0) as (session, _):
            for event in session.run():
                if event.step == 7:
                    break
        train(text, make_wishes(), output=prepared.path, resume=True)

        assert equal(tensors(whole.path), tensors(prepared.path))
        lines = metrics(prepared.path)
        steps = [x["step"] for x in lines if x["event"] == "StepDone"]
        assert steps == [*range(1, 11)]

    def test_after_a_crash_before_anything_was_saved(
        self, text, make_wishes, machine, train, every_step, tmp_path
    ):
        """
        The run begins anew, says so, and its metrics have every step once.

        The lines of the first attempt used to stay in them.
        """
        prepared = prepare(text, make_wishes(), machine, output=tmp_path / "run")
        with open_session(prepared, started_s=0.0) as (session, _):
            for event in session.run():
                if event.step == 3:
                    break
        for state in prepared.path.glob("state*"):
            state.unlink()
        again = prepare(text, make_wishes(), machine, output=prepared.path, resume=True)
        with open_session(again, started_s=0.0) as (session, warnings):
            list(session.run())

        assert ["beginning" in warning for warning in warnings] == [True]
        lines = metrics(prepared.path)
        steps = [x["step"] for x in lines if x["event"] == "StepDone"]
        assert steps == [*range(1, 11)]

    def test_a_damaged_state(self, text, make_wishes, train, machine, every_step):
        """The one before it is taken, with a warning, and the end is the same."""
        prepared, _ = train(text, make_wishes(), save_every_s=0.0, stop=5)
        (prepared.path / "state.safetensors").write_bytes(b"damaged")
        again = prepare(text, make_wishes(), machine, resume=True)
        with open_session(again, started_s=0.0) as (session, warnings):
            assert session.trainer.position.step == 5  # saved twice there
            list(session.run())

        assert ["damaged" in warning for warning in warnings] == [True]
        steps = [x["step"] for x in metrics(again.path) if x["event"] == "StepDone"]
        assert steps == [*range(1, 11)]

    @pytest.mark.parametrize("validation", [0.1, 0.0])
    def test_a_finished_run(self, text, make_wishes, train, validation):
        """
        Going on with it tells how it ended, and changes no file.

        It used to judge the model anew and to add lines to the metrics, each time.
        """
        wishes = make_wishes(text={"validation": validation})
        prepared, first = train(text, wishes)
        before = contents(prepared.path)
        _, events = train(text, wishes, resume=True)
        figures = [
            [e.loss for e in of if isinstance(e, Evaluated) and e.final]
            for of in (first, events)
        ]

        assert (events[-1].step, events[-1].reason) == (10, "budget")
        assert len(events) == 1 + len(figures[1])
        assert figures[0] == figures[1]
        assert contents(prepared.path) == before

    def test_a_finished_run_without_its_model(self, text, make_wishes, train):
        """What was deleted is made again from the last weights, and judged."""
        prepared, _ = train(text, make_wishes())
        (prepared.path / "model.safetensors").unlink()
        train(text, make_wishes(), resume=True)
        record = load_checkpoint(prepared.path / "model.safetensors").training

        assert record.steps == 10
        assert record.validation_nats_per_char is not None

    def test_a_death_at_any_event(
        self, text, make_wishes, machine, train, every_step, tmp_path
    ):
        """
        Wherever the process dies, the metrics have every look at the text once.

        A state is saved after every step here. What was logged after it used to stay
        if it was of the same step, and going on logged it again.
        """
        wishes = make_wishes(steps=5)
        whole, events = train(text, wishes, output=tmp_path / "whole", save_every_s=0.0)
        expected = told(whole.path)
        assert len(expected) > 5 + 5 + 5
        for moment in range(len(events)):
            path = tmp_path / f"died{moment}"
            prepared = prepare(text, wishes, machine, output=path)
            with open_session(prepared, started_s=0.0, save_every_s=0.0) as (
                session,
                _,
            ):
                for _ in zip(range(moment + 1), session.run(), strict=False):
                    pass
            train(text, wishes, output=path, save_every_s=0.0, resume=True)
            assert told(path) == expected, moment

    def test_a_state_from_before(self, text, make_wishes, train, every_step, tmp_path):
        """States that know neither the lines of the log nor how a run ended will do."""
        whole, _ = train(text, make_wishes(), output=tmp_path / "whole")
        parts, _ = train(text, make_wishes(), output=tmp_path / "parts", stop=5)
        directory = RunDirectory(parts.path)
        saved, progress, _ = directory.load_state()
        for name in ("over", "final_nats", "final_characters"):
            del progress["position"][name]
        del progress["log_lines"]
        directory.save_state(saved, progress)
        train(text, make_wishes(), output=parts.path, resume=True)

        assert equal(tensors(whole.path), tensors(parts.path))
        assert told(parts.path) == told(whole.path)

    def test_minutes_of_all_parts_count(self, text, make_wishes, machine, tmp_path):
        """A run of one minute that used 45 seconds has a quarter left."""
        wishes = make_wishes(minutes=1.0)
        prepared = prepare(text, wishes, machine, output=tmp_path / "run")
        with open_session(prepared, started_s=0.0) as (session, _):
            session.trainer.meter._clock = lambda: 45.0
            session.trainer.stop("interrupted")
            list(session.run())
        again = prepare(text, wishes, machine, output=prepared.path, resume=True)
        with open_session(again, started_s=100.0) as (session, _):
            session.trainer.meter._clock = lambda: 100.0

            assert session.trainer.meter.elapsed_s() == 45
            assert session.trainer.meter.progress(0) == pytest.approx(0.75, abs=0.01)


class TestTrouble:
    def test_it_saves_before_a_long_look(
        self, text, make_wishes, machine, every_step, monkeypatch
    ):
        """
        A crash while the held-out text is read costs no more work than promised.

        A look as long as the last one would reach beyond the next save here.
        """
        prepared = prepare(text, make_wishes(), machine)
        with open_session(prepared, started_s=0.0, save_every_s=1e6) as (session, _):
            trainer = session.trainer
            always = property(lambda _: 1e7, lambda *_: None)
            monkeypatch.setattr(type(trainer), "evaluation_s", always, raising=False)
            events = list(session.run())
        places = [
            place
            for place, event in enumerate(events)
            if isinstance(event, Evaluated) and not event.final
        ]

        assert len(places) == 5
        for place in places:
            saved = events[place - 1]
            assert isinstance(saved, Saved)
            assert (saved.what, saved.step) == ("state", events[place].step)
        assert sum(isinstance(event, Saved) for event in events) < 20

    @pytest.mark.parametrize("limit", [10, 1000])
    def test_a_signal_while_it_is_judged(
        self, text, make_wishes, machine, train, monkeypatch, limit
    ):
        """
        Exactly or, where that would take long, nearly: both hear it.

        Everything is saved by then, and going on judges the model.
        """
        for name in ("EXACT_LIMIT", "LONG_STREAM"):
            monkeypatch.setattr(f"lstm_textgen.evaluation.perplexity.{name}", limit)
        prepared = prepare(text, make_wishes(), machine)
        with open_session(prepared, started_s=0.0) as (session, _):
            saved = []
            for event in session.run():
                saved += [event] if isinstance(event, Saved) else []
                if session.trainer.position.over:
                    session.trainer.stop("terminated")
        _, events = train(text, make_wishes(), resume=True)

        assert (event.step, event.reason) == (10, "terminated")
        assert saved[-1].what == "state"
        finals = [e for e in events if isinstance(e, Evaluated)]
        assert [e.final for e in finals] == [True]

    def test_a_signal_saves(self, text, make_wishes, machine, every_step):
        """Ctrl-C ends the run after the step; model and state are on disk."""
        prepared = prepare(text, make_wishes(), machine)
        with open_session(prepared, started_s=0.0) as (session, _):
            events = []
            for event in session.run():
                events.append(event)
                if event.step == 3 and isinstance(event, StepDone):
                    os.kill(os.getpid(), signal.SIGINT)
        directory = RunDirectory(prepared.path)

        assert (events[-1].step, events[-1].reason) == (3, "interrupted")
        assert directory.load_state()[1]["position"]["step"] == 3
        assert load_checkpoint(directory.model_path).training.steps <= 3

    def test_stopped_before_any_evaluation(self, text, make_wishes, train, every_step):
        """There is a model even then, of no claimed quality."""
        prepared, _ = train(text, make_wishes(steps=100), stop=2)
        record = load_checkpoint(prepared.path / "model.safetensors").training

        assert (record.steps, record.validation_nats_per_char) == (2, None)

    def test_the_folder_is_free_afterwards(self, text, make_wishes, machine, train):
        """Also after an error the lock is gone, and the run can go on."""
        prepared = prepare(text, make_wishes(), machine)
        with (
            contextlib.suppress(ZeroDivisionError),
            open_session(prepared, started_s=0.0) as (session, _),
        ):
            next(session.run())
            raise ZeroDivisionError
        _, events = train(text, make_wishes(), resume=True)

        assert events[-1].reason == "budget"
