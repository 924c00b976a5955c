"""Patterns: what may follow, held to Python's own regular expressions."""

import itertools
import re

import numpy as np
import pytest
import torch

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.sampling.constraints import (
    FAR,
    any_text,
    constraint_for,
    from_pattern,
)
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer

LETTERS = "\n .abc"
ALL = np.ones(len(LETTERS), bool)
LONGEST = 4
TEXTS = [
    "".join(chars)
    for length in range(LONGEST + 1)
    for chars in itertools.product(LETTERS, repeat=length)
]
PATTERNS = [
    "abc",
    "a*",
    "(ab)*",
    "a|bc|c*",
    "[ab]{2,3}",
    "[^a]+",
    "a.c",
    ".*",
    r"a\.b?",
    "[.]a",
    r"\w+ \w+",
    "^ab?$",
    "(a|b)?c+",
    "a\nb*",
    r"[.\]]?\ \-?a",
    r"[\.a]+",
    r"a\$?b",
]


def automaton(pattern, allowed=ALL):
    return from_pattern(pattern, list(LETTERS), allowed)


def can_begin(text, matching):
    return any(whole.startswith(text) for whole in matching)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_may_follow_is_what_some_match_goes_on_with(pattern):
    """
    For every beginning of up to four characters, by trying all texts.

    A character is allowed just if some text of at most four characters begins with
    it and matches as a whole. Where none is, the beginning itself matches or leads
    nowhere.
    """
    pytest.importorskip("greenery")
    machine = automaton(pattern)
    matching = [text for text in TEXTS if re.fullmatch(pattern, text)]

    for text in TEXTS:
        if len(text) == LONGEST:
            continue
        state = torch.tensor([machine.start])
        for char in text:
            state = machine.advance(state, torch.tensor([LETTERS.index(char)]))
        allowed = machine.allowed(state, LONGEST - len(text))[0].tolist()

        assert allowed == [can_begin(text + char, matching) for char in LETTERS]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_distance_is_that_to_the_nearest_match(pattern):
    """How long the shortest text is, by trying all."""
    pytest.importorskip("greenery")
    machine = automaton(pattern)
    lengths = [len(text) for text in TEXTS if re.fullmatch(pattern, text)]

    assert machine.distance[machine.start] == min(lengths)
    assert machine.distance[0] == FAR


def test_characters_that_may_not_be_used_are_not_part_of_any_match():
    """The pattern would take them."""
    pytest.importorskip("greenery")
    allowed = np.array([char != "a" for char in LETTERS])
    machine = automaton("[abc]{3}", allowed)

    mask = machine.allowed(torch.tensor([machine.start]), 3)[0]

    assert [c for c, on in zip(LETTERS, mask.tolist(), strict=True) if on] == ["b", "c"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "cannot be read"),
        ("^a|^b", "stands in the middle"),
        ("a$|b", "stands in the middle"),
        ("a(?=b)", "cannot be read"),
        ("[a", "cannot be read"),
        ("x+", "No text that this model can write"),
        ("abx", "No text that this model can write"),
    ],
)
def test_patterns_that_cannot_be_used(pattern, words):
    """What cannot be read, and what the vocabulary cannot write."""
    pytest.importorskip("greenery")
    with pytest.raises(ConfigError, match=words):
        automaton(pattern)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    """A pattern is an extra."""
    monkeypatch.setitem(__import__("sys").modules, "greenery", None)

    with pytest.raises(UnavailableError, match=r"lstm-textgen\[match\]"):
        automaton("a")


def test_anything_allows_at_any_length():
    """Also beyond the length of a sample: bytes are more than characters."""
    machine = any_text(np.array([True, False, True]))
    state = torch.tensor([machine.start])

    for left in (5, 0, -3):
        assert machine.allowed(state, left).tolist() == [[True, False, True]]
    dead = machine.advance(state, torch.tensor([1]))
    assert not machine.allowed(dead, 5).any()


def test_what_a_form_asks_for():
    """Nothing asked for, nothing in the way; sets alone need no library."""
    chars = CharTokenizer(LETTERS)

    assert constraint_for(chars, FormConfig()) is None
    assert constraint_for(chars, FormConfig(only="a")) is not None
    assert constraint_for(CharTokenizer("a\ufffd", "\ufffd"), FormConfig()) is not None
    with pytest.raises(ConfigError, match="model of bytes"):
        constraint_for(ByteTokenizer(), FormConfig(match="a"))


def test_a_length_that_is_too_short_for_any_match():
    """Says how long the shortest is."""
    pytest.importorskip("greenery")
    with pytest.raises(ConfigError, match="has 4 characters or more"):
        constraint_for(CharTokenizer(LETTERS), FormConfig(match="a{4}", length=3))


@pytest.mark.parametrize("length", [4, 5, 6, 9])
@pytest.mark.parametrize("pattern", ["(ab)*c?", "a[^a]*a", "(a|b.)+", "[ab]{2,4}"])
def test_whatever_is_drawn_matches(pattern, length, make_model):
    """As a whole, and in the length that there is."""
    pytest.importorskip("greenery")
    writer = Writer(make_model(len(LETTERS)), CharTokenizer(LETTERS))
    form = FormConfig(match=pattern, length=length)
    beginning = writer.begin([])
    config = SampleConfig(temperature=1.5)

    drawn = list(writer.samples(beginning, config, form, numbers=range(60)))

    assert all(re.fullmatch(pattern, each.text) for each in drawn)
    assert len({each.text for each in drawn}) > 2
    assert {each.stopped_by for each in drawn} <= {"length", "match"}
