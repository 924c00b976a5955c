"""How a run ends: by its budget, by request, for want of progress, or badly."""

import math

import numpy as np
import pytest

from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.evaluation.perplexity import estimate_loss
from lstm_textgen.training.events import Evaluated, StepDone, StepSkipped, Stopped
from lstm_textgen.training.loop import Trainer
from lstm_textgen.training.resume import restore, snapshot


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def told(events):
    """Of each look at the held-out text its step and what was found."""
    return [(e.step, e.loss, e.best) for e in of(Evaluated, events)]


class TestStopping:
    @pytest.mark.parametrize("reason", ["interrupted", "terminated"])
    def test_stop_between_steps(self, make_trainer, every_step, reason):
        """Asked between two steps, no further one is made, and nothing is judged."""
        trainer = make_trainer(steps=60)
        events = []
        for event in trainer.fit():
            events.append(event)
            if event.step == 4:
                trainer.stop(reason)

        assert [type(event) for event in events[-2:]] == [StepDone, Stopped]
        assert (events[-1].step, events[-1].reason) == (4, reason)

    def test_stop_within_a_step(self, make_trainer, seldom):
        """A signal comes at any time: the step under way is finished and counted."""
        trainer = make_trainer(steps=60)
        trainer.model.register_forward_hook(
            lambda *_: (
                trainer.stop("terminated") if trainer.position.step == 1 else None
            )
        )
        events = list(trainer.fit())

        assert [type(event) for event in events] == [StepDone, Stopped]
        assert [event.step for event in events] == [2, 2]
        assert events[0].loss.characters == events[1].characters

    def test_stop_at_once(self, make_trainer):
        """Asked before the first step, there is none."""
        trainer = make_trainer()
        trainer.stop("interrupted")
        (event,) = trainer.fit()

        assert (event.step, event.characters, event.reason) == (0, 0, "interrupted")

    @pytest.mark.parametrize("look", [1, 2, 20])
    def test_stop_while_the_held_out_text_is_read(
        self, make_trainer, seldom, monkeypatch, look
    ):
        """
        A look may take longer than a scheduler waits, so a signal ends it.

        Whoever goes on makes it again, as if nothing had been: one on the way, or the
        last one, after the last step.
        """
        looks = []

        def glance_and_stop(*given):
            looks.append(given)
            if len(looks) == look:
                trainer.stop("terminated")
            return estimate_loss(*given)

        trainer = make_trainer(steps=40, dropout=0.3)
        expected = list(trainer.fit())
        trainer = make_trainer(steps=40, dropout=0.3)
        monkeypatch.setattr("lstm_textgen.training.loop.estimate_loss", glance_and_stop)
        first = list(trainer.fit())
        again = make_trainer(steps=40, dropout=0.3)
        restore(again, *snapshot(trainer))
        second = list(again.fit())

        assert first[-1].reason == "terminated"
        assert [type(event) for event in first[-2:]] == [StepDone, Stopped]
        assert trainer.position.over is None
        assert told(first + second) == told(expected)
        assert second[-1].reason == "budget"

    def test_no_improvement(self, make_trainer):
        """
        A held-out text that gets worse ends the run when the best is too old.

        The text is a and b in turn, and the held-out text knows only c: what is
        learned of a and b is paid for there. The first evaluation, at 5 % of 100
        steps, stays the best; a patience of 12.5 % ends it after step 18.
        """
        trainer = make_trainer(
            ids=np.tile(np.array([0, 1], dtype=np.uint8), 40),
            held_out=np.full(50, 2, dtype=np.uint8),
            steps=100,
            patience=0.125,
            learning_rate=0.05,
        )
        events = list(trainer.fit())
        evaluated = of(Evaluated, events)

        assert [e.best for e in evaluated] == [True] + [False] * 3
        assert [e.step for e in evaluated] == [5, 10, 15, 18]
        assert (events[-1].reason, events[-1].step) == ("no improvement", 18)

    def test_a_last_look_that_is_the_best(self, make_trainer, monkeypatch):
        """
        A run that is over stays over, though its last look found a new best.

        The best was then young again, and going on trained some more.
        """
        nats = iter([100.0, 200.0, 200.0, 50.0])
        monkeypatch.setattr(
            "lstm_textgen.training.loop.estimate_loss", lambda *_: Loss(next(nats), 100)
        )
        trainer = make_trainer(steps=100, patience=0.125)
        events = list(trainer.fit())
        again = make_trainer(steps=100, patience=0.125)
        restore(again, *snapshot(trainer))
        (stopped,) = again.fit()

        assert [e.best for e in of(Evaluated, events)] == [True, False, False, True]
        assert (stopped.reason, stopped.step) == ("no improvement", 18)

    def test_patience_of_one_is_off(self, make_trainer):
        """The same text is read to the end of the budget."""
        trainer = make_trainer(
            ids=np.tile(np.array([0, 1], dtype=np.uint8), 40),
            held_out=np.full(50, 2, dtype=np.uint8),
            steps=40,
            patience=1.0,
            learning_rate=0.05,
        )

        assert list(trainer.fit())[-1].reason == "budget"

    @pytest.mark.parametrize("characters", [0, 1])
    def test_nothing_held_out(self, make_trainer, characters):
        """Without a held-out text every model counts as the best, of no characters."""
        held_out = np.zeros(characters, dtype=np.uint8)
        trainer = make_trainer(held_out=held_out, steps=40, patience=0.01)
        events = list(trainer.fit())
        evaluated = of(Evaluated, events)

        assert events[-1].reason == "budget"
        assert len(evaluated) == 20
        assert all(event.best for event in evaluated)
        assert {event.loss.characters for event in evaluated} == {0}
        assert trainer.position.best_nats_per_char is None


