"""Teaching and judging a recall task."""

from random import Random

import numpy as np
import pytest
import torch

from lstm_textgen.compare.recall import (
    TaskTraining,
    accuracy,
    distance_at,
    half_way,
    teach,
)
from lstm_textgen.compare.tasks import TASKS
from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.model.network import CharModel

BRACKET = TASKS["bracket"]


class Rule(CharModel):
    """A network in name: it answers by a rule on what it read."""

    def __init__(self, rule):
        super().__init__(ModelConfig(hidden=1, embedding=1), len(BRACKET.alphabet))
        self.rule = rule

    def forward(self, ids, state, noise=None):
        answers = torch.stack([self.rule(column) for column in ids.T])
        one_hot = torch.nn.functional.one_hot(answers, len(BRACKET.alphabet)).float()
        return one_hot.expand(len(ids), -1, -1), state


def _drill(steps, seed=1, rate=1e-2):
    return TaskTraining(
        steps=steps,
        streams=8,
        optimizer=OptimizerConfig(learning_rate=rate),
        seed=seed,
        device=torch.device("cpu"),
    )


def test_who_remembers_the_bracket_is_always_right():
    """The closing bracket follows the opening one in the alphabet."""
    assert accuracy(Rule(lambda read: read[0] + 1), BRACKET, 32, 40) == 1.0


def test_who_always_says_the_same_is_right_by_chance():
    """Of 2000 questions a quarter, within three standard errors."""
    same = torch.tensor(BRACKET.alphabet.index("]"))
    share = accuracy(Rule(lambda read: same), BRACKET, 9, 2000)

    assert share == pytest.approx(1 / 4, abs=3 * (3 / 16 / 2000) ** 0.5)


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
    """The same drill twice ends with the same weights, another seed does not."""
    config = ModelConfig(cell=cell, hidden=4, embedding=3)
    first, again, other = (
        teach(BRACKET, config, _drill(3, seed=seed), lambda: None) for seed in (1, 1, 2)
    )

    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_an_lstm_learns_to_close_the_bracket_at_hand():
    """After 250 batches of 8 it is right where it was at chance before."""
    config = ModelConfig(hidden=24, embedding=8)
    untaught, taught = (
        teach(BRACKET, config, _drill(steps), lambda: None) for steps in (0, 250)
    )

    assert accuracy(untaught, BRACKET, 8, 200) < 0.5
    assert accuracy(taught, BRACKET, 8, 200) > 0.8


def test_it_can_be_broken_off():
    """What `go_on` raises comes through."""
    with pytest.raises(InterruptedError):
        teach(BRACKET, ModelConfig(hidden=2), _drill(3), _refuse)


def _refuse():
    raise InterruptedError


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
    found = half_way(np.array([8.0, 16, 32, 64]), np.array(accuracies), 0.5)

    assert found == (expected and pytest.approx(expected))
