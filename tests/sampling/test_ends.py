"""Where a text ends: held to cutting the whole text at the right place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import FormConfig
from lstm_textgen.sampling.stream import Character, StopConditions


def run(text, **form):
    """What comes through, after which character each part came, and why it ended."""
    ends = StopConditions(FormConfig(**{"length": 1000, **form}))
    given, steps = "", []
    for char in text:
        if ends.stopped_by is not None:
            break
        part = "".join(piece.text for piece in ends.push(Character(char, 1.0)))
        given += part
        steps.append(part)
    return given, steps, ends.stopped_by


@pytest.mark.parametrize(
    ("text", "stops", "expected", "why"),
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
def test_a_stop_string_ends_the_text_and_is_not_part_of_it(text, stops, expected, why):
    """Also where its beginning came twice before."""
    found, _, stopped_by = run(text, stop=stops)

    assert stopped_by == why
    if why:
        assert found == expected
    else:
        assert text.startswith(found)


@given(
    text=st.text("ab", max_size=12),
    stops=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=2),
    least=st.integers(0, 4),
)
@settings(deadline=None, max_examples=300)
def test_it_is_the_earliest_end_of_a_stop_string(text, stops, least):
    """Found by looking at every place of the whole text; nothing is lost or doubled."""
    found, _, why = run(text, stop=tuple(stops), min_length=least)
    ends = [
        (end, len(stop))
        for end in range(1, len(text) + 1)
        for stop in stops
        if text[:end].endswith(stop) and end - len(stop) >= least
    ]

    if not ends:
        assert why is None
        assert text.startswith(found)
        held = text[len(found) :]
        assert not held or any(stop.startswith(held) for stop in stops)
    else:
        first = min(end for end, _ in ends)
        cuts = {first - size for end, size in ends if end == first}
        assert why == "stop"
        assert found in {text[:cut] for cut in cuts}


def test_only_what_may_begin_a_stop_string_waits():
    """A text without it is passed on at once."""
    _, steps, _ = run("xyENxEND", stop=("END",))

    assert steps == ["x", "y", "", "", "ENx", "", "", ""]


@pytest.mark.parametrize("length", [0, 1, 3, 5])
def test_the_length_ends_it_and_gives_back_what_waited(length):
    """What was held for a stop string that did not come is part of the text."""
    found, _, why = run("abcabcabc", stop=("abcd",), length=length)

    assert found == "abcabcabc"[:length]
    assert why == "length"


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
    """A line, a sentence with what closes it, a paragraph; no blank after it."""
    found, _, why = run(text, until=until)

    assert (found, why) == (expected, "until")


def test_before_the_least_length_nothing_ends_it():
    """The first end after it does."""
    assert run("a. b. c. d", until="sentence", min_length=4)[0] == "a. b."
    assert run("a\nb\nc", until="newline", min_length=2)[0] == "a\nb"
    assert run("a", until="newline", min_length=2)[2] is None


def test_the_price_stays_with_the_character():
    """What a stop string cost is not part of the text's price."""
    ends = StopConditions(FormConfig(stop=("cd",)))
    pieces = [
        p for n, char in enumerate("abcd") for p in ends.push(Character(char, float(n)))
    ]

    assert pieces == [Character("a", 0.0), Character("b", 1.0)]
