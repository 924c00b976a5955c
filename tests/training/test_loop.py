"""The loop, held to a few lines of plain torch and to what can be counted by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from lstm_textgen.config import BudgetConfig, Cadence
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.evaluation.perplexity import loss_during_run
from lstm_textgen.model.machine import Machine
from lstm_textgen.text.streams import IGNORE
from lstm_textgen.training.events import Evaluated, StepDone, StepSkipped, Stopped
from lstm_textgen.training.loop import Loop
from lstm_textgen.training.schedule import Meter, end_of_text_at
from tests.training.tiny import EVERY_STEP, equal, of, tiny

A_AND_B = np.tile(np.array([0, 1], dtype=np.uint8), 40)
"""Two characters in turn."""


def watch(loop):
    """The recurrent state before and after each window."""
    seen = []

    def hook(module, inputs, outputs):
        if torch.is_grad_enabled():  # not an evaluation
            seen.append((inputs[1].tensors(), outputs[1].tensors()))

    loop.network.register_forward_hook(hook)
    return seen


class PlainTorch:
    """Two stacked `nn.LSTM` and AdamW, as in a tutorial."""

    def __init__(self, model):
        V, E, H = model.vocabulary, model.config.embedding, model.config.hidden
        self.embedding = nn.Embedding(V, E)
        self.lower, self.upper = nn.LSTM(E, H), nn.LSTM(H, H)
        self.head = nn.Linear(H, V)
        parts = [self.embedding, self.lower, self.upper, self.head]
        values = list(model.state_dict().values())
        self.parameters = [p for part in parts for p in part.parameters()]
        for part in parts:
            part.double()
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.data.copy_(value)
        matrices = [p for p in self.parameters if p.dim() == 2]
        biases = [p for p in self.parameters if p.dim() == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": biases}],
            betas=(0.9, 0.95),
            weight_decay=0.0,
            foreach=False,
        )
        self.recurrent = None, None

    def step(self, inputs, targets, rate, clip):
        """Returns the mean loss and the norm of the gradient."""
        low, up = self.recurrent
        x, low = self.lower(self.embedding(torch.as_tensor(inputs)), low)
        y, up = self.upper(x, up)
        logits = self.head(x + y)
        wanted = torch.as_tensor(targets)
        loss = nn.functional.cross_entropy(
            logits.permute(1, 2, 0), wanted.T, ignore_index=IGNORE
        )
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.recurrent = tuple(tuple(t.detach() for t in m) for m in (low, up))
        return loss.item(), norm.item()


def test_steps_are_those_of_plain_torch():
    """
    Twelve steps over four epochs end at the weights of a loop in plain torch.

    40 characters in 3 streams make 3 windows, the last with two targets that do not
    count; the recurrent state is carried over them and begins anew with an epoch. The
    rates are worked by hand, each for the middle of its step: up for 3 of 12 steps,
    then down a line. The clip is low enough to act.
    """
    run = tiny(
        steps=12, dtype=torch.float64, warm_up=0.25, weight_decay=0.1, clip=0.3,
        beta2=0.95, basis_every=0,
    )  # fmt: skip
    loop = run.loop(cadence=EVERY_STEP)
    plain = PlainTorch(loop.network)
    factors = [1 / 6, 3 / 6, 5 / 6]
    factors += [1 - (k + 0.5) / 9 for k in range(9)]
    done = of(StepDone, loop.events())
    assert run.data.streams.ticks == 3

    for number, factor in enumerate(factors):
        epoch, tick = divmod(number, 3)
        if tick == 0:
            plain.recurrent = None, None
        end_at = end_of_text_at(4.0 - epoch) if epoch else None
        window = run.data.streams.window_at(epoch, tick, end_at=end_at)
        loss, norm = plain.step(*window, rate=0.02 * factor, clip=0.3)
        assert done[number].loss.nats_per_char == pytest.approx(loss, rel=1e-9)
        assert done[number].gradient_norm == pytest.approx(norm, rel=1e-8)
        assert done[number].learning_rate == pytest.approx(0.02 * factor)
    for ours, theirs in zip(loop.network.parameters(), plain.parameters, strict=True):
        torch.testing.assert_close(ours.data, theirs.data, rtol=1e-8, atol=1e-10)
    assert max(event.gradient_norm for event in done) > 0.3
    assert sum(event.loss.characters for event in done[:3]) == 40


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_recurrent_state_is_carried_within_an_epoch(cell):
    """A window begins with the state after the one before, an epoch with zeros."""
    run = tiny(cell=cell, steps=9)
    loop = run.loop()
    seen = watch(loop)
    list(loop.events())

    assert len(seen) == 9
    for step, (before, _) in enumerate(seen):
        for name, tensor in before.items():
            assert not tensor.requires_grad
            if step % run.data.streams.ticks == 0:
                assert not tensor.any()
            else:
                assert torch.equal(tensor, seen[step - 1][1][name])
                assert tensor.any()


def test_bfloat16_is_for_products_only():
    """
    Products in bfloat16 leave weights and recurrent state in float32.

    A recurrent state in bfloat16 would be carried, saved, and make other bits.
    """
    run = tiny()
    half = Machine(torch.device("cpu"), 1, torch.bfloat16)
    loop = Loop(
        run.spec, run.start, run.data, half, meter=run.meter, control=run.control
    )
    seen = watch(loop)
    events = list(loop.events())
    plain = run.loop()
    list(plain.events())
    state = loop.state()
    kept = (state.weights, state.recurrent.tensors(), seen[1][0])

    assert {t.dtype for group in kept for t in group.values()} == {torch.float32}
    assert state.environment["precision"] == "bfloat16"
    assert events[-1].step == 6
    assert not equal(state.weights, plain.state().weights)


class TestEvents:
    def test_every_step_in_order(self):
        """
        Steps, an evaluation at each twentieth of the budget, and the end.

        Of 60 steps every third is followed by an evaluation of the same step. The
        whole text is counted once in each epoch.
        """
        events = list(tiny(steps=60).loop(cadence=EVERY_STEP).events())
        expected = []
        for step in range(1, 61):
            expected.append((StepDone, step))
            expected += [(Evaluated, step)] if step % 3 == 0 else []
        expected.append((Stopped, 60))
        end = events[-1]

        assert [(type(event), event.step) for event in events] == expected
        assert sum(event.loss.characters for event in of(StepDone, events)) == 20 * 40
        assert (end.reason, end.characters, end.epochs) == ("budget", 20 * 40, 20.0)
        assert [e.epoch for e in of(StepDone, events)][:7] == [0, 0, 1, 1, 1, 2, 2]
        assert [round(20 * e.progress) for e in of(Evaluated, events)] == [
            *range(1, 21)
        ]

    def test_sums_over_steps(self):
        """
        Reported seldom, a loss is the sum since the last report; nothing is lost.

        The weights are those of a run that reports every step.
        """
        seldom, often = tiny(steps=60).loop(), tiny(steps=60).loop(cadence=EVERY_STEP)
        events = list(seldom.events())
        done = of(StepDone, events)
        total = sum(e.loss.nats for e in of(StepDone, often.events()))

        assert [type(event) for event in events] == [StepDone, Evaluated] * 20 + [
            Stopped
        ]
        assert [e.step for e in done] == [*range(3, 61, 3)]
        assert [e.loss.characters for e in done] == [40] * 20
        assert sum(e.loss.nats for e in done) == pytest.approx(total, rel=1e-12)
        assert equal(seldom.state().weights, often.state().weights)

    def test_the_best_is_the_lowest_so_far(self):
        """`best` marks an evaluation that is lower than all before it."""
        loop = tiny(steps=60, learning_rate=0.1).loop()
        evaluated = of(Evaluated, loop.events())
        losses = [event.loss.nats_per_char for event in evaluated]
        lowest = [math.inf, *itertools.accumulate(losses, min)][:-1]

        assert [e.best for e in evaluated] == [
            loss < low for loss, low in zip(losses, lowest, strict=True)
        ]
        assert {event.best for event in evaluated} == {True, False}
        assert loop.position.best_nats_per_char == min(losses)

    def test_as_good_as_the_best_is_no_better(self):
        """A model that does not change is the best once, so patience can end."""
        run = tiny(steps=60, learning_rate=1e-30, weight_decay=0.0, patience=0.25)
        events = list(run.loop().events())

        assert [e.best for e in of(Evaluated, events)] == [True] + [False] * 6
        assert events[-1].reason == "no improvement"

    def test_seconds_are_those_of_the_clock(self):
        """`elapsed_s` is what the meter shows; here every look takes a second."""
        ticking, run = itertools.count(), tiny(steps=20)
        run.meter = Meter(
            BudgetConfig(steps=20),
            ticks=3,
            started_s=0.0,
            clock=lambda: float(next(ticking)),
        )
        loop = run.loop()
        times = [event.elapsed_s for event in loop.events()]

        assert times == [float(look) for look in range(41)]
        assert loop.state().position.spent_s == 41.0

    def test_a_budget_of_one_step(self):
        """The shortest run makes its step, evaluates and ends."""
        events = list(tiny(steps=1).loop().events())

        assert [type(event) for event in events] == [StepDone, Evaluated, Stopped]
        assert {event.step for event in events} == {1}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
class TestSeeds:
    def test_the_same_seed_gives_the_same_bits(self, cell):
        """Weights, places in the text and noise all follow from the seed."""
        ends = []
        for seed in (5, 5, 6):
            torch.manual_seed(len(ends))  # of no consequence
            run = tiny(cell=cell, seed=seed, dropout=0.3, weight_drop=0.3)
            loop = run.loop()
            losses = [e.loss for e in of(StepDone, loop.events())]
            ends.append((losses, loop.state().weights))

        assert ends[0][0] == ends[1][0]
        assert equal(ends[0][1], ends[1][1])
        assert not equal(ends[0][1], ends[2][1])

    @pytest.mark.parametrize("noise", ["dropout", "weight_drop"])
    def test_noise_is_drawn_anew_for_every_step(self, cell, noise):
        """Each kind of noise changes the run, and no two windows have the same."""
        quiet, noisy = tiny(cell=cell).loop(), tiny(cell=cell, **{noise: 0.4}).loop()
        drawn = []
        noisy.network.register_forward_hook(
            lambda module, inputs, outputs: (
                drawn.append(inputs[2]) if len(inputs) > 2 else None
            )
        )
        list(quiet.events())
        list(noisy.events())
        field = "outputs" if noise == "dropout" else "recurrent"
        factors = [getattr(masks, field)[0] for masks in drawn]

        assert not equal(quiet.state().weights, noisy.state().weights)
        assert len(factors) == noisy.position.step
        assert not any(torch.equal(*pair) for pair in itertools.pairwise(factors))


def test_the_warm_up_begins_with_the_first_step():
    """
    A budget in minutes counts imports and reading; the schedule does not.

    They once took more of a short budget than the warm-up, and the first step was
    made at the full rate.
    """
    now_s, run = [30.0], tiny(steps=1, warm_up=0.1)
    run.meter = Meter(
        BudgetConfig(minutes=1.0), ticks=3, started_s=0.0, clock=lambda: now_s[0]
    )
    rates = []
    for event in run.loop(cadence=EVERY_STEP).events():
        now_s[0] += 1.0
        if isinstance(event, StepDone):
            rates.append(event.learning_rate)

    assert rates[0] == 0.0
    assert 0 < rates[1] < rates[2] < 0.02
    assert max(rates) <= 0.02
    assert rates[-1] < 0.1 * 0.02


def test_an_evaluation_that_is_due_counts_before_the_next_report():
    """So a state is saved before the held-out text is read, which may take long."""
    loop = tiny(steps=40).loop(cadence=Cadence(report_every_s=0.0))
    due = [loop.seconds_to_next_report() for _ in loop.events()]

    assert due[0] == 0  # after the first step; nothing is known of evaluations
    assert max(due) > 0
    assert due[-1] == 0


class TestStopping:
    @pytest.mark.parametrize("reason", ["interrupted", "terminated"])
    def test_between_steps(self, reason):
        """No further step is made, and nothing is evaluated."""
        run, events = tiny(steps=60), []
        for event in run.loop(cadence=EVERY_STEP).events():
            events.append(event)
            if event.step == 4:
                run.control.ask_to_stop(reason)

        assert [type(event) for event in events[-2:]] == [StepDone, Stopped]
        assert (events[-1].step, events[-1].reason) == (4, reason)

    def test_within_a_step(self):
        """A signal comes at any time: the step under way is finished and counted."""
        run = tiny(steps=60)
        loop = run.loop()
        loop.network.register_forward_hook(
            lambda *_: (
                run.control.ask_to_stop("terminated")
                if loop.position.step == 1
                else None
            )
        )
        events = list(loop.events())

        assert [type(event) for event in events] == [StepDone, Stopped]
        assert [event.step for event in events] == [2, 2]
        assert events[0].loss.characters == events[1].characters

    def test_at_once(self):
        """Asked before the first step, there is none."""
        run = tiny()
        loop = run.loop()
        run.control.ask_to_stop("interrupted")
        (event,) = loop.events()

        assert (event.step, event.characters, event.reason) == (0, 0, "interrupted")

    @pytest.mark.parametrize("evaluation", [1, 2, 20])
    def test_while_the_held_out_text_is_read(self, monkeypatch, evaluation):
        """
        An evaluation may take longer than a scheduler waits, so a signal ends it.

        A resumed run repeats it, as if nothing had been: one on the way, or the last
        one, after the last step.
        """
        calls, run = [], tiny(steps=40, dropout=0.3)

        def evaluated(events):
            return [(e.step, e.loss, e.best) for e in of(Evaluated, events)]

        def stop_and_estimate(*arguments):
            calls.append(arguments)
            if len(calls) == evaluation:
                run.control.ask_to_stop("terminated")
            return loss_during_run(*arguments)

        expected = list(run.loop().events())
        name = "lstm_textgen.training.loop.loss_during_run"
        monkeypatch.setattr(name, stop_and_estimate)
        loop = run.loop()
        first = list(loop.events())
        second = list(run.loop(loop.state()).events())

        assert first[-1].reason == "terminated"
        assert [type(event) for event in first[-2:]] == [StepDone, Stopped]
        assert loop.position.over is None
        assert evaluated(first + second) == evaluated(expected)
        assert second[-1].reason == "budget"

    @pytest.mark.parametrize(
        ("patience", "reason", "steps"),
        [(0.125, "no improvement", [5, 10, 15, 18]), (1.0, "budget", None)],
    )
    def test_no_improvement(self, patience, reason, steps):
        """
        A held-out text that gets worse ends the run when the best is too old.

        The text is a and b in turn, and the held-out text knows only c: what is
        learned of a and b is paid for there. The first evaluation, at 5 % of 100
        steps, stays the best; a patience of 12.5 % ends it after step 18, and one of
        1 does not.
        """
        run = tiny(
            ids=A_AND_B,
            held_out=np.full(50, 2, dtype=np.uint8),
            steps=100,
            patience=patience,
            learning_rate=0.05,
        )
        events = list(run.loop().events())
        evaluated = of(Evaluated, events)

        assert events[-1].reason == reason
        assert [e.best for e in evaluated][:4] == [True] + [False] * 3
        assert steps in (None, [e.step for e in evaluated])

    def test_a_last_evaluation_that_is_the_best(self, monkeypatch):
        """
        A run that is over stays over, though its last evaluation was a new best.

        The best was then young again, and resuming trained some more.
        """
        nats = iter([100.0, 200.0, 200.0, 50.0])
        monkeypatch.setattr(
            "lstm_textgen.training.loop.loss_during_run",
            lambda *_: Loss(next(nats), 100),
        )
        run = tiny(steps=100, patience=0.125)
        loop = run.loop()
        events = list(loop.events())
        (end,) = run.loop(loop.state()).events()

        assert [e.best for e in of(Evaluated, events)] == [True, False, False, True]
        assert (end.reason, end.step) == ("no improvement", 18)

    @pytest.mark.parametrize("characters", [0, 1])
    def test_nothing_held_out(self, characters):
        """Without a held-out text every model counts as the best, of no characters."""
        held_out = np.zeros(characters, dtype=np.uint8)
        loop = tiny(held_out=held_out, steps=40, patience=0.01).loop()
        events = list(loop.events())
        evaluated = of(Evaluated, events)

        assert events[-1].reason == "budget"
        assert len(evaluated) == 20
        assert all(event.best for event in evaluated)
        assert {event.loss.characters for event in evaluated} == {0}
        assert loop.position.best_nats_per_char is None


class TestDiverging:
    def test_a_gradient_that_is_not_finite_changes_nothing(self):
        """
        The step is reported and not applied; the next one is.

        Weights, moments and recurrent state stay as they were; only the place in the
        text and the noise move, and the sum of losses has the other steps.
        """
        loop = tiny(steps=60).loop()
        parameter = loop.network.head.weight
        hook = parameter.register_hook(lambda gradient: gradient * math.nan)
        before, _ = loop.state().to_arrays()
        events = loop.events()
        event = next(events)
        after, _ = loop.state().to_arrays()

        assert event == StepSkipped(step=1, in_a_row=1)
        for tensors in (before, after):
            del tensors["generator"]
        assert equal(before, after)
        assert (loop.position.step, loop.position.tick) == (1, 1)
        hook.remove()
        done = next(events)
        assert (done.step, loop.position.skipped) == (3, 0)
        assert done.loss.characters < loop.position.characters

    def test_many_in_a_row(self):
        """Weights that are NaN end the run after five steps, naming the rate."""
        loop = tiny(learning_rate=0.03, steps=600).loop(cadence=EVERY_STEP)
        events = loop.events()
        assert next(events).step == 1
        loop.network.head.weight.data[0, 0] = math.nan

        with pytest.raises(DivergedError, match=r"5 steps in a row.*step 6") as caught:
            list(events)
        assert caught.value.exit_code == 3
        assert "0.03" in caught.value.remedy

    def test_where_only_reports_look(self, monkeypatch):
        """
        On a GPU no single step is looked at; the next report ends the run.

        So a broken model never reaches an evaluation, and is never the best.
        """
        monkeypatch.setattr(Loop, "_is_finite", lambda *_: True)
        loop = tiny(steps=60).loop()
        loop.network.head.bias.data[:] = math.inf

        with pytest.raises(DivergedError, match="at step 3"):
            next(loop.events())

    def test_a_held_out_loss_that_is_nan(self):
        """
        Only the held-out text shows it: still the run ends, and nothing is best.

        Character 6 is never read in training, so its broken embedding is met in the
        held-out text first. A model like that could not even be saved.
        """
        loop = tiny(ids=A_AND_B, held_out=np.full(50, 6, dtype=np.uint8)).loop()
        loop.network.embedding.weight.data[6] = math.nan

        with pytest.raises(DivergedError, match="held-out"):
            list(loop.events())
        assert loop.position.best_nats_per_char is None
        with pytest.raises(DivergedError, match=r"embedding\.weight"):
            loop.state()
