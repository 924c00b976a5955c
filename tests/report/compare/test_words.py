"""The sentences follow from the figures, whichever way these turn out."""

from dataclasses import replace

from lstm_textgen.insight.compare.results import Spread
from lstm_textgen.report.compare.words import cautions, findings, limit, spread


def test_where_the_rnn_falls_behind_is_said(found):
    """From 32 characters on it is more than five points behind."""
    told = " ".join(findings(found))

    assert "LSTM 100.0% (100.0% to 100.0%), never half way down" in told
    assert (
        "The classic RNN falls behind the LSTM in: agreement of subject and verb from "
        "32 characters on; the text, by 0.100 nats per character." in told
    )
    assert "keeps up" not in told


def test_where_the_rnn_keeps_up_is_said_too(kept_up):
    """And then where it does not."""
    told = " ".join(findings(kept_up))

    assert "keeps up with the LSTM in: agreement of subject and verb." in told
    assert "falls behind the LSTM in: the text, by 0.100 nats" in told


def test_where_nothing_differs_nothing_is_claimed(kept_up):
    """Equal figures make no winner."""
    lstm, gru, rnn = kept_up.texts
    same = replace(rnn, nats_per_char=lstm.nats_per_char)
    told = " ".join(findings(replace(kept_up, texts=(lstm, gru, same))))

    assert "falls behind the LSTM in: nothing that was measured here." in told


def test_the_ratio_of_gradients_has_its_spread(found):
    """The middle one, and from the lowest to the highest."""
    told = " ".join(findings(found))

    assert "the classic RNN: 1e+04 times as much (1e+04 to 2e+04)." in told


def test_one_seed_and_rates_at_the_edge_are_cautions(found):
    """A rate in the middle of those tried is none."""
    [task] = found.tasks
    edge = replace(task.cells[0].choice, rate=1e-3)
    cells = (replace(task.cells[0], choice=edge, diverged=1), *task.cells[1:])
    noted = cautions(replace(found, seeds=1, tasks=(replace(task, cells=cells),)))

    assert cautions(found) == []
    assert noted[0].startswith("One seed only")
    assert "1 of 1 seeds ran away" in noted[1]
    assert noted[2].endswith("beyond: LSTM on agreement of subject and verb.")


def test_figures_in_short():
    """A mean with half its range; a limit that was not met."""
    assert spread(Spread(each=(1.5, 1.6)), ".2f") == "1.55 ± 0.05"
    assert spread(Spread(each=(1.5,)), ".2f") == "1.50"
    assert spread(Spread(each=())) == "-"
    assert limit(Spread(each=(40.0, None)), 511) == "40"
    assert limit(Spread(each=(40.0, None, None)), 511) == "over 511"
    assert limit(Spread(each=()), 511) == "-"


def test_what_the_lstm_has_not_learned_either_is_no_tie(kept_up):
    """Both at chance says nothing about memory."""
    [task] = kept_up.tasks
    chance = replace(task.cells[0].accuracy, y=((0.5,) * 6,) * 2)
    cells = tuple(replace(cell, accuracy=chance) for cell in task.cells)
    told = " ".join(findings(replace(kept_up, tasks=(replace(task, cells=cells),))))

    assert "keeps up" not in told
    assert "Too short a run for the LSTM itself to learn: agreement" in told


def test_where_the_rnn_is_ahead_is_said(found):
    """The text may be easier for it, and no sentence hides that."""
    lstm, gru, rnn = found.texts
    swapped = replace(rnn, nats_per_char=lstm.nats_per_char)
    texts = (replace(lstm, nats_per_char=rnn.nats_per_char), gru, swapped)
    told = " ".join(findings(replace(found, texts=texts)))

    assert "On the text the classic RNN is ahead, by 0.100 nats." in told
