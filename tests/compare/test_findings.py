"""Rows and sentences follow from the figures, whichever way these turn out."""

from dataclasses import replace

import pytest

from lstm_textgen.compare.findings import (
    NOTHING,
    TaskVerdict,
    cautions,
    finding_sentences,
    format_limits,
    format_spread,
    table_sections,
    task_verdict,
)
from lstm_textgen.compare.results import Spread
from lstm_textgen.compare.view import show_result

AGREEMENT = "agreement of subject and verb"
TASK_GAP = f"{AGREEMENT} from 32 characters on"
TEXT_GAP = "the text, by 0.100 nats per character"


def rnn_findings(result):
    """What each sentence about the classic RNN lists, by its verb."""
    verbs = {
        "keeps up": "The classic RNN keeps up with the LSTM in: ",
        "behind": "The classic RNN falls behind the LSTM in: ",
        "ahead": "The classic RNN is ahead of the LSTM in: ",
        "neither": "Neither learned in this time: ",
    }
    return {
        verb: sentence.removeprefix(start).rstrip(".").split("; ")
        for verb, start in verbs.items()
        for sentence in finding_sentences(result)
        if sentence.startswith(start)
    }


def sentence_with(result, *words):
    """The one sentence with all these words."""
    [sentence] = [
        sentence
        for sentence in finding_sentences(result)
        if all(word in sentence for word in words)
    ]
    return sentence


def test_the_table_fits_eighty_columns(result, capsys):
    """Into a pipe too, with every figure whole."""
    show_result(result)
    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= 80
    assert len(lines) == 1 + sum(
        bool(section.title) + len(section.rows) for section in table_sections(result)
    )
    assert "…" not in "".join(lines)


def test_the_table_has_a_figure_for_every_cell(result):
    """Mean and spread, from lowest to highest, beyond what was seen."""
    rows = [row for section in table_sections(result) for row in section.rows]
    by_name = dict(rows)

    assert {len(figures) for _, figures in rows} == {3}
    assert by_name["nats per character"][0] == "1.610 ± 0.010"
    assert by_name["gradient, trained"] == ("460 to over 511", "229", "45")
    assert by_name["right at 64"][2] == "55.0 ± 0.0 %"
    assert by_name["half way down at"] == ("over 256", "over 256", "43")


@pytest.mark.parametrize(
    ("values", "text"),
    [((1.5, 1.6), "1.55 ± 0.05 %"), ((1.5,), "1.50 %"), ((None,), "-"), ((), "-")],
)
def test_a_spread_is_a_mean_and_half_the_range(values, text):
    """One seed has no range."""
    assert format_spread(Spread.over(values), ".2f", " %") == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((40.0,), "40"),
        ((57.0, 40.0), "40 to 57"),
        ((40.0, None, None), "40 to over 511"),
        ((None, None), "over 511"),
        ((), "-"),
    ],
)
def test_limits_go_from_the_lowest_to_the_highest_seed(values, text):
    """None lies beyond what could be measured."""
    assert format_limits(Spread.over(values), 511) == text


def test_the_agreement_sentence_has_accuracy_limit_and_networks(result):
    """Of each cell, 64 characters after the subject."""
    lstm, _, rnn = sentence_with(result, "Was or were").split(";")

    assert "LSTM 100.0% (100.0% to 100.0%)" in lstm
    assert "2 of 2" in lstm
    assert "55.0%" in rnn
    assert "43" in rnn
    assert "0 of 2" in rnn


@pytest.mark.parametrize(
    ("on_task", "on_text", "expected"),
    [
        ("lstm rnn", "lstm rnn", {"behind": [TASK_GAP, TEXT_GAP]}),
        ("lstm lstm", "lstm rnn", {"keeps up": [AGREEMENT], "behind": [TEXT_GAP]}),
        (
            "lstm lstm",
            "lstm lstm",
            {"keeps up": [AGREEMENT, "the text"], "behind": [NOTHING]},
        ),
        ("rnn lstm", "rnn lstm", {"behind": [NOTHING], "ahead": [TASK_GAP, TEXT_GAP]}),
    ],
)
def test_where_the_rnn_keeps_up_is_behind_or_ahead(
    result, with_task_cells, on_task, on_text, expected
):
    """Given are the cells whose figures the LSTM and the RNN have."""

    def exchanged(cells, names):
        by_name = {cell.cell: cell for cell in cells}
        lstm, rnn = (by_name[name] for name in names.split())
        return replace(lstm, cell="lstm"), by_name["gru"], replace(rnn, cell="rnn")

    cells = exchanged(result.tasks[0].cells, on_task)
    texts = exchanged(result.texts, on_text)

    assert rnn_findings(replace(with_task_cells(*cells), texts=texts)) == expected


def test_what_neither_has_learned_is_no_tie(result, with_task_cells):
    """Both at chance says nothing about memory."""
    chance = ((0.5,) * 6,) * 2
    cells = [
        replace(cell, accuracy=replace(cell.accuracy, y=chance))
        for cell in result.tasks[0].cells
    ]
    findings = rnn_findings(with_task_cells(*cells))

    assert findings["neither"] == [AGREEMENT]
    assert "keeps up" not in findings


