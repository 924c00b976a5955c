"""Training on a recall task, and measuring accuracy."""

from random import Random

import numpy as np
import pytest
import torch

from lstm_textgen.compare.recall import (
    distance_at,
    half_way_distance,
    measure_accuracy,
    train_on_task,
)
from lstm_textgen.compare.tasks import TASKS
from lstm_textgen.config import BudgetConfig, ModelConfig, OptimizerConfig, TrainConfig
from lstm_textgen.model.network import CharModel

BRACKET = TASKS["bracket"]


class Rule(CharModel):
    """Answers by a rule on what it read."""

    def __init__(self, rule):
        super().__init__(ModelConfig(hidden=1, embedding=1), len(BRACKET.alphabet))
        self.rule = rule

    def forward(self, ids, state, noise=None):
        answers = torch.stack([self.rule(column) for column in ids.T])
        one_hot = torch.nn.functional.one_hot(answers, len(BRACKET.alphabet)).float()
        return one_hot.expand(len(ids), -1, -1), state


def train(steps, seed=1, *, check_interrupt=lambda: None, **shape):
    config = TrainConfig(
        model=ModelConfig(**shape),
        optimizer=OptimizerConfig(streams=8, learning_rate=1e-2),
        budget=BudgetConfig(steps=steps),
        seed=seed,
    )
    cpu = torch.device("cpu")
    return train_on_task(BRACKET, config, device=cpu, check_interrupt=check_interrupt)


def test_remembering_the_bracket_is_always_right():
    """The closing bracket follows the opening one in the alphabet."""
    assert measure_accuracy(Rule(lambda ids: ids[0] + 1), BRACKET, 32, 40) == 1.0


def test_a_constant_answer_is_right_by_chance():
    """A quarter of 2000 questions, within three standard errors."""
    constant = torch.tensor(BRACKET.alphabet.index("]"))
    accuracy = measure_accuracy(Rule(lambda ids: constant), BRACKET, 9, 2000)

    assert accuracy == pytest.approx(1 / 4, abs=3 * (3 / 16 / 2000) ** 0.5)


def test_distances_grow_over_the_first_half():
    """At first up to 16, from the middle on up to 256, never under 8."""
    random = Random(1)
    first, late = (
        [distance_at(progress, random) for _ in range(500)] for progress in (0.0, 0.5)
    )

    assert (min(first), max(first)) == (8, 16)
    assert min(late) == 8
    assert 230 < max(late) <= 256
    assert np.median(late) == pytest.approx((8 * 256) ** 0.5, rel=0.2)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_one_seed_gives_one_network(cell):
    """The same training twice ends with the same weights, another seed does not."""
    first, again, other = (
        train(3, seed, cell=cell, hidden=4, embedding=3) for seed in (1, 1, 2)
    )

    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.slow
def test_an_lstm_learns_to_close_a_near_bracket():
    """After 250 batches of 8 it is right where it was at chance before."""
    first, last = (train(steps, hidden=24, embedding=8) for steps in (1, 250))

    assert measure_accuracy(first, BRACKET, 8, 200) < 0.5
    assert measure_accuracy(last, BRACKET, 8, 200) > 0.8


def test_training_can_be_interrupted():
    """What the callback raises comes through."""

    def interrupt():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(3, hidden=2, check_interrupt=interrupt)


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([1.0, 1.0, 0.9, 0.8], None),
        ([1.0, 1.0, 0.5, 0.5], 16 * 2**0.5),  # half of the way from 16 to 32
        ([0.7, 0.6, 0.5, 0.5], 8.0),
        ([1.0, 0.7, 0.9, 0.5], 8 * 2 ** (0.25 / 0.3)),  # the first time counts
    ],
)
def test_half_way_is_between_perfect_and_the_baseline(accuracies, expected):
    """With a baseline of one half that is at three quarters."""
    distance = half_way_distance(np.array([8.0, 16, 32, 64]), np.array(accuracies), 0.5)

    assert distance == (expected and pytest.approx(expected))
