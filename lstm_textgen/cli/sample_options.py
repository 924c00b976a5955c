"""The options of `textgen sample`, in the groups that its help shows."""

import dataclasses
import secrets
from functools import partial
from typing import Annotated, Any

import typer

from lstm_textgen.cli.options import option
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError

draw_option = partial(option, rich_help_panel="How characters are drawn")
again_option = partial(option, rich_help_panel="Against repetition")
form_option = partial(option, rich_help_panel="What the text looks like")
several_option = partial(option, rich_help_panel="Several texts, several models")
show_option = partial(option, rich_help_panel="Output")

DRAW, FORM = SampleConfig(), FormConfig()

Checkpoint = Annotated[
    str | None,
    typer.Argument(
        help="A model, a run, or shakespeare or fables. (default: the newest "
        "run, else shakespeare)"
    ),
]
Prompt = Annotated[str | None, option("--prompt", "-p", help="Text to continue.")]
PromptFile = Annotated[
    str | None,
    option("--prompt-file", help="A file to continue, of any size; - is stdin."),
]
OnUnknown = Annotated[
    str,
    option(
        "--on-unknown",
        help="Unknown characters in the prompt: error, skip or replace.",
        default="error",
    ),
]
Interactive = Annotated[
    bool, option("--interactive", "-i", help="Write in turns with the model.")
]
Seed = Annotated[
    int | None, option("--seed", help="Same seed, same text.", default="a fresh one")
]

Temperature = Annotated[
    str,
    draw_option(
        *("--temperature", "-t"),
        help="Boldness; 0 is greedy, 1:0.5 goes from one to the other.",
        default=DRAW.temperature,
        metavar="FLOAT[:FLOAT]",
    ),
]
TopK = Annotated[
    int, draw_option("--top-k", help="The likeliest so many; 0 is off.", default=0)
]
MinP = Annotated[
    float,
    draw_option(
        "--min-p", help="Share of the highest probability; 0 is off.", default=0
    ),
]
Typical = Annotated[
    float,
    draw_option(
        "--typical", help="Mass that surprises as expected; 1 is off.", default=1
    ),
]
Eta = Annotated[
    float, draw_option("--eta", help="Least probability; 0 is off.", default=0)
]
TopP = Annotated[
    float,
    draw_option("--top-p", help="The likeliest of this mass; 1 is off.", default=1),
]
Mirostat = Annotated[
    float,
    draw_option(
        "--mirostat", help="Keep to so many nats a character; 0 is off.", default=0
    ),
]
MirostatRate = Annotated[
    float,
    draw_option(
        "--mirostat-rate", help="How fast it corrects.", default=DRAW.mirostat_rate
    ),
]
ShowChain = Annotated[
    bool, draw_option("--show-chain", help="Show what acts in which order, and stop.")
]

RepetitionPenalty = Annotated[
    float,
    again_option("--repetition-penalty", help="A factor; 1 is off.", default=1),
]
FrequencyPenalty = Annotated[
    float,
    again_option("--frequency-penalty", help="Nats for each time.", default=0),
]
PresencePenalty = Annotated[
    float,
    again_option("--presence-penalty", help="Nats for being there.", default=0),
]
NoRepeat = Annotated[
    int,
    again_option("--no-repeat", help="No run of so many twice; 0 is off.", default=0),
]
Dry = Annotated[
    float,
    again_option("--dry", help="Nats for lengthening a repeat; 0 is off.", default=0),
]
DryBase = Annotated[
    float,
    again_option(
        "--dry-base",
        help="Times this for each further character.",
        default=DRAW.dry_base,
    ),
]
DryAllowed = Annotated[
    int,
    again_option(
        "--dry-allowed",
        help="Repeats up to this cost nothing.",
        default=DRAW.dry_allowed,
    ),
]
PenaltyWindow = Annotated[
    int,
    again_option(
        "--penalty-window", help="Characters to look back.", default=DRAW.penalty_window
    ),
]

Length = Annotated[
    int,
    form_option("--length", "-n", help="Characters at most.", default=FORM.length),
]
MinLength = Annotated[
    int,
    form_option("--min-length", help="Characters before it may end.", default=0),
]
Stop = Annotated[
    list[str] | None,
    form_option("--stop", help="End before this string; may be given again."),
]
Until = Annotated[
    str | None,
    form_option("--until", help="End after a newline, a sentence or a paragraph."),
]
Only = Annotated[
    str, form_option("--only", help="Write these alone, such as 'a-z .,'.")
]
Ban = Annotated[str, form_option("--ban", help="Never write these, such as 'eE'.")]
Match = Annotated[
    str, form_option("--match", help="A regular expression for the whole text.")
]

Samples = Annotated[int, several_option("--samples", help="How many texts.", default=1)]
FirstSample = Annotated[
    int,
    several_option("--first-sample", help="Number of the first of them.", default=0),
]
BestOf = Annotated[
    int,
    several_option("--best-of", help="Draw so many, show the likeliest.", default=1),
]
Beam = Annotated[
    int,
    several_option(
        "--beam", help="Search the likeliest text, so many at a time.", default=0
    ),
]
LengthPower = Annotated[
    float,
    several_option(
        "--length-power", help="Texts compare by nats / length^this.", default=1
    ),
]
Mix = Annotated[
    list[str] | None,
    several_option(
        "--mix", help="MODEL:WEIGHT, given for each model.", metavar="MODEL[:WEIGHT]"
    ),
]

Device = Annotated[
    str,
    option(
        "--device",
        help="cpu, auto, cuda, cuda:1, ...",
        default="cpu",
        rich_help_panel="Machine",
    ),
]
Threads = Annotated[
    int | None,
    option(
        "--threads",
        help="Threads of the CPU.",
        default="1 for one text, else usable cores",
        rich_help_panel="Machine",
    ),
]
Int8 = Annotated[
    bool,
    option(
        "--int8",
        help="Weights in 8 bits; needs the extra fast.",
        rich_help_panel="Machine",
    ),
]
NoEcho = Annotated[bool, show_option("--no-echo", help="Do not repeat the prompt.")]
Colour = Annotated[
    str | None, show_option("--colour", help="surprise: shade the improbable.")
]
Alternatives = Annotated[
    int, show_option("--alternatives", help="In JSON, the likeliest others.", default=0)
]


def draw_settings(given: dict[str, Any]) -> SampleConfig:
    """
    How to draw, from the options of the command by their names.

    Raises:
        ConfigError: A value is out of range.
    """
    settings = _fields(SampleConfig, given)
    first, last = temperatures(given["temperature"])
    settings |= {"temperature": first, "final_temperature": last}
    if given["seed"] is None:
        settings["seed"] = secrets.randbelow(2**32)
    return SampleConfig(**settings)


def form_settings(given: dict[str, Any]) -> FormConfig:
    """
    What the text must look like, from the options of the command by their names.

    Raises:
        ConfigError: A value is out of range.
    """
    settings = _fields(FormConfig, given)
    return FormConfig(**settings | {"stop": tuple(given["stop"] or ())})


def temperatures(text: str) -> tuple[float, float | None]:
    """
    `0.8` is one temperature, `1:0.5` is where it begins and where it ends.

    Raises:
        ConfigError: It is neither.
    """
    try:
        values = [float(part) for part in text.split(":")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ConfigError(
            f"temperature is {text!r}.",
            "Set temperature to a number, or to two such as 1:0.5.",
        )
    return values[0], values[1] if len(values) == 2 else None


def _fields(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that are settings of *kind*."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in given.items() if name in names}