def test_diverged_cells_are_neither_ahead_nor_behind(result, with_task_cells):
    """There is nothing to compare; the cautions name them."""
    lstm, gru, rnn = result.texts
    lost_text = replace(
        rnn,
        nats_per_char=Spread.over(()),
        trained=replace(rnn.trained, y=()),
        seeds=(),
        diverged=2,
    )
    *others, rnn = result.tasks[0].cells
    lost_task = replace(rnn, accuracy=replace(rnn.accuracy, y=()), diverged=2)
    diverged = replace(
        with_task_cells(*others, lost_task),
        texts=(lstm, gru, lost_text),
        reach_ratios=(),
    )

    assert rnn_findings(diverged) == {"behind": [NOTHING]}
    assert [note.split(":")[0] for note in cautions(diverged)] == [
        "classic RNN, the text",
        f"classic RNN, {AGREEMENT}",
    ]


def test_gradients_have_their_reach_ratio_and_size(result):
    """How far they reach, the ratio from seed to seed, and both fractions."""
    reach = sentence_with(result, "1 %")
    assert "LSTM 460 to over 511 (460 to over 511 untrained)" in reach
    ratio = sentence_with(result, "times as much as the classic RNN")
    assert "1e4 to 2e4" in ratio
    assert "0.49 and 3e-5" in ratio
    assert "practically nothing" not in ratio


def test_two_negligible_gradients_are_called_so(result):
    """However much larger one is, neither teaches anything."""
    _, gru, rnn = result.texts
    texts = (replace(rnn, cell="lstm"), gru, rnn)
    ratio = sentence_with(replace(result, texts=texts), "the classic RNN 100")

    assert "3e-5 and 3e-5, both practically nothing" in ratio


def test_context_and_loss_have_every_cell(result):
    """With the time of training."""
    assert sentence_with(result, "context").count("128 to 256") == 3
    assert "LSTM 1.610 ± 0.010 nats in 31 ± 1 s" in sentence_with(result, "204,800")


def test_one_seed_divergence_and_edges_are_cautions(result, with_task_cells):
    """A rate in the middle of those tried is none."""
    lstm, *others = result.tasks[0].cells
    edge = replace(lstm.choice, rate=1e-3, at_edge=True)
    cells = (replace(lstm, choice=edge, diverged=1), *others)
    seed, diverged, at_edge = cautions(replace(with_task_cells(*cells), seeds=1))

    assert cautions(result) == []
    assert seed.startswith("One seed")
    assert "1 of 1" in diverged
    assert at_edge.endswith(f": LSTM on {AGREEMENT}.")


def test_a_rate_chosen_by_luck_is_a_caution(result, with_task_cells):
    """Named with its cell and task."""
    *others, rnn = result.tasks[0].cells
    lucky = replace(rnn, choice=replace(rnn.choice, by_chance=True))
    [note] = cautions(with_task_cells(*others, lucky))

    assert "guessing" in note
    assert note.endswith(f": classic RNN on {AGREEMENT}.")


@pytest.fixture
def verdict_on(result):
    """Compare networks with these accuracies at the six distances, one of each cell."""
    [task] = result.tasks
    lstm, _, rnn = task.cells

    def build(rnn_row, lstm_row, questions=500):
        cells = [
            replace(cell, accuracy=replace(cell.accuracy, y=(tuple(map(float, row)),)))
            for cell, row in ((lstm, lstm_row), (rnn, rnn_row))
        ]
        task_with = replace(task, cells=tuple(cells))
        return task_verdict(task_with, "rnn", "lstm", questions)

    return build


@pytest.mark.parametrize(
    ("rnn", "lstm", "expected"),
    [
        ([1] * 6, [1] * 6, TaskVerdict(True, None, None)),
        ([1, 1, 0.9, 0.6, 0.5, 0.5], [1] * 6, TaskVerdict(True, 32.0, None)),
        ([1] * 6, [1, 1, 0.9, 0.6, 0.5, 0.5], TaskVerdict(True, None, 32.0)),
        ([0.9] * 3 + [1] * 3, [1] * 3 + [0.9] * 3, TaskVerdict(True, 8.0, 64.0)),
        ([0.5] * 6, [0.5] * 6, TaskVerdict(False, None, None)),
        # neither knows anything from 16 on, whatever luck makes of it
        ([0.9] + [0.45] * 5, [0.9] + [0.55] * 5, TaskVerdict(True, None, None)),
    ],
)
def test_a_verdict_names_the_first_clear_distance(verdict_on, rnn, lstm, expected):
    """By five hundred questions at each distance."""
    assert verdict_on(rnn, lstm) == expected


@pytest.mark.parametrize(("questions", "behind"), [(500, 8.0), (50, None)])
def test_few_questions_prove_less(verdict_on, questions, behind):
    """Nine points are clear among five hundred, and luck among fifty."""
    assert verdict_on([0.8] * 6, [0.89] * 6, questions).behind_from == behind
