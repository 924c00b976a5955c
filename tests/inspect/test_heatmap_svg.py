"""Heat as a picture: every character in its column, a rectangle where shades agree."""

from xml.etree import ElementTree

import numpy as np
import pytest

from lstm_textgen.inspect.heatmap_svg import CELL_WIDTH, COLUMNS, heatmap_svg
from lstm_textgen.inspect.view import heat_rows

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn(make_inspection):
    """The root element of the picture of a text."""

    def draw(text, *, all_signals=True, title="a book"):
        inspection = make_inspection(text)
        rows = heat_rows(inspection, [(0, 1)], all_signals=all_signals)
        picture = heatmap_svg(text, rows, title=title)
        return inspection, ElementTree.fromstring(picture)

    return draw


def _letters(root):
    """The lines of the text that was read."""
    return [
        element.text
        for element in root.iter(f"{SPACE}text")
        if element.get("text-anchor") == "middle"
    ]


def _stretches(root, kinds="gs"):
    """Top, left, width and shade of all rectangles of heat."""
    return [
        (int(r.get("y")), int(r.get("x")), int(r.get("width")), r.get("class"))
        for r in root.iter(f"{SPACE}rect")
        if r.get("class")[0] in kinds and r.get("class")[1:].isdigit()
    ]


def test_every_character_is_there_once(drawn):
    """In lines no longer than the picture is wide; what cannot be seen has a sign."""
    text = "Say ah,\nthen\t<end> & more. " * 8
    _, root = drawn(text)
    lines = _letters(root)

    seen = text.replace("\n", "↵").replace("\t", "⇥")
    assert "".join(lines) == seen
    assert max(map(len, lines)) <= COLUMNS


def test_a_row_shades_every_character(drawn):
    """Stretches follow each other without a gap, as many columns as characters."""
    _, root = drawn("abcdef")
    rows = {}
    for top, left, width, _ in _stretches(root):
        rows.setdefault(top, []).append((left, width))
    *heat, _legend = rows.values()

    assert len(heat) == 6
    for stretches in heat:
        ends = [left + width for left, width in stretches]
        assert [left for left, _ in stretches[1:]] == ends[:-1]
        assert ends[-1] - stretches[0][0] == 6 * CELL_WIDTH


def test_a_gate_is_as_dark_as_it_is_open(drawn):
    """Eight steps from shut to open, the nearest one at each character."""
    inspection, root = drawn("abcdef")
    gate = inspection.signal((0, 1), "forget")
    first = min(top for top, *_ in _stretches(root))
    shades = [
        int(shade[1:])
        for top, _, width, shade in _stretches(root, "g")
        if top == first
        for _ in range(width // CELL_WIDTH)
    ]

    assert shades == np.round(8 * gate.astype(np.float64)).astype(int).tolist()


def test_without_full_view_only_the_memory_is_drawn(drawn):
    """One row for a unit, and no legend of gates."""
    _, root = drawn("abcdef", all_signals=False)

    assert not _stretches(root, "g")
    assert len({top for top, *_ in _stretches(root, "s")}) == 2


def test_what_comes_from_outside_is_escaped(drawn):
    """A title may hold anything."""
    _, root = drawn("ab", title="</title><script>&")

    assert root.find(f"{SPACE}title").text == "</title><script>&"
    assert not list(root.iter(f"{SPACE}script"))
