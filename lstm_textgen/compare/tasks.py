"""
Recall tasks: generated texts whose answers depend on a character far back.

What decides an answer stands an exact number of characters before it, and nothing in
between gives it away. A model that sees only the most recent characters does no better
than the best constant guess, which is the baseline.

Shapes: T characters, B questions.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lstm_textgen.text.streams import IGNORE

DISTANCES = (8, 16, 32, 64, 128, 256)
"""Characters between what decides and the answer, at which a model is tested."""

MIN_DISTANCE = DISTANCES[0]

MAX_DISTANCE = DISTANCES[-1]


@dataclass(frozen=True, slots=True)
class Question:
    """A text, and the positions of the characters to predict."""

    text: str
    positions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecallTask:
    """A kind of question."""

    name: str
    title: str
    """For people, as short as a heading."""
    make_question: Callable[[int, Random], Question]
    """Draws a question; the first argument is the distance, `MIN_DISTANCE` or more."""
    alphabet: str
    """Every character that can occur in a question."""
    answers: str
    """Every character that can be an answer."""
    baseline: float
    """Accuracy of the best guess without memory."""


LETTERS = "abcdefgh"


def copy_question(distance: int, random: Random) -> Question:
    """
    `cafe---:cafe`: repeat four letters, each after *distance* characters.

    Source:
        Arjovsky, Shah and Bengio (2016), Unitary Evolution Recurrent Neural
        Networks, section 5.1; after Hochreiter and Schmidhuber (1997).
    """
    word = "".join(random.choices(LETTERS, k=4))
    text = f"{word}{'-' * (distance - 5)}:{word}"
    return Question(text, tuple(range(distance, distance + 4)))


def adding_question(distance: int, random: Random) -> Question:
    """
    `+3104+21=5`: the sum of the two digits marked by a plus.

    The first is *distance* characters before the sum, the second anywhere between.

    Source:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory, section 5.4,
        here with digits from 0 to 4.
    """
    first, second = random.choices(range(5), k=2)
    noise = "".join(random.choices("01234", k=distance - 4))
    split = random.randint(0, len(noise))
    text = f"+{first}{noise[:split]}+{second}{noise[split:]}={first + second}"
    return Question(text, (len(text) - 1,))


BRACKETS = ("()", "[]", "{}", "<>")


def bracket_question(distance: int, random: Random) -> Question:
    """`(ab[c]d;)`: close the outer bracket; the inner ones are closed already."""
    outer = random.choice(BRACKETS)
    inside = ""
    while (room := distance - 2 - len(inside)) > 0:
        inner = "".join(random.choices("abcdef", k=random.randint(0, 3)))
        if len(inner) + 2 <= room and random.random() < 0.3:
            pair = random.choice(BRACKETS)
            inside += f"{pair[0]}{inner}{pair[1]}"
        else:
            inside += random.choice("abcdef")
    return Question(f"{outer[0]}{inside};{outer[1]}", (distance,))


def _word_pairs(words: str) -> tuple[tuple[str, str], ...]:
    """`king/kings fox/foxes` as pairs of singular and plural."""
    pairs = (word.split("/") for word in words.split())
    return tuple((singular, plural) for singular, plural in pairs)


SUBJECTS = _word_pairs(
    "child/children king/kings woman/women sailor/sailors fox/foxes thief/thieves "
    "mouse/mice baker/bakers painter/painters"
)

DISTRACTORS = _word_pairs(
    "dog/dogs house/houses bicycle/bicycles neighbour/neighbours gate/gates tree/trees "
    "river/rivers goose/geese box/boxes man/men"
)
"""Nouns between the subject and its verb."""

PREPOSITIONS = (" with", " near", " by", " behind", " under", ", with", ", near")

VERB_LINKS = (" who saw", " who met", " who heard", " who painted")

ADJECTIVES = ("", " old", " blue", " small", " wooden")

ADVERBS = (" now", " then", " here", " there", " today", " again", " abroad")

TWO_WORDS = (" at last", " who ran", " at home", " who sang", " that day", " who slept")

FILLERS = (*ADVERBS, *TWO_WORDS, " yesterday")
"""Phrases without a noun, of every length from 4 to 10 characters."""

MIN_PHRASE = min(map(len, FILLERS))

MAX_FILLER = max(map(len, FILLERS))

VERBS = (" wa", " we")
"""Singular and plural; cut off after the letter in which they differ."""


def agreement_question(distance: int, random: Random) -> Question:
    """
    `the child who slept near the old dogs, by the door wa`: was or were.

    The first noun alone decides. Each noun in between is singular or plural at random,
    so that the nearest one misleads as often as it helps, and no word in between, such
    as `his` or `their`, reveals the number. The distance is counted from the last
    letter of the subject.

    Source:
        Linzen, Dupoux and Goldberg (2016), Assessing the Ability of LSTMs to Learn
        Syntax-Sensitive Dependencies. https://arxiv.org/abs/1611.01368
    """
    number = random.randrange(2)
    subject = random.choice(SUBJECTS)[number]
    adjective = random.choice(ADJECTIVES)
    between = draw_phrases(distance - len(VERBS[0]), random)
    text = f"the{adjective} {subject}{between}{VERBS[number]}"
    return Question(text, (len(text) - 1,))


@cache
def phrases_by_length() -> dict[int, list[str]]:
    """All phrases that can stand between subject and verb, by their length."""
    by_length: dict[int, list[str]] = {}
    with_noun = (
        f"{link} the{adjective} {noun}"
        for link, adjective, pair in product(
            PREPOSITIONS + VERB_LINKS, ADJECTIVES, DISTRACTORS
        )
        for noun in pair
    )
    for phrase in (*FILLERS, *with_noun):
        by_length.setdefault(len(phrase), []).append(phrase)
    return by_length


def draw_phrases(length: int, random: Random) -> str:
    """
    Draw phrases of exactly *length* characters together, 4 or more.

    Where there is room for a noun, three of four phrases have one.
    """
    text, by_length = "", phrases_by_length()
    while room := length - len(text):
        fitting = [n for n in by_length if n == room or n + MIN_PHRASE <= room]
        with_noun = [n for n in fitting if n > MAX_FILLER]
        lengths = with_noun if with_noun and random.random() < 0.75 else fitting
        text += random.choice(by_length[random.choice(lengths)])
    return text


TASKS = {
    task.name: task
    for task in (
        RecallTask(
            name="agreement",
            title="agreement of subject and verb",
            make_question=agreement_question,
            alphabet=f" ,{string.ascii_lowercase}",
            answers="ae",
            baseline=1 / 2,
        ),
        RecallTask(
            name="bracket",
            title="closing the right bracket",
            make_question=bracket_question,
            alphabet="abcdef;()[]{}<>",
            answers=")]}>",
            baseline=1 / 4,
        ),
        RecallTask(
            name="copy",
            title="copy after a delay",
            make_question=copy_question,
            alphabet=f"{LETTERS}-:",
            answers=LETTERS,
            baseline=1 / 8,
        ),
        RecallTask(
            name="adding",
            title="adding two marked digits",
            make_question=adding_question,
            alphabet="012345678+=",
            answers="012345678",
            baseline=1 / 5,  # 4 is the most common sum; knowing one digit does not help
        ),
    )
}


def make_batch(
    questions: Sequence[Question], alphabet: str
) -> tuple[Int64[Tensor, "T B"], Int64[Tensor, "T B"]]:
    """
    Encode questions side by side; shorter ones are padded at the end.

    Returns:
        The input ids, and as targets the answers that follow them; IGNORE where the
        next character is no answer.
    """
    table = np.zeros(128, dtype=np.int64)
    table[[ord(char) for char in alphabet]] = range(len(alphabet))
    longest = max(len(question.text) for question in questions)
    texts = "".join(question.text.ljust(longest, alphabet[0]) for question in questions)
    rows = table[np.frombuffer(texts.encode("ascii"), dtype=np.uint8)]
    ids = torch.from_numpy(rows.reshape(len(questions), longest).T)  # (T + 1, B)
    is_answer = torch.zeros(ids.shape, dtype=torch.bool)
    for column, question in enumerate(questions):
        is_answer[list(question.positions), column] = True
    targets = ids.where(is_answer, IGNORE)[1:]
    return ids[:-1].contiguous(), targets.contiguous()
