"""The pages: nothing left open in them, and every link leads somewhere."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_finished_and_its_links_lead_somewhere(page):
    """No word in capitals stands in for a figure or a table, and no file is missing."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    local = [link for link in links if not link.startswith("http")]
    named = re.findall(r"`((?:docs|benchmarks|lstm_textgen|corpora)/[\w./]+)`", text)

    named_in_code = re.sub(r"`[^`]*`", "", text)
    told = re.sub(r"```text\n.*?```", "", text, flags=re.DOTALL)  # what models wrote
    assert not re.search(r"^[A-Z]{4,}$", told, re.MULTILINE)
    assert not re.search(r"\b[A-Z]+_[A-Z]+\b", named_in_code)
    assert [link for link in local if not (page.parent / link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_shows_every_command():
    """A command that is not in the table is one that nobody finds."""
    from lstm_textgen.cli import app

    commands = [command.name for command in app.registered_commands]
    commands += [group.name for group in app.registered_groups]
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Commands")[1]

    assert all(f"`textgen {name}" in table for name in commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(page):
    """A claim is held by a test only for as long as there is one of that name."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8"))

    assert [
        f"{file}::{test}"
        for file, test in named
        if f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ] == []


def test_the_map_lists_every_module_as_it_describes_itself():
    """`python docs/architecture.py` writes the list anew."""
    script = runpy.run_path(str(ROOT / "docs" / "architecture.py"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    assert script["module_list"]() in page
