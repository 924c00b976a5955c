"""Which rate is taken, which is tried next, and how gradients are compared."""

from dataclasses import replace

import pytest

from lstm_textgen.compare.design import RATES
from lstm_textgen.compare.experiments import trials
from lstm_textgen.compare.results import (
    Curve,
    choose_rates,
    further_trials,
    reach_ratios,
)


@pytest.fixture
def choose(tiny_design):
    """The choices where every trial of a rate has the same result."""

    def build(by_rate):
        experiments = trials(tiny_design, list(by_rate))
        return choose_rates(tiny_design, {e: by_rate[e.rate] for e in experiments})

    return build


def on_text(*losses):
    return {
        rate: {"nats_per_char": nats} for rate, nats in zip(RATES, losses, strict=True)
    }


def on_task(*accuracies):
    return {
        rate: {"accuracies": [mean - 0.1, mean + 0.1]}
        for rate, mean in zip(RATES, accuracies, strict=True)
    }


def test_the_best_rate_has_fewest_nats_or_most_right_answers(choose):
    """What is good on the text is bad on a task."""
    choice = choose(on_task(0.1, 0.5, 0.8))["bracket", "rnn"]

    assert choose(on_text(1.9, 1.5, 1.8))["text", "rnn"].rate == 3e-3
    assert choice.rate == 9e-3
    assert choice.tried[2].score == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("accuracies", "rate"),
    [((1.0, 1.0, 1.0), 3e-3), ((1.0, 1.0, 0.5), 3e-3), ((0.2, 1.0, 1.0), 9e-3)],
)
def test_of_equally_good_rates_it_is_the_middle_one(choose, accuracies, rate):
    """Of two the higher."""
    assert choose(on_task(*accuracies))["bracket", "lstm"].rate == rate


@pytest.mark.parametrize(
    ("losses", "rates"),
    [((1.5, 1.6, 1.7), [3.33e-4]), ((1.7, 1.6, 1.5), [0.027]), ((1.6, 1.5, 1.7), [])],
)
def test_beyond_an_edge_another_rate_is_tried(choose, tiny_design, losses, rates):
    """For this cell alone, where the best is the lowest or the highest."""
    where = ("text", "rnn")
    further = further_trials(tiny_design, {where: choose(on_text(*losses))[where]})

    assert [trial.rate for trial in further] == rates
    assert {(trial.subject, trial.cell) for trial in further} <= {where}


def test_five_rates_are_enough(choose, tiny_design):
    """Even if the best is still the highest."""
    rates = (1e-3, 3e-3, 9e-3, 0.027, 0.081)
    choices = choose({rate: {"nats_per_char": -rate} for rate in rates})

    assert choices["text", "lstm"].at_edge
    assert further_trials(tiny_design, choices) == []


def test_luck_chooses_no_rate(choose, tiny_design):
    """
    Where no rate learned the task, the best of them is noise.

    Two questions at six distances: a quarter is guessed, and more than five eighths
    would be significant. The middle rate is taken and no further one is tried.
    """
    where = ("bracket", "rnn")
    lucky = choose(on_task(0.5, 0.2, 0.3))[where]
    learned = choose(on_task(0.7, 0.2, 0.3))[where]

    assert (lucky.rate, lucky.by_chance, lucky.at_edge) == (3e-3, True, False)
    assert further_trials(tiny_design, {where: lucky}) == []
    assert (learned.rate, learned.by_chance) == (1e-3, False)


def powers(*bases):
    """Gradient norms, a row for each base."""
    return Curve(
        x=tuple(map(float, range(512))),
        y=tuple(tuple(base**k for k in range(512)) for base in bases),
    )


def test_gradients_are_compared_seed_by_seed(result):
    """What is left at k = 100 of that at k = 1, the LSTM's over the RNN's."""
    lstm, _, rnn = result.texts
    texts = (
        replace(lstm, trained=powers(0.9, 0.9)),
        replace(rnn, trained=powers(0.8, 0.0)),
    )

    [(cell, ratio)] = reach_ratios(texts, trained=True)
    assert cell == "rnn"
    assert ratio.each == (pytest.approx((0.9 / 0.8) ** 99), None)


def test_a_diverged_seed_has_no_partner(result):
    """The LSTM's second seed is compared with the RNN's second, not its first."""
    lstm, _, rnn = result.texts
    texts = (
        replace(lstm, trained=powers(0.9), seeds=(2,)),
        replace(rnn, trained=powers(0.8, 0.7)),
    )

    [(_, ratio)] = reach_ratios(texts, trained=True)
    assert ratio.each == pytest.approx(((0.9 / 0.7) ** 99,))
