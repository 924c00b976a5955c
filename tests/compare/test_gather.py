"""From results to findings: which rate is taken, which is tried next, what is told."""

from dataclasses import replace

import pytest

from lstm_textgen.compare.agenda import trials
from lstm_textgen.compare.gather import Outcomes, choices, further, reach_ratios
from lstm_textgen.compare.results import Curve


def tried(plan, scores):
    """Trials of everything, in which every rate in *scores* has this result."""
    pieces = trials(plan, list(scores))
    return Outcomes(
        tuple((piece, scores[piece.optimizer.learning_rate]) for piece in pieces)
    )


def on_both(plan, *results):
    """The choices where the three rates came to these results."""
    return choices(
        plan, tried(plan, dict(zip((1e-3, 3e-3, 9e-3), results, strict=True)))
    )


def test_the_best_is_fewest_nats_and_most_right_answers(plan):
    """What is good on the text is bad on a task."""
    results = [{"nats_per_char": n} for n in (1.9, 1.5, 1.8)]
    found = on_both(plan, *results)
    right = [{"accuracies": [a, a + 0.1]} for a in (0.1, 0.5, 0.8)]
    on_task = on_both(plan, *right)

    assert found["text", "rnn"].rate == 3e-3
    assert on_task["bracket", "rnn"].rate == 9e-3
    assert on_task["bracket", "rnn"].tried[2] == (9e-3, pytest.approx(0.85))


@pytest.mark.parametrize(
    ("scores", "rate"),
    [((1.0, 1.0, 1.0), 3e-3), ((1.0, 1.0, 0.5), 3e-3), ((0.2, 1.0, 1.0), 9e-3)],
)
def test_of_equally_good_rates_it_is_the_middle_one(plan, scores, rate):
    """Of two the higher."""
    found = on_both(plan, *({"accuracies": [score]} for score in scores))

    assert found["bracket", "lstm"].rate == rate


@pytest.mark.parametrize(
    ("losses", "then"),
    [((1.5, 1.6, 1.7), 3.33e-4), ((1.7, 1.6, 1.5), 0.027), ((1.6, 1.5, 1.7), None)],
)
def test_beyond_the_last_rate_another_is_tried(plan, losses, then):
    """For this cell alone, where the best is the lowest or the highest."""
    found = on_both(plan, *({"nats_per_char": loss} for loss in losses))
    text_of_rnn = {("text", "rnn"): found["text", "rnn"]}
    pieces = further(plan, text_of_rnn)

    assert [p.optimizer.learning_rate for p in pieces] == ([then] if then else [])
    assert [p.label.split("-")[:2] for p in pieces] == [["text", "rnn"]] * len(pieces)


def test_it_is_not_tried_for_ever(plan):
    """Five rates are enough."""
    rates = (1e-3, 3e-3, 9e-3, 0.027, 0.081)
    scores = {rate: {"nats_per_char": -rate} for rate in rates}
    found = choices(plan, tried(plan, scores))

    assert found["text", "lstm"].at_edge
    assert further(plan, found) == []


def test_gradients_are_compared_seed_by_seed(run_study):
    """What is left at k = 100 of that at k = 1, the LSTM's over the RNN's."""
    [*_, found] = run_study()
    lstm, rnn = found.texts
    x = lstm.trained.x
    ours = Curve(x=x, y=(tuple(0.9**k for k in range(512)),) * 2)
    theirs = Curve(x=x, y=(tuple(5 * 0.8**k for k in range(512)), (0.0,) * 512))
    texts = (replace(lstm, trained=ours), replace(rnn, trained=theirs))
    assert (lstm.seeds, rnn.seeds) == ((1, 2), (1, 2))

    [(cell, ratio)] = reach_ratios(texts, "trained")
    assert cell == "rnn"
    assert ratio.each == (pytest.approx((0.9 / 0.8) ** 99), None)


def test_a_seed_that_ran_away_has_no_partner(run_study):
    """What is left of the LSTM's second seed is held to the RNN's second, not first."""
    [*_, found] = run_study()
    lstm, rnn = found.texts
    kept = [tuple(base**k for k in range(512)) for base in (0.9, 0.8, 0.7)]
    ours = replace(lstm, trained=replace(lstm.trained, y=(kept[0],)), seeds=(2,))
    theirs = replace(rnn, trained=replace(rnn.trained, y=(kept[1], kept[2])))

    [(_, ratio)] = reach_ratios((ours, theirs), "trained")
    assert ratio.each == pytest.approx(((0.9 / 0.7) ** 99,))


def test_luck_chooses_no_rate(plan):
    """
    Where no rate learned the task, the best of them is noise.

    Two questions at six distances: a quarter is guessed, and more than five eighths
    would be clear. The middle rate is taken, no further one is tried, and it is said.
    """
    found = on_both(plan, *({"accuracies": [score]} for score in (0.5, 0.2, 0.3)))
    choice = found["bracket", "rnn"]

    assert (choice.rate, choice.by_chance, choice.at_edge) == (3e-3, True, False)
    assert further(plan, {("bracket", "rnn"): choice}) == []
    clear = on_both(plan, *({"accuracies": [score]} for score in (0.7, 0.2, 0.3)))
    assert clear["bracket", "rnn"].rate == 1e-3
    assert not clear["bracket", "rnn"].by_chance
