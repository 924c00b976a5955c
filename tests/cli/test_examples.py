"""The page on sampling: every example says what the program says."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from lstm_textgen.cli import app

DOCS = Path(__file__).parents[2] / "docs"


def _examples():
    spec = importlib.util.spec_from_file_location("redraw", DOCS / "redraw.py")
    redraw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(redraw)
    return redraw.examples((DOCS / "sampling.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("words", "output"), _examples(), ids=lambda part: str(part)[:60]
)
def test_an_example_is_what_is_drawn(textgen, words, output):
    """If it is not: `python docs/redraw.py`, and look at what it changes."""
    if "--match" in words:
        pytest.importorskip("greenery")

    found = textgen(*words).stdout
    if "--json" in words:  # another machine rounds the figures otherwise
        assert rounded(json.loads(found)) == rounded(json.loads(output))
    else:
        assert found == output


def rounded(value):
    """The same with every number to three digits."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


def test_every_control_is_in_the_table():
    """And nothing that is not there."""
    sample = get_command(app).commands["sample"]
    options = {name for each in sample.params for name in each.opts if name[:2] == "--"}
    page = (DOCS / "sampling.md").read_text(encoding="utf-8")

    assert set(re.findall(r"--[a-z][a-z0-9-]*", page)) <= options
    table = page.split("## All controls")[1].split("\n## ")[0]
    talked = {"--prompt", "--prompt-file", "--interactive", "--show-chain", "--no-echo"}
    talked |= {"--device", "--threads", "--precision", "--json", "--quiet", "--debug"}
    assert options - set(re.findall(r"--[a-z][a-z0-9-]*", table)) <= talked | {"--help"}
