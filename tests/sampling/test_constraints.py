"""Sets and patterns, the latter held to Python's own regular expressions."""

import itertools
import re
import sys

import numpy as np
import pytest
import torch

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.sampling.constraints import (
    UNREACHABLE,
    allowed_ids,
    any_text,
    constraint_for,
    from_pattern,
    parse_set,
)
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer

# Sets of characters

CHARS = CharTokenizer("".join(sorted("\n -abcdez\\é")))


def allowed(only="", ban="", tokenizer=CHARS):
    return tokenizer.decode(np.flatnonzero(allowed_ids(tokenizer, only, ban)))


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        ("abc", [("a", "a"), ("b", "b"), ("c", "c")]),
        ("a-c", [("a", "c")]),
        ("a-cx-z.", [("a", "c"), ("x", "z"), (".", ".")]),
        ("-a", [("-", "-"), ("a", "a")]),
        ("a-", [("a", "a"), ("-", "-")]),
        ("-", [("-", "-")]),
        (r"a\-c", [("a", "a"), ("-", "-"), ("c", "c")]),
        (r"\n\t\\", [("\n", "\n"), ("\t", "\t"), ("\\", "\\")]),
        ("à-ü", [("à", "ü")]),
    ],
)
def test_a_set_is_characters_and_ranges(text, ranges):
    """A dash makes a range only between two characters, and not after a backslash."""
    assert parse_set(text) == ranges


@pytest.mark.parametrize(("text", "named"), [("z-a", "a-z"), ("ab\\", "ab")])
def test_a_set_that_cannot_be_read(text, named):
    """It is named, and a reversed range with the way to write it."""
    with pytest.raises(ConfigError, match=named):
        parse_set(text)


def test_only_and_ban():
    """Only keeps, ban takes away, and together they do both."""
    assert allowed() == CHARS.characters
    assert allowed(only="a-c ") == " abc"
    assert allowed(ban="a-c\\n") == " -\\dezé"
    assert allowed(only="a-e", ban="b") == "acde"


def test_the_unknown_mark_is_never_written():
    """It stands for characters that were too rare, and means nothing in a text."""
    marked = CharTokenizer("ab\ufffd", "\ufffd")

    assert allowed(tokenizer=marked) == "ab"
    assert constraint_for(marked, FormConfig()) is not None


def test_something_must_be_left():
    """A set of characters that the model does not have leaves nothing."""
    for sets in ({"only": "X"}, {"ban": "\x00-\U0010ffff"}):
        with pytest.raises(ConfigError, match="--only"):
            allowed(**sets)


def test_sets_of_bytes_are_ascii():
    """A byte above it is part of many characters."""
    bytes_ = ByteTokenizer()

    assert allowed(only="ab", tokenizer=bytes_) == "ab"
    banned = np.flatnonzero(~allowed_ids(bytes_, "", "a-z"))
    assert bytes_.decode(banned) == "abcdefghijklmnopqrstuvwxyz"
    for sets in (("é", ""), ("", "é")):
        with pytest.raises(ConfigError, match="ASCII"):
            allowed_ids(bytes_, *sets)


# Patterns

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


def automaton_of(pattern, allowed=ALL):
    pytest.importorskip("greenery")
    return from_pattern(pattern, list(LETTERS), allowed)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_may_follow_is_what_some_match_continues_with(pattern):
    """
    For every beginning of up to four characters, by trying all texts.

    A character is allowed just if some text of at most four characters begins with
    it and matches as a whole. Where none is, the beginning itself matches or leads
    nowhere. The distance is the length of the shortest match.
    """
    automaton = automaton_of(pattern)
    matching = [text for text in TEXTS if re.fullmatch(pattern, text)]
    beginnings = {text[:end] for text in matching for end in range(len(text) + 1)}

    for text in TEXTS:
        if len(text) == LONGEST:
            continue
        state = torch.tensor([automaton.start])
        for char in text:
            state = automaton.advance(state, torch.tensor([LETTERS.index(char)]))
        (following,) = automaton.allowed(state, LONGEST - len(text)).tolist()

        assert following == [text + char in beginnings for char in LETTERS]
    assert automaton.distance[automaton.start] == min(map(len, matching))
    assert automaton.distance[0] == UNREACHABLE


def test_characters_that_may_not_be_used_are_not_part_of_any_match():
    """The pattern would take them."""
    automaton = automaton_of("[abc]{3}", np.array([char != "a" for char in LETTERS]))

    (following,) = automaton.allowed(torch.tensor([automaton.start]), 3).tolist()

    assert "".join(itertools.compress(LETTERS, following)) == "bc"


@pytest.mark.parametrize(
    "pattern", ["(a", "^a|^b", "a$|b", "a(?=b)", "[a", "x+", "abx"]
)
def test_patterns_that_cannot_be_used(pattern):
    """What cannot be read, and what the vocabulary cannot write."""
    with pytest.raises(ConfigError, match=re.escape(repr(pattern))):
        automaton_of(pattern)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    """Patterns are an extra."""
    monkeypatch.setitem(sys.modules, "greenery", None)

    with pytest.raises(UnavailableError, match=r"lstm-textgen\[match\]"):
        from_pattern("a", list(LETTERS), ALL)


def test_a_set_allows_at_any_length():
    """Also beyond the length of a sample: bytes are more than characters."""
    automaton = any_text(np.array([True, False, True]))
    state = torch.tensor([automaton.start])

    for left in (5, 0, -3):
        assert automaton.allowed(state, left).tolist() == [[True, False, True]]
    dead = automaton.advance(state, torch.tensor([1]))
    assert not automaton.allowed(dead, 5).any()


def test_what_a_form_asks_for():
    """Nothing asked for, nothing in the way; sets alone need no library."""
    chars = CharTokenizer(LETTERS)

    assert constraint_for(chars, FormConfig()) is None
    assert constraint_for(chars, FormConfig(only="a")) is not None
    with pytest.raises(ConfigError, match="bytes"):
        constraint_for(ByteTokenizer(), FormConfig(match="a"))


def test_a_length_that_is_too_short_for_any_match():
    """Says how long the shortest is."""
    pytest.importorskip("greenery")
    with pytest.raises(ConfigError, match="--length 4"):
        constraint_for(CharTokenizer(LETTERS), FormConfig(match="a{4}", length=3))


@pytest.mark.parametrize("length", [4, 5, 6, 9])
@pytest.mark.parametrize("pattern", ["(ab)*c?", "a[^a]*a", "(a|b.)+", "[ab]{2,4}"])
def test_whatever_is_drawn_matches(pattern, length, make_model):
    """As a whole, and in the length that there is."""
    pytest.importorskip("greenery")
    writer = Writer(make_model(len(LETTERS)), CharTokenizer(LETTERS))
    form = FormConfig(match=pattern, length=length)
    config = SampleConfig(temperature=1.5)

    samples = list(writer.samples(writer.read([]), config, form, numbers=range(60)))

    assert all(re.fullmatch(pattern, sample.text) for sample in samples)
    assert len({sample.text for sample in samples}) > 2
    assert {sample.stopped_by for sample in samples} <= {"length", "match"}
