"""Answers are right, at the distance that is promised, and nothing gives them away."""

from collections import Counter, defaultdict
from random import Random

import numpy as np
import pytest

from lstm_textgen.compare import tasks
from lstm_textgen.compare.tasks import DISTANCES, TASKS, make_batch
from lstm_textgen.text.streams import IGNORE

every_task = pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))


def draw(task, distance, count, seed=4):
    random = Random(seed)
    return [task.make_question(distance, random) for _ in range(count)]


def solve_copy(text, place, distance):
    """The same letter as *distance* characters before."""
    return text[place - distance]


def solve_adding(text, place, distance):
    """Split at the marks: the first character of each part is a marked digit."""
    before, *parts = text[:place].split("+")
    assert before == ""
    assert len(parts) == 2
    assert place - distance == 1
    return str(sum(int(part[0]) for part in parts))


def solve_bracket(text, place, distance):
    """A stack of the open brackets."""
    partner, stack = dict(zip("([{<", ")]}>", strict=True)), []
    for at, char in enumerate(text[:place]):
        if char in partner:
            stack.append((partner[char], at))
        elif char in partner.values():
            assert stack.pop()[0] == char
    [(answer, opened)] = stack
    assert place - opened == distance
    return answer


def solve_agreement(text, place, distance):
    """Look up the subject: the word that ends *distance* characters before."""
    subject = text[: place - distance + 1].split()[-1]
    singulars, plurals = zip(*tasks.SUBJECTS, strict=True)
    assert (subject in singulars) != (subject in plurals)
    assert text[:place].endswith(" w")
    return "a" if subject in singulars else "e"


SOLVERS = {
    "copy": solve_copy,
    "adding": solve_adding,
    "bracket": solve_bracket,
    "agreement": solve_agreement,
}


@every_task
@pytest.mark.parametrize("distance", [*DISTANCES, 11, 13, 101])
def test_the_answer_is_right_at_any_distance(task, distance):
    """An independent solution of the same text gives the same answer."""
    for question in draw(task, distance, 100):
        for place in question.positions:
            expected = SOLVERS[task.name](question.text, place, distance)

            assert question.text[place] == expected
            assert expected in task.answers
        assert set(question.text) <= set(task.alphabet)


@pytest.mark.slow
@every_task
@pytest.mark.parametrize("distance", [8, 32])
@pytest.mark.parametrize("known", [1, 4, 7])
def test_reading_only_the_last_characters_is_at_the_baseline(task, distance, known):
    """
    A table of what followed the same last characters does no better than guessing.

    Counted on 6000 questions and tested on 6000 others; three standard errors.
    """
    table = defaultdict(Counter)
    for question in draw(task, distance, 6000, seed=1):
        for place in question.positions:
            table[question.text[place - known : place]][question.text[place]] += 1
    right = total = 0
    for question in draw(task, distance, 6000, seed=2):
        for place in question.positions:
            seen = table[question.text[place - known : place]]
            right += bool(seen) and seen.most_common(1)[0][0] == question.text[place]
            total += 1
    error = (task.baseline * (1 - task.baseline) / total) ** 0.5

    assert right / total < task.baseline + 3 * error


@every_task
def test_a_constant_guess_reaches_the_baseline(task):
    """So the dashed line of the charts is not too low either."""
    counts = Counter(
        question.text[place]
        for question in draw(task, 16, 6000)
        for place in question.positions
    )
    error = (task.baseline * (1 - task.baseline) / counts.total()) ** 0.5

    share = counts.most_common(1)[0][1] / counts.total()
    assert share == pytest.approx(task.baseline, abs=3.5 * error)


def test_the_nouns_in_between_mislead_as_often_as_they_help():
    """Neither the nearest noun nor most of them reveal the number of the subject."""
    number = {noun: n for pair in tasks.DISTRACTORS for n, noun in enumerate(pair)}
    nearest, most = [], []
    for question in draw(TASKS["agreement"], 96, 3000):
        place = question.positions[0]
        words = question.text[place - 96 + 1 : place].replace(",", "").split()
        numbers = [number[word] for word in words if word in number]
        plural = question.text[place] == "e"
        if numbers:
            nearest.append(numbers[-1] == plural)
            most.append((sum(numbers) > len(numbers) / 2) == plural)

    assert len(nearest) > 2900
    assert np.mean(nearest) == pytest.approx(0.5, abs=0.035)
    assert np.mean(most) == pytest.approx(0.5, abs=0.035)


@every_task
def test_the_targets_of_a_batch_are_the_answers_and_nothing_else(task):
    """Decoded again, inputs and targets are the texts and their answers."""
    questions = draw(task, 20, 5)
    inputs, targets = make_batch(questions, task.alphabet)

    for column, question in enumerate(questions):
        length = len(question.text)
        read = "".join(task.alphabet[id] for id in inputs[:, column])
        asked = np.flatnonzero(targets[:, column] != IGNORE)
        assert read[: length - 1] == question.text[:-1]
        assert tuple(asked + 1) == question.positions
        for place in asked:
            assert task.alphabet[targets[place, column]] == question.text[place + 1]
