"""
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
from functools import cache
from itertools import product
from random import Random

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

ALPHABET = f" ,{string.ascii_lowercase}"
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
