"""Options that commands share, options made from settings, and settings files."""

import functools
import inspect
import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from lstm_textgen.config import unknown_key
from lstm_textgen.errors import ConfigError, MissingError, SettingsFileError
from lstm_textgen.files import open_file

MAX_SETTINGS_BYTES = 2**20
"""Size of the largest settings file that is read."""

Command = Callable[..., None]

Settings = Mapping[str, Any]
"""The fields of a settings class that were set, by name."""


def option(*names: str, help: str, default: object = None, **more: Any) -> Any:
    """
    An option whose help shows *default*; None where a plan decides.

    Args:
        names: As typed, such as `--length` and `-n`.
        help: One line.
        default: What to show as its default.
        more: As for `typer.Option`.
    """
    text = help if default is None else f"{help} (default: {default})"
    return typer.Option(
        *names, help=text, show_default=False, show_envvar=False, **more
    )


CheckpointArgument = Annotated[
    str | None,
    typer.Argument(
        help="A model, a run, hf://user/repo, or shakespeare or fables. (default: the "
        "newest run, else shakespeare)"
    ),
]

ModelArgument = Annotated[
    str,
    typer.Argument(
        help="A model, a run, hf://user/repo, or shakespeare or fables.",
        show_default=False,
    ),
]

CorpusArgument = Annotated[
    list[str],
    typer.Argument(help="Files, folders, patterns, - for stdin, or a corpus name."),
]

AsJson = Annotated[bool, option("--json", help="Print JSON.", rich_help_panel="Output")]

Quiet = Annotated[
    bool, option("--quiet", "-q", help="No progress.", rich_help_panel="Output")
]

Debug = Annotated[
    bool,
    option("--debug", help="On an error, show where.", rich_help_panel="Output"),
]

machine_option = functools.partial(option, rich_help_panel="Machine")

Threads = Annotated[
    int | None,
    machine_option("--threads", help="Threads of the CPU.", default="usable cores"),
]

Device = Annotated[
    str,
    machine_option("--device", help="auto, cpu, cuda, cuda:1, ...", default="auto"),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingsOptions:
    """Options of a command, each named for the field of a settings class it sets."""

    defaults: Any
    """An instance: its fields give the options their types and default values."""

    panel: str
    """The heading above the options in the help."""

    help: Mapping[str, str]
    """A line for each field that is an option, in the order of the help."""

    spellings: Mapping[str, str] = field(default_factory=dict)
    """Second names of options by field, such as `-n`."""

    shown_defaults: Mapping[str, str | None] = field(default_factory=dict)
    """Where the help shows another default than the value of the field, or none."""

    def parameters(self) -> list[inspect.Parameter]:
        """What typer reads: one parameter per option, None where it is not given."""
        return [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=self._annotation(name),
            )
            for name in self.help
        ]

    def _annotation(self, name: str) -> Any:
        default = getattr(self.defaults, name)
        kind: Any = str if default is None else type(default)
        shown = default if default not in (None, "", ()) else None
        spelling = f"--{name.replace('_', '-')}"
        if kind is bool:
            spelling += spelling.replace("--", "/--no-", 1)
            shown = "on" if default else "off"
        if kind is tuple:
            kind = list[str]
        names = [spelling]
        if name in self.spellings:
            names.append(self.spellings[name])
        made = option(
            *names,
            help=self.help[name],
            default=self.shown_defaults.get(name, shown),
            rich_help_panel=self.panel,
        )
        return Annotated[kind | None, made]

    def take(self, values: dict[str, Any]) -> Settings:
        """Remove the options from *values*; return those given, lists as tuples."""
        taken = {name: values.pop(name) for name in self.help}
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in taken.items()
            if value is not None
        }


def with_settings(**groups: SettingsOptions) -> Callable[[Command], Command]:
    """
    A decorator that gives a command the options of settings classes.

    Args:
        groups: By the name of a parameter of the command, the options that stand in
            its place. The command gets the fields that were set as a mapping, so that
            `FormConfig(**form)` fills in the defaults.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**values: Any) -> None:
            settings = {name: options.take(values) for name, options in groups.items()}
            command(**values, **settings)

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            parameters += groups[name].parameters() if name in groups else [parameter]
        typed = {parameter.name: parameter.annotation for parameter in parameters}
        call.__annotations__ = typed  # typer reads the signature and the annotations
        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return call

    return decorate


def print_json(value: Settings) -> None:
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
    names = _parameter_names(context)
    context.default_map = {}
    for key, value in _parse_settings(path).items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            unknown = unknown_key(key, list(names), str(path))
            raise SettingsFileError(unknown.problem, unknown.remedy)
        context.default_map[name] = value
    return path


def _parse_settings(path: Path) -> dict[str, Any]:
    try:
        with open_file(path) as file:
            data = file.read(MAX_SETTINGS_BYTES + 1)
        if len(data) > MAX_SETTINGS_BYTES:
            raise ValueError(f"it has more than {MAX_SETTINGS_BYTES:,} bytes")
        return tomllib.loads(data.decode("utf-8"))
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


def _parameter_names(context: typer.Context) -> dict[str, str]:
    """The parameters of a command, by every long name that they have as options."""
    names = {}
    for parameter in context.command.params:
        long_names = [name[2:] for name in parameter.opts if name.startswith("--")]
        for name in (str(parameter.name), *long_names):
            names[name.replace("-", "_")] = str(parameter.name)
    return names


def nearest_given(context: typer.Context, rivals: Settings) -> dict[str, Any]:
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
        names = [n for n, source in sources.items() if source and source.name == level]
        if names:
            return {name: given[name] for name in names}
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
