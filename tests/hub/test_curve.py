"""A curve of characters: it goes where its numbers go."""

import pytest

from lstm_textgen.hub.card import EIGHTHS, draw_curve


def heights(lines):
    """How many eighths of a row each column is high, read off the picture."""
    rows = [line.partition("│")[2] for line in lines[:-2]]
    width = len(lines[-2].partition("└")[2])
    columns = zip(*(row.ljust(width) for row in rows), strict=True)
    return [sum(EIGHTHS.index(cell) for cell in column) for column in columns]


def test_a_straight_fall_is_a_straight_fall():
    """From the full height to an eighth, each column at its share of the way."""
    found = heights(draw_curve([(0, 3.0), (100, 1.0)], width=33, height=4))

    assert found == [1 + round((1 - i / 32) * 31) for i in range(33)]


def test_points_stand_at_their_own_places():
    """Steps that are uneven apart are drawn so: the fall is in the first quarter."""
    found = heights(draw_curve([(0, 2.0), (25, 1.0), (100, 1.0)], width=9, height=1))

    assert found == [8, 4, 1, 1, 1, 1, 1, 1, 1] or found == [8, 5, 1, 1, 1, 1, 1, 1, 1]


def test_the_ends_are_named():
    """Highest and lowest loss beside it, first and last step below it."""
    lines = draw_curve([(26, 2.4469), (700, 1.9), (1399, 1.4731)], width=40, height=5)

    assert lines[0].startswith("  2.447 │█")
    assert lines[4].startswith("  1.473 │")
    assert lines[-1].split() == ["26", "1,399"]
    assert len(lines[-1]) == len(lines[-2]) == 9 + 40
    assert len(lines) == 5 + 2


@pytest.mark.parametrize("loss", [0.0, 1.5])
def test_a_curve_without_a_fall_is_a_line(loss):
    """All the same is all an eighth high, and no division by nothing."""
    assert set(heights(draw_curve([(1, loss), (9, loss)]))) == {1}
