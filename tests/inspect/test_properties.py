"""Properties of a text, drawn below it."""

import pytest

from lstm_textgen.inspect import probes as properties
from lstm_textgen.inspect.probes import PROPERTIES

CASES = [
    ("inside_quotes", 'He "said" so.', "...xxxxx....."),
    ("inside_quotes", "«Si» and “no”", "xxx......xxx."),
    ("inside_quotes", '"open\n\nnew "', "xxxxxx.....x"),
    ("inside_brackets", "a (b [c] d) e)", "..xxxxxxxx...."),
    ("inside_a_word", "Don't 'go' 2x", "xxxxx..xx...x"),
    ("far_in_a_word", "a word is longer", ".....x.......xxx"),
    ("in_capitals", "ROMEO: I am", "xxxxx......"),
    ("inside_a_name", "By Bob. So Ann\nMet A", "...xxx.....xxx.....x"),
    ("line_start", "abcde\nfghij", "xxx..xxxx.."),
    ("line_end", "abcd\nef", "..xx..."),
    ("sentence_over", "A. B c?  D", ".xx...xxx."),
    ("inside_a_number", "in 1984.", "...xxxx."),
    ("capitals", "Ab C", "x..x"),
    ("vowels", "Ángel yes", "x..x..xx."),
    ("letters", "a1 b!", "x..x."),
]


@pytest.mark.parametrize(("name", "text", "drawn"), CASES)
def test_a_property_holds_where_it_is_drawn(name, text, drawn):
    """An x stands below each character at which it is true once that was read."""
    found = getattr(properties, name)(text)

    assert "".join(".x"[int(each)] for each in found) == drawn


def test_far_into_a_sentence_or_a_paragraph_is_beyond_the_median():
    """Half of the characters, at most, are far from the last end."""
    text = "One. Two is much longer than one.\n\nThree. Four, and five.\n" * 3

    for name in ("late_in_sentence", "late_in_paragraph"):
        found = getattr(properties, name)(text)
        assert 0.3 < found.mean() <= 0.5


@pytest.mark.parametrize("text", ["a", "\n", "\x00\ud7ff😀", "((((", '""""'])
def test_no_text_is_a_crash(text):
    """However short or odd, each property has as many answers as characters."""
    for each in PROPERTIES:
        assert len(each.holds(text)) == len(text)
