"""Encoding what a person typed."""
# ruff: noqa: RUF001 - curly quotes and dashes are the matter of this file

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.errors import VocabularyError
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer, encode_prompt
from tests.builders import char_tokenizer

KNOWN = char_tokenizer("don't wait... please")


def test_replace_writes_what_comes_closest():
    """One note for each different character, in the order in which they come."""
    ids, notes = encode_prompt(KNOWN, "don’t wait… don’t 漢", "replace")

    assert KNOWN.decode(ids) == "don't wait... don't "
    assert notes == [
        "'’' (U+2019 RIGHT SINGLE QUOTATION MARK) replaced by \"'\"",
        "'…' (U+2026 HORIZONTAL ELLIPSIS) replaced by '...'",
        "'漢' (U+6F22 CJK UNIFIED IDEOGRAPH-6F22) skipped",
    ]


def test_skip_leaves_out():
    """Skipping keeps what is known, and says what is gone."""
    ids, notes = encode_prompt(KNOWN, "don’t", "skip")

    assert KNOWN.decode(ids) == "dont"
    assert notes == ["'’' (U+2019 RIGHT SINGLE QUOTATION MARK) skipped"]


def test_error_names_the_place():
    """Without leave to change the prompt the first unknown character stops it."""
    with pytest.raises(VocabularyError, match="at offset 3"):
        encode_prompt(KNOWN, "don’t", "error")


@given(text=st.text("don't wait."))
@pytest.mark.parametrize("on_unknown", ["error", "skip", "replace"])
def test_known_prompt_is_not_touched(text, on_unknown):
    """Where every character is known there is nothing to note."""
    ids, notes = encode_prompt(KNOWN, text, on_unknown)

    assert KNOWN.decode(ids) == text
    assert notes == []


def test_tokenizers_that_take_everything():
    """An unknown mark takes all, and says so; bytes all but half a character."""
    marked = CharTokenizer("a\ufffd", "\ufffd")

    for on_unknown in ("error", "skip", "replace"):
        ids, notes = encode_prompt(marked, "abb\ufffd", on_unknown)
        assert marked.decode(ids) == "a\ufffd\ufffd\ufffd"
        assert notes == ["'b' (U+0062 LATIN SMALL LETTER B) read as the unknown mark"]

    ids, notes = encode_prompt(ByteTokenizer(), "b\udce9b", "skip")
    assert ByteTokenizer().decode(ids) == "bb"
    assert notes == [r"'\udce9' (U+DCE9) skipped"]
