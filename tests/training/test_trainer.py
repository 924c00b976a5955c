"""The loop, held to a few lines of plain torch and to what can be counted by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from lstm_textgen.config import BudgetConfig
from lstm_textgen.text.streams import IGNORE
from lstm_textgen.training.events import Evaluated, StepDone, Stopped
from lstm_textgen.training.schedule import Meter, end_of_text_at


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def weights(trainer):
    return {name: w.clone() for name, w in trainer.model.state_dict().items()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def watch(trainer):
    """What goes into the model and comes out, a (memory, memory) for each step."""
    seen = []

    def hook(module, inputs, outputs):
        if torch.is_grad_enabled():  # not an evaluation
            seen.append((inputs[1].tensors(), outputs[1].tensors()))

    trainer.model.register_forward_hook(hook)
    return seen


class PlainTorch:
    """Two stacked `nn.LSTM` and AdamW, written as in a tutorial."""

    def __init__(self, trainer):
        model = trainer.model
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
        self.memory = None, None

    def step(self, inputs, targets, rate, clip):
        """Returns the mean loss and the norm of the gradient."""
        low, up = self.memory
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
        self.memory = tuple(tuple(t.detach() for t in m) for m in (low, up))
        return loss.item(), norm.item()


def test_steps_are_those_of_plain_torch(make_trainer, every_step):
    """
    Eight steps over three epochs end at the weights of a loop in plain torch.

    40 characters in 3 streams make 3 windows, the last with targets that do not
    count; the memory is carried over them and begins anew with an epoch. The
    rates are worked by hand, each for the middle of its step: up for 3 of 12 steps,
    then down a line. The clip is low enough to act.
    """
    trainer = make_trainer(
        steps=12, dtype=torch.float64, warm_up=0.25, weight_decay=0.1, clip=0.3,
        beta2=0.95, patience=1.0, basis_every=0,
    )  # fmt: skip
    plain = PlainTorch(trainer)
    factors = [1 / 6, 3 / 6, 5 / 6]
    factors += [1 - (k + 0.5) / 9 for k in range(9)]
    done = [e for e in trainer.fit() if isinstance(e, StepDone)]
    assert trainer.streams.ticks == 3

    for number, factor in enumerate(factors):
        epoch, tick = divmod(number, 3)
        if tick == 0:
            plain.memory = None, None
        end_at = end_of_text_at(4.0 - epoch) if epoch else None
        window = trainer.streams.window_at(epoch, tick, end_at=end_at)
        loss, norm = plain.step(*window, rate=0.02 * factor, clip=0.3)
        assert done[number].loss.nats_per_char == pytest.approx(loss, rel=1e-9)
        assert done[number].gradient_norm == pytest.approx(norm, rel=1e-8)
        assert done[number].learning_rate == pytest.approx(0.02 * factor)
    for ours, theirs in zip(trainer.model.parameters(), plain.parameters, strict=True):
        torch.testing.assert_close(ours.data, theirs.data, rtol=1e-8, atol=1e-10)
    assert max(event.gradient_norm for event in done) > 0.3


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_memory_is_carried_within_an_epoch(make_trainer, cell):
    """A window begins with the memory after the one before, an epoch with zeros."""
    trainer = make_trainer(cell=cell, steps=9, patience=1.0)
    seen = watch(trainer)
    list(trainer.fit())

    assert len(seen) == 9
    for step, (before, _) in enumerate(seen):
        for name, tensor in before.items():
            assert not tensor.requires_grad
            if step % trainer.streams.ticks == 0:
                assert not tensor.any()
            else:
                assert torch.equal(tensor, seen[step - 1][1][name])
                assert tensor.any()


def test_the_memory_reaches_across_windows(make_trainer):
    """
    After an epoch of windows it is what reading without a cut would have left.

    The rate is so small that the weights stay as they are.
    """
    trainer = make_trainer(steps=3, learning_rate=1e-30, weight_decay=0.0)
    seen = watch(trainer)
    list(trainer.fit())
    model, streams = trainer.model, trainer.streams
    whole = np.concatenate([streams.window_at(0, tick)[0] for tick in range(3)])
    _, memory = model(torch.from_numpy(whole), model.initial_state(3))

    for name, tensor in seen[-1][1].items():
        torch.testing.assert_close(tensor, memory.tensors()[name])


def test_only_real_targets_count(make_trainer, every_step):
    """
    Where a stream has ended there is nothing to predict, and nothing is counted.

    An epoch of 40 characters in 3 streams has 42 places and 40 targets. The sum
    of nats is that of the real ones, taken one by one.
    """
    trainer = make_trainer(steps=3, learning_rate=1e-30, weight_decay=0.0)
    steps = of(StepDone, trainer.fit())
    model, memory = trainer.model, trainer.model.initial_state(3)
    for tick, event in enumerate(steps):
        inputs, targets = trainer.streams.window_at(0, tick)
        with torch.no_grad():
            logits, memory = model(torch.from_numpy(inputs), memory)
        costs = -logits.double().log_softmax(-1)
        real = [(t, b) for t, b in np.ndindex(targets.shape) if targets[t, b] != IGNORE]

        assert event.loss.characters == len(real)
        assert event.loss.nats == pytest.approx(
            sum(costs[t, b, targets[t, b]].item() for t, b in real), rel=1e-6
        )
    assert sum(event.loss.characters for event in steps) == 40


class TestEvents:
    def test_every_step_in_order(self, make_trainer, every_step):
        """
        Steps, an evaluation at each twentieth of the budget, and the end.

        Of 60 steps every third is followed by an evaluation of the same step. The
        whole text is counted once in each epoch.
        """
        trainer = make_trainer(steps=60, patience=1.0)
        events = list(trainer.fit())
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

    def test_sums_over_steps(self, make_trainer, seldom):
        """Read seldom, a loss is the sum since the last one; nothing is lost."""
        trainer = make_trainer(steps=60, patience=1.0)
        events = list(trainer.fit())
        kinds = [type(event) for event in events]

        assert kinds == [StepDone, Evaluated] * 20 + [Stopped]
        assert [e.step for e in of(StepDone, events)] == [*range(3, 61, 3)]
        assert [e.loss.characters for e in of(StepDone, events)] == [40] * 20

    def test_how_often_is_of_no_consequence(self, make_trainer, monkeypatch):
        """The sum of all nats and the weights are the same, read seldom or often."""
        totals, ends = [], []
        for every_s in (0.0, 1e9):
            name = "lstm_textgen.training.loop.REPORT_EVERY_S"
            monkeypatch.setattr(name, every_s)
            trainer = make_trainer(steps=21, patience=1.0)
            totals.append(sum(e.loss.nats for e in of(StepDone, trainer.fit())))
            ends.append(weights(trainer))

        assert totals[0] == pytest.approx(totals[1], rel=1e-12)
        assert equal(*ends)

    def test_the_best_is_the_lowest_so_far(self, make_trainer):
        """`best` is told of an evaluation that is lower than all before it."""
        trainer = make_trainer(steps=60, learning_rate=0.1, patience=1.0)
        evaluated = of(Evaluated, trainer.fit())
        losses = [event.loss.nats_per_char for event in evaluated]
        lowest = [math.inf, *itertools.accumulate(losses, min)][:-1]

        assert [e.best for e in evaluated] == [
            loss < low for loss, low in zip(losses, lowest, strict=True)
        ]
        assert {event.best for event in evaluated} == {True, False}
        assert trainer.position.best_nats_per_char == min(losses)

    def test_as_good_as_the_best_is_no_better(self, make_trainer):
        """A model that does not change is the best once, so patience can end."""
        trainer = make_trainer(
            steps=60, learning_rate=1e-30, weight_decay=0.0, patience=0.25
        )
        events = list(trainer.fit())

        assert [e.best for e in of(Evaluated, events)] == [True] + [False] * 6
        assert events[-1].reason == "no improvement"

    def test_speed_and_time_are_those_of_the_clock(self, make_trainer, seldom):
        """`elapsed_s` is what the meter shows; here every look takes a second."""
        ticking = itertools.count()
        trainer = make_trainer(steps=20, clock=lambda: float(next(ticking)))
        times = [event.elapsed_s for event in trainer.fit()]

        assert times == [float(look) for look in range(41)]

    def test_a_budget_of_one_step(self, make_trainer):
        """The shortest run makes its step, looks at the held-out text and ends."""
        events = list(make_trainer(steps=1).fit())

        assert [type(event) for event in events] == [StepDone, Evaluated, Stopped]
        assert {event.step for event in events} == {1}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
class TestSeeds:
    def test_the_same_seed_gives_the_same_bits(self, make_trainer, cell, seldom):
        """Weights, places in the text and noise all follow from the seed."""
        options = {"cell": cell, "dropout": 0.3, "weight_drop": 0.3}
        one, same, other = (make_trainer(seed=s, **options) for s in (5, 5, 6))
        torch.manual_seed(1)
        losses = [e.loss for e in one.fit() if isinstance(e, StepDone)]
        torch.manual_seed(2)  # of no consequence
        again = [e.loss for e in same.fit() if isinstance(e, StepDone)]
        list(other.fit())

        assert losses == again
        assert equal(weights(one), weights(same))
        assert not equal(weights(one), weights(other))

    @pytest.mark.parametrize("noise", ["dropout", "weight_drop"])
    def test_noise_is_drawn_anew_for_every_step(self, make_trainer, cell, noise):
        """Each kind of noise changes the run, and no two windows have the same."""
        quiet, noisy = make_trainer(cell=cell), make_trainer(cell=cell, **{noise: 0.4})
        drawn = []
        noisy.model.register_forward_hook(
            lambda module, inputs, outputs: (
                drawn.append(inputs[2]) if len(inputs) > 2 else None
            )
        )
        list(quiet.fit())
        list(noisy.fit())
        field = "outputs" if noise == "dropout" else "recurrent"
        factors = [getattr(each, field)[0] for each in drawn]

        assert not equal(weights(quiet), weights(noisy))
        assert len(factors) == noisy.position.step
        assert not any(torch.equal(*pair) for pair in itertools.pairwise(factors))

    def test_it_learns(self, make_trainer, make_ids, cell, seldom):
        """
        Every cell comes below the entropy of single characters on an easy text.

        Most characters are followed by the next one of 7, so much of log 7, what
        they cost one by one, can be saved.
        """
        trainer = make_trainer(
            cell=cell,
            ids=make_ids(1000, 7),
            held_out=make_ids(100, 7, seed=8),
            steps=60,
        )
        evaluated = of(Evaluated, trainer.fit())

        assert evaluated[-1].loss.nats_per_char < math.log(7) - 0.3


def test_the_warm_up_begins_with_the_first_step(make_trainer, every_step):
    """
    A budget in minutes counts imports and reading; the schedule does not.

    They once took more of a short budget than the warm-up, and the first step was
    made at the full rate.
    """
    now_s = [30.0]
    trainer = make_trainer(steps=1, warm_up=0.1, patience=1.0)
    trainer.meter = Meter(
        BudgetConfig(minutes=1.0), ticks=3, started_s=0.0, clock=lambda: now_s[0]
    )
    rates = []
    for event in trainer.fit():
        now_s[0] += 1.0
        if isinstance(event, StepDone):
            rates.append(event.learning_rate)
    highest = trainer.config.optimizer.learning_rate

    assert rates[0] == 0.0
    assert 0 < rates[1] < rates[2] < highest
    assert max(rates) <= highest
    assert rates[-1] < 0.1 * highest
