"""The page on how it works, in three languages: what it shows is so."""

import inspect
import re
from pathlib import Path

import pytest

from lstm_textgen.model import cells

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("how-it-works*.md"))
in_every_language = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
SAMPLE = ("--sample", 150, "--seed", 1, "--prompt", "ROMEO:\n", "--json")


def _blocks(page):
    text = page.read_text(encoding="utf-8")
    return re.findall(r"```text\n(.*?)\n```", text, re.DOTALL)


def test_the_page_has_three_languages():
    """English, Spanish and Italian."""
    names = ["how-it-works.es.md", "how-it-works.it.md", "how-it-works.md"]

    assert [page.name for page in PAGES] == names


@in_every_language
def test_the_equations_stand_beside_the_lines_that_are_them(page):
    """Every line of code in its tables is one of `cells.py`."""
    source = inspect.getsource(cells)
    rows = re.findall(r"^\| .* \| `(.*)` \|$", page.read_text("utf-8"), re.MULTILINE)

    assert len(rows) == 7
    assert [row for row in rows if row not in source] == []


@in_every_language
def test_it_shows_the_same_pictures_and_figures(page):
    """A translation lacks nothing: pictures, tables, samples."""
    english = (DOCS / "how-it-works.md").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")

    def shown(page):
        return re.findall(r"\((pictures/[\w-]+\.svg)\)", page)

    assert shown(text) == shown(english)
    assert text.count("\n## ") == english.count("\n## ")
    assert text.count("\n|") == english.count("\n|")
    assert _blocks(page) == _blocks(DOCS / "how-it-works.md")


def test_the_samples_without_a_gate_are_what_is_drawn(textgen):
    """As it is, with the forget gate shut, with the forget gate open."""
    as_it_is, shut, open_ = _blocks(DOCS / "how-it-works.md")

    for value, expected in ((0, shut), (1, open_)):
        clamp = ("--clamp", f"forget={value}")
        told = textgen("inspect", "shakespeare", *SAMPLE, *clamp).json
        assert told["unclamped"].rstrip("\n") == as_it_is
        assert told["text"].rstrip("\n") == expected
