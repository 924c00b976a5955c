"""Every number that a command takes, given what is none, too small and too large."""

import pytest
import typer

from lstm_textgen.cli import app

VALUES = ["0", "-1", "nan", "inf", "1e400", "text"]
COMMANDS = typer.main.get_command(app).commands

NUMBERS = [
    (command, max(parameter.opts, key=len))
    for command in ("train", "sample", "evaluate")
    for parameter in COMMANDS[command].params
    if parameter.type_descriptor.annotation in (int, float)
]
"""Commands and those of their options that are numbers."""

TEMPERATURES = [("sample", "--temperature"), ("sample", "--mix")]
"""Numbers in a notation of their own."""


def test_the_list_is_not_empty():
    """How typer keeps the type of an option may change."""
    assert len(NUMBERS) > 40
    assert ("train", "--minutes") in NUMBERS
    assert ("sample", "--top-p") in NUMBERS


@pytest.mark.parametrize(("command", "option"), NUMBERS + TEMPERATURES)
def test_a_number_that_cannot_be(textgen, trained, command, option):
    """
    It is refused in two lines that name it, with code 2; or it has a meaning.

    No value ends in a defect of the program, and none is taken for another number.
    """
    words = {
        "train": ["train", trained.text, *textgen.tiny, "--dry-run"],
        "sample": ["sample", trained.run, "-n", "3"],
        "evaluate": ["evaluate", trained.run, trained.text],
    }[command]
    meant = []
    for value in VALUES:
        given = f"{trained.run}:{value}" if option == "--mix" else value
        where = [w for w in words if w != trained.run] if option == "--mix" else words
        outcome = textgen(*where, f"{option}={given}")
        if outcome.code == 0:
            meant.append(value)
            continue
        name = option.strip("-").replace("-", "_")
        assert outcome.code in (2, 65), (value, outcome.stderr)
        outcome.assert_refused(outcome.code)
        told = outcome.stderr.replace("-", "_")
        assert name.split("_")[0] in told or value in outcome.stderr, outcome.stderr

    assert not {"nan", "text"} & set(meant), meant
    assert not {"inf", "1e400"} & set(meant) or option in ENDLESS, meant


ENDLESS = ("--clip", "--save-every")
"""Where infinity might be meant."""
