"""Axes: round figures, in order, inside the drawing."""

import pytest

from lstm_textgen.compare.charts import Axis, in_short, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1.53, 2.11, [1.6, 1.7, 1.8, 1.9, 2.0, 2.1]),
        (0.0, 511.0, [0, 100, 200, 300, 400, 500]),
    ],
)
def test_straight_axes_have_round_figures(low, high, expected):
    """At most six of them."""
    axis = Axis(low=low, high=high, log=False, start=0.0, end=100.0)

    assert ticks(axis) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (8.0, 256.0, [8, 16, 32, 64, 128, 256]),
        (1e-7, 10.0, [1e-7, 1e-5, 1e-3, 1e-1, 10]),
    ],
)
def test_logarithmic_axes_have_powers(low, high, expected):
    """Of two over a few doublings, of ten over decades."""
    axis = Axis(low=low, high=high, log=True, start=0.0, end=100.0)

    assert ticks(axis) == pytest.approx(expected)


def test_a_figure_finds_its_place():
    """The ends at the ends, the middle in the middle, and beyond them at the edge."""
    straight = Axis(low=0.0, high=10.0, log=False, start=100.0, end=0.0)
    powers = Axis(low=1.0, high=100.0, log=True, start=0.0, end=100.0)

    assert [straight.at(value) for value in (0.0, 5.0, 10.0, 99.0)] == [100, 50, 0, 0]
    assert [powers.at(value) for value in (1.0, 10.0, 100.0)] == pytest.approx(
        [0, 50, 100]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.5, "1.5"),
        (512.0, "512"),
        (1e5, "100k"),
        (2.5e6, "2.5M"),
        (1e-5, "1e-5"),
    ],
)
def test_figures_are_short(value, text):
    """As they stand at an axis."""
    assert in_short(value) == text
