"""Where a text ends, held to cutting the whole text at the right place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import FormConfig
from lstm_textgen.sampling.stream import Character, StopConditions


def run(text, **form):
    """What is released, the part after each character, and why the text ended."""
    conditions = StopConditions(FormConfig(**{"length": 1000, **form}))
    parts = []
    for char in text:
        if conditions.stopped_by is not None:
            break
        released = conditions.push(Character(char, 1.0))
        parts.append("".join(character.text for character in released))
    return "".join(parts), parts, conditions.stopped_by


@pytest.mark.parametrize(
    ("text", "stops", "expected", "reason"),
    [
        ("abcdef", ("cd",), "ab", "stop"),
        ("cdef", ("cd",), "", "stop"),
        ("ababac", ("abac",), "ab", "stop"),
        ("aaab", ("aab",), "a", "stop"),
        ("abc", ("x",), "abc", None),
        ("ab", ("abc",), "", None),
        ("abcabd", ("abd",), "abc", "stop"),
        ("one two", ("two", "e t"), "on", "stop"),
    ],
)
def test_a_stop_string_ends_the_text_and_is_not_part_of_it(
    text, stops, expected, reason
):
    """Also where its beginning came twice before."""
    released, _, stopped_by = run(text, stop=stops)

    assert (released, stopped_by) == (expected, reason)


@given(
    text=st.text("ab", max_size=12),
    stops=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=2),
    least=st.integers(0, 4),
)
@settings(deadline=None, max_examples=300)
def test_it_is_the_earliest_end_of_a_stop_string(text, stops, least):
    """Determined from the whole text; nothing is lost or doubled."""
    released, _, stopped_by = run(text, stop=tuple(stops), min_length=least)
    ends = [
        (end, len(stop))
        for end in range(1, len(text) + 1)
        for stop in stops
        if text[:end].endswith(stop) and end - len(stop) >= least
    ]

    if not ends:
        assert stopped_by is None
        assert text.startswith(released)
        held = text[len(released) :]
        assert not held or any(stop.startswith(held) for stop in stops)
    else:
        first = min(end for end, _ in ends)
        cuts = {first - size for end, size in ends if end == first}
        assert stopped_by == "stop"
        assert released in {text[:cut] for cut in cuts}


def test_only_what_may_begin_a_stop_string_waits():
    """A text without it is passed on at once."""
    _, parts, _ = run("xyENxEND", stop=("END",))

    assert parts == ["x", "y", "", "", "ENx", "", "", ""]


@pytest.mark.parametrize("length", [0, 1, 3, 5])
def test_the_length_ends_it_and_releases_what_was_held(length):
    """What was held for a stop string that did not come is part of the text."""
    released, _, stopped_by = run("abcabcabc", stop=("abcd",), length=length)

    assert (released, stopped_by) == ("abcabcabc"[:length], "length")


@pytest.mark.parametrize(
    ("until", "text", "expected"),
    [
        ("newline", "one\ntwo", "one"),
        ("newline", "\ntwo", ""),
        ("paragraph", "one\ntwo\n\nthree", "one\ntwo"),
        ("sentence", "He came. She went.", "He came."),
        ("sentence", "He came.\nShe", "He came."),
        ("sentence", "3.5 miles! And", "3.5 miles!"),
        ("sentence", '"Go!" she said. Then', '"Go!"'),
        ("sentence", "(Really?) Yes", "(Really?)"),
        ("sentence", "Well... yes", "Well..."),
        ("sentence", "終わった。次", "終わった。"),
        ("sentence", "「終わった。」次", "「終わった。」"),
    ],
)
def test_until(until, text, expected):
    """A line, a sentence with what closes it, a paragraph; no space after it."""
    released, _, stopped_by = run(text, until=until)

    assert (released, stopped_by) == (expected, "until")


def test_before_the_least_length_nothing_ends_it():
    """The first end after it does."""
    assert run("a. b. c. d", until="sentence", min_length=4)[0] == "a. b."
    assert run("a\nb\nc", until="newline", min_length=2)[0] == "a\nb"
    assert run("a", until="newline", min_length=2)[2] is None


def test_surprise_stays_with_the_character():
    """That of a stop string is not part of the text's."""
    conditions = StopConditions(FormConfig(stop=("cd",)))

    released = [
        character
        for n, char in enumerate("abcd")
        for character in conditions.push(Character(char, float(n)))
    ]

    assert released == [Character("a", 0.0), Character("b", 1.0)]
