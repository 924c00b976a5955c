"""The sentences follow from the figures, whichever way these turn out."""

from dataclasses import replace

from lstm_textgen.compare.findings import (
    cautions,
    finding_sentences,
    limit,
    spread_in_words,
)
from lstm_textgen.compare.results import Spread


def test_where_the_rnn_falls_behind_is_said(found):
    """From 32 characters on it is more than five points behind."""
    told = " ".join(finding_sentences(found))

    assert "LSTM 100.0% (100.0% to 100.0%), never half way down" in told
    assert (
        "The classic RNN falls behind the LSTM in: agreement of subject and verb from "
        "32 characters on; the text, by 0.100 nats per character." in told
    )
    assert "keeps up" not in told


def test_where_the_rnn_keeps_up_is_said_too(kept_up):
    """And then where it does not."""
    told = " ".join(finding_sentences(kept_up))

    assert "keeps up with the LSTM in: agreement of subject and verb." in told
    assert "falls behind the LSTM in: the text, by 0.100 nats" in told


def test_where_nothing_differs_nothing_is_claimed(kept_up):
    """Equal figures make no winner."""
    lstm, gru, rnn = kept_up.texts
    same = replace(rnn, nats_per_char=lstm.nats_per_char)
    told = " ".join(finding_sentences(replace(kept_up, texts=(lstm, gru, same))))

    assert "keeps up with the LSTM in: agreement of subject and verb; the text." in told
    assert "falls behind the LSTM in: nothing that was measured here." in told
    assert "ahead" not in told


def test_gradients_are_told_with_their_size_and_spread(found):
    """How far they go, the ratio from seed to seed, and both shares."""
    told = " ".join(finding_sentences(found))

    assert "LSTM 90 to over 511 (20 to 22 untrained)" in told
    assert "keeps 1e4 to 2e4 times as much as the classic RNN 100" in told
    assert "back: 0.37 and 3e-5." in told


def test_two_gradients_of_nothing_are_called_so(found):
    """However much larger one is, neither teaches anything."""
    _, gru, rnn = found.texts
    told = " ".join(
        finding_sentences(replace(found, texts=(replace(rnn, cell="lstm"), gru, rnn)))
    )

    assert "3e-5 and 3e-5, both practically nothing." in told


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
    assert spread_in_words(Spread(each=(1.5, 1.6)), ".2f") == "1.55 ± 0.05"
    assert spread_in_words(Spread(each=(1.5,)), ".2f") == "1.50"
    assert spread_in_words(Spread(each=())) == "-"
    assert limit(Spread(each=(40.0,)), 511) == "40"
    assert limit(Spread(each=(57.0, 40.0)), 511) == "40 to 57"
    assert limit(Spread(each=(40.0, None, None)), 511) == "40 to over 511"
    assert limit(Spread(each=(None, None)), 511) == "over 511"
    assert limit(Spread(each=()), 511) == "-"


def test_what_the_lstm_has_not_learned_either_is_no_tie(kept_up):
    """Both at chance says nothing about memory."""
    [task] = kept_up.tasks
    chance = replace(task.cells[0].accuracy, y=((0.5,) * 6,) * 2)
    cells = tuple(replace(cell, accuracy=chance) for cell in task.cells)
    told = " ".join(
        finding_sentences(replace(kept_up, tasks=(replace(task, cells=cells),)))
    )

    assert "keeps up" not in told
    assert "Neither learned in this time: agreement of subject and verb." in told


def test_where_the_rnn_is_ahead_in_a_task_is_said(found):
    """The other way round, and no sentence calls it a run that was too short."""
    [task] = found.tasks
    lstm, gru, rnn = task.cells
    swapped = (replace(rnn, cell="lstm"), gru, replace(lstm, cell="rnn"))
    told = " ".join(
        finding_sentences(replace(found, tasks=(replace(task, cells=swapped),)))
    )

    ahead = "is ahead of the LSTM in: agreement of subject and verb from 32 characters"
    assert ahead in told
    assert "Neither" not in told


def test_a_network_that_never_learned_is_seen(found):
    """One of two falls half way at once: no median hides it."""
    [task] = found.tasks
    lstm, gru, rnn = task.cells
    half = replace(rnn, half_way=Spread(each=(8.0, None)))
    told = " ".join(
        finding_sentences(
            replace(found, tasks=(replace(task, cells=(lstm, gru, half)),))
        )
    )

    assert "half way down at 8 to over 256" in told


def test_cells_that_ran_away_are_neither_ahead_nor_behind(found):
    """There is nothing to compare; the cautions tell of them."""
    lstm, gru, rnn = found.texts
    gone = replace(
        rnn,
        nats_per_char=Spread(each=()),
        trained=replace(rnn.trained, y=()),
        seeds=(),
        diverged=2,
    )
    [task] = found.tasks
    *others, forgets = task.cells
    lost = replace(forgets, accuracy=replace(forgets.accuracy, y=()), diverged=2)
    ran_away = replace(
        found,
        texts=(lstm, gru, gone),
        tasks=(replace(task, cells=(*others, lost)),),
        reach_ratios=(),
    )
    told = " ".join(finding_sentences(ran_away))

    assert "falls behind the LSTM in: nothing that was measured here." in told
    assert "keeps up" not in told
    assert sum("ran away" in note for note in cautions(ran_away)) == 2


def test_a_rate_that_luck_would_have_chosen_is_a_caution(found):
    """It is named, with the cell and the task."""
    [task] = found.tasks
    lucky = replace(task.cells[2].choice, by_chance=True)
    cells = (*task.cells[:2], replace(task.cells[2], choice=lucky))
    [note] = cautions(replace(found, tasks=(replace(task, cells=cells),)))

    assert note.startswith("No learning rate did better than guessing")
    assert note.endswith("classic RNN on agreement of subject and verb.")


def test_where_the_rnn_is_ahead_is_said(found):
    """The text may be easier for it, and no sentence hides that."""
    lstm, gru, rnn = found.texts
    swapped = replace(rnn, nats_per_char=lstm.nats_per_char)
    texts = (replace(lstm, nats_per_char=rnn.nats_per_char), gru, swapped)
    told = " ".join(finding_sentences(replace(found, texts=texts)))

    assert "is ahead of the LSTM in: the text, by 0.100 nats per character." in told
