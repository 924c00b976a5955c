"""Help, the version, and the names under which the program is started."""

import sys
from importlib.metadata import entry_points

import pytest

from lstm_textgen import __version__

COMMANDS = (
    *("", "train", "sample", "evaluate", "compare", "info", "inspect", "push", "pull"),
    *("corpora", "corpora get", "export", "checkpoints"),
    *("checkpoints verify", "checkpoints diff", "checkpoints average"),
    "checkpoints prune",
)


def imported(importtime):
    """The packages in what `python -X importtime` says."""
    names = (line.rpartition("|")[2].strip() for line in importtime.splitlines())
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_begins_with_an_example_and_comes_at_once(textgen, command):
    """The first words after the usage are a line to copy; torch is not imported."""
    timed = (sys.executable, "-X", "importtime", "-m", "lstm_textgen")
    outcome = textgen.run(*command.split(), "--help", program=timed)
    lines = [line.strip() for line in outcome.stdout.splitlines() if line.strip()]

    assert outcome.code == 0
    assert lines[0].startswith("Usage: textgen")
    assert lines[1].startswith(f"textgen {command}".strip())
    assert "lstm_textgen" in imported(outcome.stderr)
    assert not {"torch", "numpy", "huggingface_hub"} & imported(outcome.stderr)


def test_alone_it_shows_its_help(textgen):
    """`textgen` says what `textgen --help` says, and that this was no command."""
    alone = textgen()

    assert alone.stdout.strip() == textgen("--help").stdout.strip()
    assert (alone.code, alone.stderr) == (2, "")


def test_the_version_is_that_of_the_package(textgen):
    """`--version` says it and ends."""
    outcome = textgen.run("--version")

    assert outcome.stdout == f"textgen {__version__}\n"
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("name", ["textgen", "lstm-textgen"])
def test_it_is_installed_under_two_names(name):
    """Both scripts call what `python -m lstm_textgen` calls."""
    [script] = entry_points(group="console_scripts", name=name)

    assert script.value == "lstm_textgen.cli:run"
