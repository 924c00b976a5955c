"""What may stand for a character that a vocabulary lacks."""
# ruff: noqa: RUF001 - curly quotes and dashes are the matter of this file

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.text.tokenizer import (
    close_replacements,
    describe_character,
    unknown_character,
)

ASCII = string.printable


@pytest.mark.parametrize(
    ("char", "known", "first"),
    [
        ("’", ASCII, "'"),
        ("'", "abc’‘", "’"),
        ("“", ASCII, '"'),
        ('"', "“”", "“"),
        ("–", ASCII, "-"),
        ("—", ASCII, "--"),
        ("—", "–ab", "–"),
        ("…", ASCII, "..."),
        ("\u00a0", ASCII, " "),
        ("\u2028", ASCII, "\n"),
        ("é", ASCII, "e"),
        ("É", "e", "e"),
        ("ﬁ", ASCII, "fi"),
        ("ß", ASCII, "ss"),
        ("Ł", ASCII, "L"),
        ("Q", "abcq", "q"),
        ("q", "ABCQ", "Q"),
        ("Ж", "ж", "ж"),
    ],
)
def test_first_replacement_is_what_a_person_would_type(char, known, first):
    """The closest stands first, and only what the vocabulary has."""
    assert close_replacements(char, known)[0] == first


def test_nothing_comes_close():
    """A character of another script has no replacement, nor has a lone accent."""
    assert close_replacements("漢", ASCII) == []
    assert close_replacements("\u0301", ASCII) == []
    assert close_replacements("…", "abc") == []


@given(st.characters(), st.text())
def test_replacements_are_known(char, known):
    """Whatever the character: every replacement can be encoded and is another."""
    for replacement in close_replacements(char, known):
        assert replacement not in ("", char)
        assert set(replacement) <= set(known)


def test_character_is_named_three_ways():
    """A character that prints as nothing is still told apart; a nameless one too."""
    assert describe_character("\u200b") == r"'\u200b' (U+200B ZERO WIDTH SPACE)"
    assert describe_character("\x01") == r"'\x01' (U+0001)"


def test_error_for_an_unknown_character():
    """The error says which character, where, and what to write instead."""
    error = unknown_character("’", 7, ASCII)

    assert error.problem == (
        "Character '’' (U+2019 RIGHT SINGLE QUOTATION MARK) "
        "at offset 7 is not in the vocabulary."
    )
    assert error.remedy.startswith("Write \"'\" or '`' instead; ")


def test_remedies_where_nothing_comes_close():
    """Without a replacement the remedy is to remove it; a broken byte is named."""
    assert unknown_character("漢", 0, ASCII).remedy.startswith("Remove it; ")
    assert "byte of no text" in unknown_character("\udce9", 0, ASCII).remedy
