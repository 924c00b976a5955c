"""Heat on a terminal: the text above, a column for each character."""

import numpy as np
import pytest

from lstm_textgen.inspect.view import HeatRow, heat_lines

TEXT = "Say ah,\nthen\t漢字 e\u0301nd."


@pytest.fixture
def drawn(make_inspection):
    """The lines of a text under given rows, as plain text or with their styles."""

    def draw(text, rows, *, width=40, color=False):
        lines = heat_lines(make_inspection(text), rows, width=width, color=color)
        return list(lines) if color else ["".join(p for p, _ in line) for line in lines]

    return draw


def row(values, *, signed=False):
    return HeatRow("0:1 made up", np.asarray(values, np.float64), signed)


def test_shares_are_digits(drawn):
    """0 to 9 for 0 to 1, one below each character."""
    lines = drawn("abcdef", [row([0, 0.05, 0.1, 0.55, 0.99, 1.0])])

    assert lines[0] == "text".ljust(13) + "abcdef"
    assert lines[3] == "0:1 made up".ljust(13) + "001599"


def test_signed_numbers_are_letters_below_and_digits_above(drawn):
    """A dot about zero, a to i below, 1 to 9 above."""
    lines = drawn("abcdef", [row([0, 0.05, 0.5, 1, -0.1, -1], signed=True)])

    assert lines[3].endswith("..49ai")


def test_bits_and_the_best_guess_stand_below_the_text(drawn, make_inspection):
    """A digit of surprise, 9 for more; what was expected at that place."""
    inspection, lines = make_inspection("abcdef"), drawn("abcdef", [])
    guesses = [inspection.id_names[id] for id in inspection.trace.guesses[:5, 0]]
    bits = [str(min(9, round(bits))) for bits in inspection.trace.bits[1:]]

    assert lines[1].split()[0] == "guess"
    assert lines[1].endswith("".join(guesses))
    assert lines[2].endswith("".join(bits))


def test_lines_break_with_the_text_and_at_the_edge(drawn):
    """Every character once, in blocks no wider than the screen."""
    lines = drawn(TEXT * 3, [row(np.linspace(0, 1, 3 * len(TEXT)))], width=24)
    texts = [line[13:] for line in lines if line.startswith("text")]

    assert max(len(line) for line in lines) <= 24
    assert "".join(texts).count("↵") == 3
    assert texts[0] == "Say ah,↵"


def test_every_column_is_as_wide_as_its_character(drawn):
    """Wide characters take two columns below them too; what has no width, a dot."""
    lines = drawn("a漢\x1b\u0301b\t", [row([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])])

    assert lines[0].endswith("a漢··b⇥")
    assert lines[3].endswith("1223456")


def test_colors_are_backgrounds_that_differ_by_more_than_hue(drawn):
    """Blue and orange, never red and green; neighbours of one color as one piece."""
    values = [-1, -1, 0, 0, 0.3, 1]
    lines = drawn("abcdef", [row(values, signed=True)], color=True)
    pieces = lines[3][1:]

    assert [(len(text), style) for text, style in pieces] == [
        (2, "48;5;45"),
        (2, None),
        (1, "48;5;94"),
        (1, "48;5;214"),
    ]
