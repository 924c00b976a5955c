"""
Recall tasks made on the spot: short texts that end in what only memory can know.

A question is a text in which some characters are asked for. What decides them
stands an exact number of characters before, and nothing in between tells it: who
reads only what came last is right as often as by a constant guess, the baseline.

Shapes: T characters, B questions.

A small grammar for one long sentence: its subject at the start, its verb at the end.

    the child who lived in the blue house, with the dogs, by the old gates was

Whether the verb is `was` or `were` is decided by the first noun alone. The nouns in
between are singular or plural by a throw of their own, so that the nearest one
misleads as often as it helps; and no word in between, like `his` or `their`, tells
the number again.

Source:
    Linzen, Dupoux and Goldberg (2016), Assessing the Ability of LSTMs to Learn
    Syntax-Sensitive Dependencies. https://arxiv.org/abs/1611.01368
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

import numpy as np
from jaxtyping import Int64

from lstm_textgen.text.streams import IGNORE

DISTANCES = (8, 16, 32, 64, 128, 256)
"""Characters between what decides and what is asked, where a model is judged."""

SHORTEST = DISTANCES[0]

LETTERS = "abcdefgh"


@dataclass(frozen=True, slots=True)
class Question:
    """A text, and the places of the characters that are asked for."""

    text: str
    asked: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecallTask:
    """A kind of question."""

    name: str
    title: str
    """For people, as short as a heading."""
    ask: Callable[[int, Random], Question]
    """Draws a question; the first argument is the distance, `SHORTEST` or more."""
    alphabet: str
    """Every character that can stand in a question."""
    answers: str
    """Every character that can be asked for."""
    baseline: float
    """How often a reader without memory is right, at best."""


def ask_copy(distance: int, random: Random) -> Question:
    """
    `cafe---:cafe`: say again four letters, each after *distance* characters.

    Source:
        Arjovsky, Shah and Bengio (2016), Unitary Evolution Recurrent Neural
        Networks, section 5.1; after Hochreiter and Schmidhuber (1997).
    """
    word = "".join(random.choices(LETTERS, k=4))
    text = f"{word}{'-' * (distance - 5)}:{word}"
    return Question(text, tuple(range(distance, distance + 4)))


def ask_adding(distance: int, random: Random) -> Question:
    """
    `+3104+21=5`: the sum of the two digits that a plus marks.

    The first is *distance* characters before the sum, the second anywhere between.

    Source:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory, section 5.4,
        here with digits from 0 to 4.
    """
    first, second = random.choices(range(5), k=2)
    noise = "".join(random.choices("01234", k=distance - 4))
    place = random.randint(0, len(noise))
    text = f"+{first}{noise[:place]}+{second}{noise[place:]}={first + second}"
    return Question(text, (len(text) - 1,))


BRACKETS = ("()", "[]", "{}", "<>")


def ask_bracket(distance: int, random: Random) -> Question:
    """`(ab[c]d;)`: close the outer bracket; those inside are closed already."""
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


def ask_agreement(distance: int, random: Random) -> Question:
    """`the child who slept near the old dogs, by the door wa`: was or were."""
    text = sentence(distance, random)
    return Question(text, (len(text) - 1,))


ALPHABET = f" ,{string.ascii_lowercase}"

TASKS = {
    task.name: task
    for task in (
        RecallTask(
            name="agreement",
            title="agreement of subject and verb",
            ask=ask_agreement,
            alphabet=ALPHABET,
            answers="ae",
            baseline=1 / 2,
        ),
        RecallTask(
            name="bracket",
            title="closing the right bracket",
            ask=ask_bracket,
            alphabet="abcdef;()[]{}<>",
            answers=")]}>",
            baseline=1 / 4,
        ),
        RecallTask(
            name="copy",
            title="copy after a delay",
            ask=ask_copy,
            alphabet=f"{LETTERS}-:",
            answers=LETTERS,
            baseline=1 / 8,
        ),
        RecallTask(
            name="adding",
            title="adding two marked digits",
            ask=ask_adding,
            alphabet="012345678+=",
            answers="012345678",
            baseline=1 / 5,  # 4 is the commonest sum; one digit alone tells no more
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions as ids, side by side."""

    inputs: Int64[np.ndarray, "T B"]
    targets: Int64[np.ndarray, "T B"]
    """The id that is asked for after a character; IGNORE where nothing is asked."""


