"""What is shown of a text, and which units come first."""

import numpy as np
import pytest

from lstm_textgen.inspect.inspection import inspect_text
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer

WORDS = np.random.default_rng(2).choice(["I", "am", "one", "three.", "afternoon"], 350)
TEXT = " ".join(WORDS)  # no pattern that a shift could meet again
TOKENIZER = CharTokenizer("".join(sorted(set(TEXT) | {"\n"})))


@pytest.fixture(scope="module")
def inspection(make_model):
    """Two layers of four units over some sentences."""
    return inspect_text(make_model(TOKENIZER.size, layers=2), TOKENIZER, TEXT)


def test_units_are_numbered_layer_by_layer(inspection):
    """Number and place lead to each other, and the memory follows the numbers."""
    assert [inspection.number(inspection.place(n)) for n in range(8)] == list(range(8))
    assert inspection.place(5) == (1, 1)
    memory = inspection.signal((1, 1), "memory")
    np.testing.assert_array_equal(inspection.memory[:, 5], memory)


def test_every_unit_is_ranked_once(inspection):
    """The best one of the clearest property first; of one layer, only those."""
    ranked = inspection.ranked()
    clearest = max(inspection.findings, key=lambda f: f.strength.max() - f.chance)

    assert sorted(ranked) == [inspection.place(n) for n in range(8)]
    assert ranked[0] == inspection.place(int(clearest.strength.argmax()))
    assert sorted(inspection.ranked([1])) == [(1, unit) for unit in range(4)]


def test_interest_is_how_far_beyond_chance(inspection):
    """0 for a unit that follows nothing; else that of its best property."""
    for number in range(8):
        above = [f.strength[number] - f.chance for f in inspection.findings]
        assert inspection.interest[number] == pytest.approx(max(0, *above))
        best = inspection.best_property(number)
        assert (best is None) == (max(above) <= 0)


def test_what_opens_a_text_is_read_and_not_shown(make_model):
    """Its first character then has a surprise."""
    model = make_model(TOKENIZER.size)

    opened = inspect_text(model, TOKENIZER, "one", opening="\n")
    whole = inspect_text(model, TOKENIZER, "\none")

    assert (opened.text, len(opened.trace)) == ("one", 3)
    np.testing.assert_array_equal(opened.trace.bits, whole.trace.bits[1:])
    assert np.isfinite(opened.trace.bits).all()


def test_a_model_of_bytes_is_shown_by_characters(make_model):
    """As many rows as characters; guesses that are none by themselves by number."""
    found = inspect_text(make_model(256), ByteTokenizer(), "añ漢b")

    assert len(found.trace) == 4
    assert found.trace.layers[0]["memory"].shape == (4, 4)
    assert (found.names[0x61], found.names[0xE6]) == ("a", "\\xe6")
    assert found.findings == ()
    assert found.bits_per_char > 8


def test_a_single_character_is_no_crash(make_model):
    """Nothing was predicted, so there is no mean."""
    found = inspect_text(make_model(TOKENIZER.size), TOKENIZER, "o")

    assert np.isnan(found.bits_per_char)
    assert len(found.ranked()) == 4
