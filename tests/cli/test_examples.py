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
def test_an_example_works_and_its_output_has_the_same_form(textgen, words, output):
    """
    If it has not: `python docs/redraw.py`, and look at what it changes.

    Letters and figures are those of the processor on which they were drawn.
    """
    if "--match" in words:
        pytest.importorskip("greenery")
    outcome = textgen(*words)

    assert outcome.code == 0, outcome.stderr
    if "--json" in words:
        assert form_of(outcome.json) == form_of(json.loads(output))
    elif "--show-chain" in words:
        assert outcome.stdout == output
    else:
        assert outcome.stdout.endswith("\n")
        assert bool(outcome.stdout.strip()) == bool(output.strip())


def form_of(value):
    """The keys and types of a JSON value; a list is as long as it may be."""
    if isinstance(value, dict):
        return {key: form_of(inner) for key, inner in value.items()}
    return form_of(value[0]) if isinstance(value, list) else type(value)


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
