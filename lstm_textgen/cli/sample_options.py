"""The options of `textgen sample`, in the groups that its help shows."""

from functools import partial
from typing import Annotated

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.ui.options import option

draw_option = partial(option, rich_help_panel="How characters are drawn")

again_option = partial(option, rich_help_panel="Against repetition")

form_option = partial(option, rich_help_panel="What the text looks like")

several_option = partial(option, rich_help_panel="Several texts, several models")

show_option = partial(option, rich_help_panel="Output")

DRAW, FORM = SampleConfig(), FormConfig()

Prompt = Annotated[str | None, option("--prompt", "-p", help="Text to continue.")]

PromptFile = Annotated[
    str | None,
    option("--prompt-file", help="A file to continue, of any size; - is stdin."),
]

Encoding = Annotated[
    str,
    option("--encoding", help="Encoding of the prompt file.", default="utf-8"),
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
    int,
    draw_option("--top-k", help="The likeliest so many; 0 is off.", default=DRAW.top_k),
]

MinP = Annotated[
    float,
    draw_option(
        "--min-p",
        help="Share of the highest probability; 0 is off.",
        default=DRAW.min_p,
    ),
]

Typical = Annotated[
    float,
    draw_option(
        "--typical",
        help="Mass that surprises as expected; 1 is off.",
        default=DRAW.typical,
    ),
]

Eta = Annotated[
    float, draw_option("--eta", help="Least probability; 0 is off.", default=DRAW.eta)
]

TopP = Annotated[
    float,
    draw_option(
        "--top-p", help="The likeliest of this mass; 1 is off.", default=DRAW.top_p
    ),
]

Mirostat = Annotated[
    float,
    draw_option(
        "--mirostat",
        help="Keep to so many nats a character; 0 is off.",
        default=DRAW.mirostat,
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
    again_option(
        "--repetition-penalty",
        help="A factor; 1 is off.",
        default=DRAW.repetition_penalty,
    ),
]

FrequencyPenalty = Annotated[
    float,
    again_option(
        "--frequency-penalty",
        help="Nats for each time.",
        default=DRAW.frequency_penalty,
    ),
]

PresencePenalty = Annotated[
    float,
    again_option(
        "--presence-penalty",
        help="Nats for being there.",
        default=DRAW.presence_penalty,
    ),
]

NoRepeat = Annotated[
    int,
    again_option(
        "--no-repeat", help="No run of so many twice; 0 is off.", default=DRAW.no_repeat
    ),
]

Dry = Annotated[
    float,
    again_option(
        "--dry", help="Nats for lengthening a repeat; 0 is off.", default=DRAW.dry
    ),
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
    str,
    form_option(
        "--match", help="A pattern for the whole text; it goes on while it can."
    ),
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

Precision = Annotated[
    str,
    option(
        "--precision",
        help="float32; bfloat16 for many texts, where the processor has it, and not "
        "bit for bit the same ones; int8 for weights in 8 bits, with the extra fast.",
        default="float32",
        rich_help_panel="Machine",
    ),
]

NoEcho = Annotated[bool, show_option("--no-echo", help="Do not repeat the prompt.")]

Colour = Annotated[
    str | None, show_option("--colour", help="surprise: shade the improbable.")
]

Alternatives = Annotated[
    int,
    show_option(
        "--alternatives", help="In JSON, the likeliest of each place.", default=0
    ),
]
