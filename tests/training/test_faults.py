"""What a run does when something goes wrong in the middle of it."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.errors import ConfigError, CorpusError, DivergedError, VocabularyError
from lstm_textgen.training.events import (
    Evaluated,
    Resumed,
    Saved,
    SetBack,
    StepDone,
    Warned,
)
from lstm_textgen.training.loop import Loop
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.prepare import prepare_run
from lstm_textgen.training.run import open_run
from tests.training.tiny import equal, of

pytestmark = pytest.mark.slow

TEXT = "the cat sat on the mat and the rat sat on the cat; " * 20


def steps_logged(run):
    text = run.directory.metrics_path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [line["step"] for line in lines if line["event"] == "StepDone"]


def at_step(step, change):
    """Change the network once, after the report of a step."""
    changed = []

    def act(event, control, loop):
        if isinstance(event, StepDone) and event.step == step and not changed:
            changed.append(event)
            change(loop.network)

    return act


def break_weights(network):
    network.head.bias.data[0] = math.nan


def warnings_of(run):
    """What a resumed run warns of before its first step."""
    warnings = []
    with open_run(run, started_s=0.0) as events:
        for event in events:
            if not isinstance(event, Warned):
                return warnings, event
            warnings.append(event.text)


class TestDiverging:
    def test_it_is_set_back_and_continues_at_half_the_rate(
        self, cats, make_overrides, train
    ):
        """
        Broken once, the run continues from its last state and ends as it should.

        The state is from step 4; the metrics have every step once.
        """
        act = at_step(7, break_weights)
        run, events = train(cats, make_overrides(steps=20), act=act)
        (back,) = of(SetBack, events)
        rates = {e.step: e.learning_rate for e in of(StepDone, events)}

        assert (back.step, back.from_step, back.learning_rate) == (4, 8, 0.01)
        assert events[-1].reason == "budget"
        assert steps_logged(run) == [*range(1, 21)]
        assert rates[6] == pytest.approx(0.01 * (1 - 5.5 / 20) / 0.98, rel=0.05)
        assert load_checkpoint(run.directory.model_path)

    def test_the_setback_is_remembered(self, cats, make_overrides, train, tmp_path):
        """Stopped after it, the run is resumed at half the rate, bit for bit."""

        def act(event, control, loop, stop=False):
            if isinstance(event, StepDone) and event.step == 7:
                if loop.position.setbacks == 0:
                    break_weights(loop.network)
                elif stop:
                    control.ask_to_stop("interrupted")

        overrides = make_overrides(steps=20)
        whole, _ = train(cats, overrides, output=tmp_path / "whole", act=act)
        parts, _ = train(
            cats,
            overrides,
            output=tmp_path / "parts",
            act=lambda *arguments: act(*arguments, stop=True),
        )
        train(cats, overrides, output=tmp_path / "parts", resume=True)
        ends = [run.directory.load_state() for run in (whole, parts)]

        assert ends[0][1]["position"]["setbacks"] == 1
        assert equal(ends[0][0], ends[1][0])

    def test_again_and_again(self, cats, make_overrides, train):
        """After three halvings the error names the rate and the best model so far."""
        seen = []

        def act(event, control, loop):
            seen.append(event)
            if isinstance(event, StepDone) and of(Evaluated, seen):
                break_weights(loop.network)

        with pytest.raises(DivergedError) as caught:
            train(cats, make_overrides(steps=20), act=act)
        path = Path("checkpoints/cats/model.safetensors")

        assert [e.learning_rate for e in of(SetBack, seen)] == [0.01, 0.005, 0.0025]
        assert caught.value.exit_code == 3
        assert str(path) in caught.value.remedy
        assert load_checkpoint(path).training.steps == 4

    def test_before_anything_was_learned(self, cats, make_overrides, train):
        """The first state is that of step 0, and no model is promised."""

        def act(event, control, loop):
            if isinstance(event, Saved):
                assert (event.what, event.step) == ("state", 0)
                break_weights(loop.network)

        with pytest.raises(DivergedError) as caught:
            train(cats, make_overrides(steps=20), act=act)

        assert not Path("checkpoints/cats/model.safetensors").exists()
        assert "best model" not in caught.value.remedy

    @pytest.mark.parametrize(
        ("save_every_s", "validation"), [(0.0, 0.1), (1e9, 0.0), (1e9, 0.1)]
    )
    def test_weights_that_no_file_holds(
        self, cats, make_overrides, train, save_every_s, validation
    ):
        """
        They are noticed before the state or the model is saved, and it is set back.

        A number above 2^53 gives a finite loss, if a bad one. The run used to end with
        65, as if a file were damaged, or kept it in its state.
        """

        def enlarge(network):
            network.embedding.weight.data[0, 0] = 1e17

        run, events = train(
            cats,
            make_overrides(text={"validation": validation}),
            act=at_step(7, enlarge),
            cadence={"save_every_s": save_every_s},
        )
        (back,) = of(SetBack, events)

        assert "embedding.weight" in back.reason
        assert events[-1].reason == "budget"
        assert steps_logged(run) == [*range(1, 11)]
        assert run.directory.load_state()[1]["position"]["setbacks"] == 1


class TestTheMetrics:
    """Failing to write them stops nothing."""

    @pytest.fixture
    def block(self):
        """Put a folder in the place of the file, or take it away again."""

        def block(path, away=True):
            aside = path.with_suffix(".aside")
            if away:
                path.rename(aside)
                path.mkdir()
            else:
                path.rmdir()
                aside.rename(path)

        return block

    def test_a_file_that_cannot_be_written(self, cats, make_overrides, train, block):
        """One warning; once the disk takes it again, every step is there."""
        path = Path("checkpoints/cats/metrics.jsonl")

        def act(event, control, loop):
            if isinstance(event, StepDone) and event.step in (2, 8):
                block(path, away=event.step == 2)

        run, events = train(cats, make_overrides(), act=act)
        (warning,) = of(Warned, events)

        assert "metrics.jsonl" in warning.text
        assert events[-1].reason == "budget"
        assert steps_logged(run) == [*range(1, 11)]

    def test_a_file_that_cannot_be_shortened(self, cats, make_overrides, train, block):
        """It is shortened as soon as the disk lets us; that used to end the process."""
        run, _ = train(cats, make_overrides(), stop=4)
        path = run.directory.metrics_path
        path.write_text(path.read_text() + '{"event": "StepDone", "step": 5}\n')
        block(path)

        def act(event, control, loop):
            if isinstance(event, StepDone) and event.step == 8:
                block(path, away=False)

        cadence = {"save_every_s": 0.0}
        _, events = train(cats, make_overrides(), resume=True, act=act, cadence=cadence)
        (warning,) = of(Warned, events)

        assert "metrics.jsonl" in warning.text
        assert steps_logged(run) == [*range(1, 11)]


class TestAnotherMachine:
    def test_what_moves_the_last_bits_is_named(
        self, cats, make_overrides, machine, train, monkeypatch
    ):
        """Other threads, another torch or textgen: it resumes, and says so."""
        train(cats, make_overrides(), stop=3)
        other = dataclasses.replace(machine, threads=3)
        monkeypatch.setattr(torch, "__version__", "9.9")
        monkeypatch.setattr(
            "lstm_textgen.model.machine.versions", lambda: {"lstm_textgen": "8.8"}
        )
        (warning,), event = warnings_of(
            prepare_run(cats, make_overrides(), other, resume=True)
        )

        assert "threads 3, not 1; torch 9.9, not 2." in warning
        assert "textgen 8.8, not " in warning
        assert "numpy" not in warning
        assert isinstance(event, Resumed)

    def test_threads_of_a_run_by_minutes(self, cats, make_overrides, machine, train):
        """They are chosen by the clock each time; such a run has no bits to keep."""
        overrides = make_overrides(minutes=1.0)
        train(cats, overrides, stop=1)
        other = dataclasses.replace(machine, threads=3)

        assert warnings_of(prepare_run(cats, overrides, other, resume=True))[0] == []

    def test_a_precision_that_does_not_run_here(
        self, cats, make_overrides, machine, train, monkeypatch
    ):
        """
        A run in bfloat16 is resumed in float32 where there is no bfloat16.

        It used to advise --precision auto, which was then refused as another setting.
        """
        run, _ = train(cats, make_overrides(run={"precision": "bfloat16"}), stop=3)
        assert run.machine.dtype == torch.bfloat16

        def speed(where, *_):
            if where.dtype == torch.bfloat16:
                raise RuntimeError("no kernel")
            return 1e5

        monkeypatch.setattr("lstm_textgen.training.speed.training_speed", speed)
        again = prepare_run(cats, Overrides(), machine, resume=True)

        assert again.machine.dtype == torch.float32
        assert again.spec.config.precision == "bfloat16"
        assert "precision float32, not bfloat16" in warnings_of(again)[0][0]


class TestAnotherText:
    ACCEPT = {"resume": True, "accept_corpus_change": True}  # noqa: RUF012

    @pytest.fixture
    def other(self, make_source):
        """A shorter text in the same characters."""
        return lambda: make_source("cats", TEXT.replace("rat", "cat")[:-100])

    def test_accepted(self, cats, other, make_overrides, machine, train):
        """
        It begins a new epoch of the new text in the old vocabulary, once.

        Afterwards the new text is the text of the run.
        """
        overrides = make_overrides(steps=20)
        begun, _ = train(cats, overrides, stop=9)
        text = other()
        again = prepare_run(text, overrides, machine, **self.ACCEPT)
        warnings, event = warnings_of(again)
        states = [again.directory.load_state()[1]["position"]]
        again.directory.state_path.unlink()
        states.append(again.directory.load_state()[1]["position"])

        assert "another one" in warnings[-1]
        assert event.step == 9
        for at in states:
            assert (at["step"], at["epoch"], at["tick"]) == (9, 1, 0)
            assert at["best_nats_per_char"] is None
        assert again.text.tokenizer == begun.text.tokenizer

        once_more, events = train(text, overrides, resume=True)
        record = load_checkpoint(begun.directory.model_path).training
        assert events[-1].step == 20
        assert ["damaged" in e.text for e in of(Warned, events)] == [True]
        assert record.sha256 == once_more.text.sha256
        assert steps_logged(begun) == [*range(1, 21)]

    def test_a_character_that_the_run_does_not_know(
        self, cats, make_source, make_overrides, machine, train
    ):
        """Its ids would mean other characters, so this is refused by name."""
        train(cats, make_overrides(), stop=3)
        other = make_source("cats", TEXT.replace("rat", "zebra"))

        with pytest.raises(VocabularyError, match="'z'"):
            prepare_run(other, make_overrides(), machine, **self.ACCEPT)

    def test_before_there_is_a_model(self, cats, other, make_overrides, machine, train):
        """Nothing knows the old vocabulary: the way out is a new run."""
        train(cats, make_overrides(), die=1)

        with pytest.raises(CorpusError, match="no model yet") as caught:
            prepare_run(other(), make_overrides(), machine, **self.ACCEPT)
        assert "-o" in caught.value.remedy


def test_not_enough_memory(cats, make_overrides, train, monkeypatch):
    """The settings that decide are named with what they are."""
    words = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"

    def fail(*_):
        raise RuntimeError(words)

    monkeypatch.setattr(Loop, "_read", fail)
    with pytest.raises(ConfigError) as caught:
        train(cats, make_overrides())

    assert "2 layers of hidden 6 with 3 streams and a window of 5" in str(caught.value)
    assert "--streams" in caught.value.remedy


def test_no_clock_that_can_jump():
    """Budgets are measured by a clock that only goes forward; no other is read."""
    package = Path(__file__).parents[2] / "lstm_textgen"

    assert [
        path.name
        for path in (package / "training").rglob("*.py")
        if "time.time" in path.read_text(encoding="utf-8")
    ] == []
