"""What text can do to a terminal, and that none of it is left after `sanitise`."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.ui.terminal import sanitize
from tests.emulator import plain, steers, terminal_after

INVISIBLE = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Zs")
    and char not in "\n\t"
]
"""Every character of Unicode that is no sign: controls, formats, separators."""

TAILS = (
    *("", "[2J", "[10;10H", "[31;1m", "[?25l", "[?1049h", "[?3h", "[2;3r", "[3g"),
    *("[20h", "[c", "]0;owned\x07", "]2;owned\x1b\\", "(0", ")0", "#8", "7", "8", "H"),
    *("M", "D", "E", "c", "P1$qm\x1b\\", "2J", "0;owned\x9c", "?25l", "31m", "%@"),
)
"""What makes a command of a control character that stands before it."""


def small(text):
    return terminal_after(text, columns=24, rows=5)


def test_a_terminal_is_steered_by_what_is_taken_out():
    """
    Without `sanitise` this terminal obeys some of them, so the tests below can fail.

    It knows neither changes of direction nor what has no effect on what it remembers.
    """
    new = small("")
    obeyed = {
        char
        for char in filter(steers, INVISIBLE)
        for after in (small(f"ab{char}{tail}") for tail in TAILS)
        if not after.is_as_it_was or after.cursor[1] != new.cursor[1]
    }

    assert {"\x1b", "\x9b", "\x9d", "\x0b", "\x0c"} <= obeyed


@pytest.mark.parametrize("tail", TAILS)
def test_no_character_steers_a_terminal(tail):
    """
    Each one before each tail leaves the settings, the line and the look as they were.

    What is shown is what plain text would show: U+FFFD in the place of a command.
    """
    for char in INVISIBLE:
        text = f"ab{char}{tail}yz"
        after = small(sanitize(text))

        assert after.is_as_it_was, ascii(text)
        assert after == small(plain(text)), ascii(text)
        assert (after.cursor[1], after.looks) == (0, frozenset()), ascii(text)


words = st.lists(
    st.sampled_from([*"\x1b\x9b\x9d\x90\x0e\r\b\x7f\u202e\u2066ab\n\t", *TAILS])
)


@given(words)
@settings(deadline=None)
def test_no_text_steers_a_terminal(pieces):
    """Commands in any order, whole and torn, become text; lines and tabs stay."""
    text = "".join(pieces)
    after = terminal_after(sanitize(text), columns=24, rows=60)

    assert after.is_as_it_was
    assert after == terminal_after(plain(text), columns=24, rows=60)
    assert after.looks == frozenset()