def as_batch(questions: Sequence[Question], alphabet: str) -> Batch:
    """Encode questions; behind the shorter ones stands what nobody asks for."""
    table = np.zeros(128, dtype=np.int64)
    table[[ord(char) for char in alphabet]] = range(len(alphabet))
    longest = max(len(question.text) for question in questions)
    texts = "".join(each.text.ljust(longest, alphabet[0]) for each in questions)
    ids = table[np.frombuffer(texts.encode("ascii"), dtype=np.uint8)]
    ids = ids.reshape(len(questions), longest).T  # (T + 1, B)
    asked = np.zeros(ids.shape, dtype=bool)
    for column, question in enumerate(questions):
        asked[list(question.asked), column] = True
    targets = np.where(asked, ids, IGNORE)[1:]
    return Batch(np.ascontiguousarray(ids[:-1]), np.ascontiguousarray(targets))


SUBJECTS = (
    *(("child", "children"), ("king", "kings"), ("woman", "women")),
    *(("sailor", "sailors"), ("fox", "foxes"), ("thief", "thieves")),
    *(("mouse", "mice"), ("baker", "bakers"), ("painter", "painters")),
)
"""Singular and plural of who the sentence is about."""

NOUNS = (
    *(("dog", "dogs"), ("house", "houses"), ("bicycle", "bicycles")),
    *(("neighbour", "neighbours"), ("gate", "gates"), ("tree", "trees")),
    *(("river", "rivers"), ("goose", "geese"), ("box", "boxes"), ("man", "men")),
)
"""Singular and plural of what may mislead."""

PLACES = (" with", " near", " by", " behind", " under", ", with", ", near")

ADJECTIVES = ("", " old", " blue", " small", " wooden")

ACTS = (" who saw", " who met", " who heard", " who painted")

SHORT = (
    *(" now", " then", " here", " there", " today", " again", " abroad", " at last"),
    *(" who ran", " at home", " who sang", " that day", " who slept", " yesterday"),
)
"""Phrases without a noun, of every length from 4 to 10 characters."""

LEAST = min(map(len, SHORT))

VERBS = (" wa", " we")
"""For one, for several; cut where they begin to differ, in the last letter."""


@cache
def phrases() -> dict[int, list[str]]:
    """All phrases that can stand between subject and verb, by their length."""
    found: dict[int, list[str]] = {}
    with_noun = (
        f"{link} the{adjective} {noun}"
        for link, adjective, pair in product(PLACES + ACTS, ADJECTIVES, NOUNS)
        for noun in pair
    )
    for phrase in (*SHORT, *with_noun):
        found.setdefault(len(phrase), []).append(phrase)
    return found


def sentence(distance: int, random: Random) -> str:
    """
    Draw a sentence up to the letter of the verb that shows its number.

    Args:
        distance: Characters from the last letter of the subject to that letter, 8
            or more.
        random: Where the choices come from.
    """
    number = random.randrange(2)
    subject = random.choice(SUBJECTS)[number]
    adjective = random.choice(ADJECTIVES)
    between = insertion(distance - len(VERBS[0]), random)
    return f"the{adjective} {subject}{between}{VERBS[number]}"


def insertion(length: int, random: Random) -> str:
    """
    Phrases of exactly *length* characters together, 4 or more.

    Where there is room for a noun, three of four phrases have one.
    """
    text, by_length = "", phrases()
    while room := length - len(text):
        fitting = [n for n in by_length if n == room or n + LEAST <= room]
        long = [n for n in fitting if n > 10]
        lengths = long if long and random.random() < 0.75 else fitting
        text += random.choice(by_length[random.choice(lengths)])
    return text
