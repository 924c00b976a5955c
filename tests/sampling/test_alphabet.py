"""Sets of characters as people type them."""

import numpy as np
import pytest

from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.constraints import allowed_ids, parse_set
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.builders import char_tokenizer

CHARS = char_tokenizer("\n -abcdez\\é")


def allowed(only="", ban="", tokenizer=CHARS):
    ids = np.flatnonzero(allowed_ids(tokenizer, only, ban))
    return tokenizer.decode(ids)


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


@pytest.mark.parametrize(
    ("text", "words"), [("z-a", "Write a-z"), ("ab\\", "Write two")]
)
def test_a_set_that_cannot_be_read(text, words):
    """Says what to write instead."""
    with pytest.raises(ConfigError, match=words):
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


def test_something_must_be_left():
    """A set of characters that the model does not have leaves nothing."""
    for sets in ({"only": "X"}, {"ban": "\x00-\U0010ffff"}):
        with pytest.raises(ConfigError, match="is left to write"):
            allowed(**sets)


def test_bytes_can_be_told_by_ascii_alone():
    """A byte above it is part of many characters."""
    mask = allowed_ids(ByteTokenizer(), "", "a-z")

    assert (
        bytes(np.flatnonzero(~mask).tolist()).decode() == "abcdefghijklmnopqrstuvwxyz"
    )
    only = np.flatnonzero(allowed_ids(ByteTokenizer(), "ab", ""))
    assert bytes(only.tolist()) == b"ab"
    for sets in (("é", ""), ("", "é")):
        with pytest.raises(ConfigError, match="beyond ASCII"):
            allowed_ids(ByteTokenizer(), *sets)
