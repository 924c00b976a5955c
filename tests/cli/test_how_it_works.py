"""The page on how it works, in three languages: what it shows is so."""

import inspect
import re
from pathlib import Path

import pytest

from lstm_textgen.config import ModelConfig
from lstm_textgen.inspect.clamp import parse_clamp
from lstm_textgen.model import cells

DOCS = Path(__file__).parents[2] / "docs"
LANGUAGES = ("", ".es", ".it")
PAGES = {
    language: (DOCS / f"how-it-works{language}.md").read_text(encoding="utf-8")
    for language in LANGUAGES
}
in_every_language = pytest.mark.parametrize("language", LANGUAGES)


def samples(page):
    return re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)


@in_every_language
def test_the_equations_are_beside_their_lines_of_code(language):
    """Every line of code in its tables is one of `cells.py`."""
    source = inspect.getsource(cells)
    rows = re.findall(r"^\| .* \| `(.*)` \|$", PAGES[language], re.MULTILINE)

    assert len(rows) == 7
    assert [row for row in rows if row not in source] == []


@in_every_language
def test_it_shows_the_same_pictures_and_figures(language):
    """A translation lacks nothing: pictures, tables, samples."""
    english, page = PAGES[""], PAGES[language]
    pictures = re.findall(r"\((pictures/[\w-]+\.svg)\)", page)

    assert pictures == re.findall(r"\((pictures/[\w-]+\.svg)\)", english)
    assert all((DOCS / picture).is_file() for picture in pictures)
    assert page.count("\n## ") == english.count("\n## ")
    assert page.count("\n|") == english.count("\n|")
    assert samples(page) == samples(english)


@in_every_language
def test_its_clamps_can_be_given(language):
    """To the model that it shows; `docs/redraw.py` makes three samples with them."""
    model = ModelConfig(layers=2, hidden=512)
    page = PAGES[language].replace("\n", " ")
    clamps = re.findall(r"--clamp ([\w:]+=-?\d+)", page)

    assert {"forget=0", "forget=1", "0:112=-3", "1:26=-3"} <= set(clamps)
    assert len([parse_clamp(clamp, model) for clamp in clamps]) >= 5
    assert [sample[:7] for sample in samples(PAGES[language])] == ["ROMEO:\n"] * 3
