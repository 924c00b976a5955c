"""What several commands share: options, and finding the text that is meant."""

import json
import math
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from lstm_textgen.config import unknown_key
from lstm_textgen.errors import ConfigError, MissingError, SettingsFileError
from lstm_textgen.files import open_file

SETTINGS_CAP = 2**20
"""Bytes of the largest settings file that is read."""


def option(*names: str, help: str, default: object = None, **more: Any) -> Any:
    """
    An option whose help shows *default*; None where a plan decides.

    Args:
        names: As typed, such as `--length` and `-n`.
        help: One line.
        default: What to show as its default.
        more: As for `typer.Option`.
    """
    shown = help if default is None else f"{help} (default: {default})"
    return typer.Option(
        *names, help=shown, show_default=False, show_envvar=False, **more
    )


Checkpoint = Annotated[
    str | None,
    typer.Argument(
        help="A model, a run, hf://user/repo, or shakespeare or fables. (default: the "
        "newest run, else shakespeare)"
    ),
]

AsJson = Annotated[bool, option("--json", help="Print JSON.", rich_help_panel="Output")]

Quiet = Annotated[
    bool, option("--quiet", "-q", help="No progress.", rich_help_panel="Output")
]

Debug = Annotated[
    bool,
    option("--debug", help="On an error, show where.", rich_help_panel="Output"),
]


def _threads(default: str) -> Any:
    return option(
        "--threads",
        help="Threads of the CPU.",
        default=default,
        rich_help_panel="Machine",
    )


Threads = Annotated[int | None, _threads("usable cores")]

ThreadsByMinutes = Annotated[
    int | None, _threads("usable cores; by minutes fewer where they are faster")
]

Device = Annotated[
    str,
    option(
        "--device",
        help="auto, cpu, cuda, cuda:1, ...",
        default="auto",
        rich_help_panel="Machine",
    ),
]


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout; a number that is none becomes null."""
    from lstm_textgen.ui.terminal import write_text

    finite = {k: None if v != v else v for k, v in value.items()}
    write_text(json.dumps(finite, allow_nan=False) + "\n")


def read_settings(context: typer.Context, path: Path | None) -> Path | None:
    """
    Take the options of a command from a TOML file, below flags and environment.

    Raises:
        MissingError: It cannot be read, or is no file.
        SettingsFileError: It is too large or not TOML, or names an unknown option.
    """
    if path is None:
        return None
    try:
        with open_file(path) as file:
            data = file.read(SETTINGS_CAP + 1)
        if len(data) > SETTINGS_CAP:
            raise ValueError(f"it has more than {SETTINGS_CAP:,} bytes")
        settings = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise MissingError(
            f"{path} cannot be read ({error.strerror}).",
            "Check the path after --config.",
        ) from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, too deep
        deep = isinstance(error, RecursionError)
        why = "it is nested too deeply" if deep else str(error)
        raise SettingsFileError(
            f"{path} is not TOML ({why}).", "Write a setting a line: steps = 500"
        ) from error
    names = _spellings(context)
    context.default_map = {}
    for key, value in settings.items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            unknown = unknown_key(key, list(names), str(path))
            raise SettingsFileError(unknown.problem, unknown.remedy)
        context.default_map[name] = value
    return path


def _spellings(context: typer.Context) -> dict[str, str]:
    """The parameters of a command, by every long name that they have as options."""
    names = {}
    for parameter in context.command.params:
        longs = [each[2:] for each in parameter.opts if each.startswith("--")]
        for name in (str(parameter.name), *longs):
            names[name.replace("-", "_")] = str(parameter.name)
    return names


def nearest_given(context: typer.Context, rivals: dict[str, Any]) -> dict[str, Any]:
    """
    Of options that exclude each other, those from the highest level that has any.

    A flag wins over the environment, and that over a settings file: `--steps` on
    the command line puts aside `minutes` in the file.

    Args:
        context: Knows where each value came from.
        rivals: The options by their names; None for one that was not given.
    """
    given = {name: value for name, value in rivals.items() if value is not None}
    sources = {name: context.get_parameter_source(name) for name in given}
    for level in ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP"):
        there = [n for n, source in sources.items() if source and source.name == level]
        if there:
            return {name: given[name] for name in there}
    return given


def seconds(parameter: typer.CallbackParam, value: float) -> float:
    """
    A callback for options in seconds.

    Raises:
        ConfigError: It is not a number from 0 on.
    """
    if not 0 <= value < math.inf:
        name = parameter.name
        problem = f"{name} is {value:g}, which is no number of seconds."
        raise ConfigError(problem, f"Set {name} to 0 or more.")
    return value
