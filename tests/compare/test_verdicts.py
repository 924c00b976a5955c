"""Who keeps up: by what is clear, and only where somebody knows something."""

from dataclasses import replace

import pytest

from lstm_textgen.compare.findings import TaskVerdict, verdict


@pytest.fixture
def task_with(found):
    """The task, with these right answers at the six distances, one network each."""
    [task] = found.tasks
    lstm, _, rnn = task.cells

    def build(ours, theirs):
        def cell(each, row):
            row = tuple(map(float, row))
            return replace(each, accuracy=replace(each.accuracy, y=(row,)))

        return replace(task, cells=(cell(lstm, theirs), cell(rnn, ours)))

    return build


@pytest.mark.parametrize(
    ("rnn", "lstm", "expected"),
    [
        ([1] * 6, [1] * 6, TaskVerdict(True, None, None)),
        ([1, 1, 0.9, 0.6, 0.5, 0.5], [1] * 6, TaskVerdict(True, 32.0, None)),
        ([1] * 6, [1, 1, 0.9, 0.6, 0.5, 0.5], TaskVerdict(True, None, 32.0)),
        ([0.9] * 3 + [1] * 3, [1] * 3 + [0.9] * 3, TaskVerdict(True, 8.0, 64.0)),
        ([0.5] * 6, [0.5] * 6, TaskVerdict(False, None, None)),
        # both know nothing from 16 on, whatever luck makes of it
        ([0.9] + [0.45] * 5, [0.9] + [0.55] * 5, TaskVerdict(True, None, None)),
    ],
)
def test_a_verdict(task_with, rnn, lstm, expected):
    """By five hundred questions at each distance."""
    assert verdict(task_with(rnn, lstm), "rnn", "lstm", 500) == expected


@pytest.mark.parametrize(("questions", "behind"), [(500, 8.0), (50, None)])
def test_few_questions_prove_less(task_with, questions, behind):
    """Nine points are clear among five hundred, and luck among fifty."""
    task = task_with([0.8] * 6, [0.89] * 6)

    assert verdict(task, "rnn", "lstm", questions).behind_from == behind
