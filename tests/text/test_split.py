"""The split of a text by exact shares, and its calibration slice."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.errors import CorpusError
from lstm_textgen.text.split import Split, calibration_slice, split_text


def test_split_of_tiny_shakespeare():
    """The last tenth of 1,115,394 characters is 111,540, as DESIGN.md has it."""
    assert split_text(1115394, 0.1, 0.0) == Split(
        train=(0, 1003854), validation=(1003854, 1115394), test=(1115394, 1115394)
    )


@given(st.integers(1, 10**12), st.integers(0, 499), st.integers(0, 499))
def test_split_is_exact(length, validation, test):
    """
    Shares are rounded up as decimals, not as the floats that stand for them.

    The parts follow each other and make up the whole.
    """
    held_out = [math.ceil(Fraction(n, 1000) * length) for n in (validation, test)]
    if sum(held_out) >= length:
        with pytest.raises(CorpusError, match=f"Of {length} characters"):
            split_text(length, validation / 1000, test / 1000)
        return

    split = split_text(length, validation / 1000, test / 1000)

    parts = [split.train, split.validation, split.test]
    assert [stop - start for start, stop in parts[1:]] == held_out
    assert [parts[0][0], parts[1][0], parts[2][0]] == [0, parts[0][1], parts[1][1]]
    assert parts[2][1] == length


@pytest.mark.parametrize(
    ("characters", "length"),
    [(0, 0), (51_199, 0), (51_201, 1024), (500_000, 10_000), (10**9, 16_384)],
)
def test_the_calibration_slice(characters, length):
    """A fiftieth from the middle; a short text has none, and a long one no more."""
    start, stop = calibration_slice(characters)

    assert stop - start == length
    assert start == (length and (characters - length) // 2)
