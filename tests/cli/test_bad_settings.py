"""Every number that a command takes, given what is none, too small and too large."""

import pytest
import typer

from lstm_textgen.cli import app

VALUES = ["0", "-1", "nan", "inf", "1e400", "text"]
NO_NUMBERS = {"nan", "inf", "1e400", "text"}
"""What no option takes."""


def commands_of(group, *above):
    """Every command by its words, those below others too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, *above, name)
        else:
            yield " ".join([*above, name]), command


NUMBERS = [
    (name, max(parameter.opts, key=len))
    for name, command in commands_of(typer.main.get_command(app))
    for parameter in command.params
    if parameter.type_descriptor.annotation in (int, float, list[int], list[float])
]
"""Commands and those of their options that are numbers."""

TEMPERATURES = [("sample", "--temperature"), ("sample", "--mix")]
"""Numbers in a notation of their own."""


def test_the_list_is_not_empty():
    """How typer keeps the type of an option may change."""
    assert len(NUMBERS) > 55
    assert ("train", "--minutes") in NUMBERS
    assert ("sample", "--top-p") in NUMBERS
    assert ("inspect", "--layer") in NUMBERS
    assert ("checkpoints prune", "--keep") in NUMBERS


def words_of(command, option, trained, tiny):
    """The command with what it needs, and nothing that clashes with the option."""
    model, text = trained.run, trained.text
    inspected = {"--first": ["--file", text], "--layer": ["--text", "fox"]}
    return {
        "train": ["train", text, *tiny, "--dry-run"],
        "sample": ["sample", "-n", "3", *([] if option == "--mix" else [model])],
        "evaluate": ["evaluate", model, text],
        # a file in the place of its folder: what is accepted ends there
        "compare": ["compare", text, "-o", text],
        "inspect": ["inspect", model, *inspected.get(option, ["--sample", "3"])],
        "checkpoints prune": ["checkpoints", "prune", "--in", model.parent],
    }[command]


@pytest.mark.parametrize(("command", "option"), NUMBERS + TEMPERATURES)
def test_a_number_that_cannot_be(textgen, trained, command, option):
    """
    It is refused in two lines that name it, with code 2; or it has a meaning.

    No value ends in a defect of the program, and none is taken for another number.
    """
    words = words_of(command, option, trained, textgen.tiny)
    accepted = 73 if command == "compare" else 0
    meant = []
    for value in VALUES:
        given = f"{trained.run}:{value}" if option == "--mix" else value
        outcome = textgen(*words, f"{option}={given}")
        if outcome.code == accepted:
            meant.append(value)
            continue
        name = option.strip("-").replace("-", "_")
        assert outcome.code in (2, 65), (value, outcome.stderr)
        outcome.assert_refused(outcome.code)
        told = outcome.stderr.replace("-", "_")
        assert name.split("_")[0] in told or value in outcome.stderr, outcome.stderr

    assert not NO_NUMBERS & set(meant), meant