class TestDiverging:
    def test_a_gradient_that_is_no_number_changes_nothing(self, make_trainer, seldom):
        """
        A step whose gradient is not finite is told and not applied; the next one is.

        Weights, moments and memory stay as they were; only the place in the text
        goes on, and the sum of losses has the other steps.
        """
        trainer = make_trainer(steps=60)
        parameter = trainer.model.head.weight
        hook = parameter.register_hook(lambda gradient: gradient * math.nan)
        before = snapshot(trainer)
        run = trainer.fit()
        event = next(run)
        after = snapshot(trainer)

        assert event == StepSkipped(step=1, in_a_row=1)
        for name in before[0]:
            if name != "generator":
                assert np.array_equal(before[0][name], after[0][name]), name
        assert (trainer.position.step, trainer.position.tick) == (1, 1)
        hook.remove()
        told = next(run)
        assert (told.step, trainer.position.skipped) == (3, 0)
        assert told.loss.characters < trainer.position.characters

    def test_many_in_a_row(self, make_trainer, every_step):
        """Weights that are no numbers end the run after five steps, naming the rate."""
        trainer = make_trainer(learning_rate=0.03, steps=600)
        run = trainer.fit()
        assert next(run).step == 1
        trainer.model.head.weight.data[0, 0] = math.nan
        events = []

        with pytest.raises(DivergedError, match=r"5 steps in a row.*step 6") as caught:
            events.extend(iter(run))
        assert caught.value.exit_code == 3
        assert "0.03" in caught.value.remedy

    def test_where_only_readings_are_looked_at(self, make_trainer, seldom, monkeypatch):
        """
        On a GPU no single step is looked at; the next reading ends the run.

        So a broken model never reaches an evaluation, and is never the best.
        """
        monkeypatch.setattr(Trainer, "_is_number", lambda *_: True)
        trainer = make_trainer(steps=60)
        trainer.model.head.bias.data[:] = math.inf

        with pytest.raises(DivergedError, match="at step 3"):
            next(trainer.fit())

    def test_a_held_out_loss_that_is_no_number(self, make_trainer, seldom):
        """
        Only the held-out text shows it: still the run ends, and nothing is best.

        Character 6 is never read in training, so its broken embedding is met in the
        held-out text first. A model like that could not even be saved.
        """
        trainer = make_trainer(
            ids=np.tile(np.array([0, 1], dtype=np.uint8), 40),
            held_out=np.full(50, 6, dtype=np.uint8),
        )
        trainer.model.embedding.weight.data[6] = math.nan

        with pytest.raises(DivergedError, match="held-out"):
            list(trainer.fit())
        assert trainer.position.best_nats_per_char is None
