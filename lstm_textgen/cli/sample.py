"""`textgen sample`: let a model write on."""

from functools import partial
from typing import Annotated

from lstm_textgen.cli.sample_request import (
    ModelSource,
    PromptSource,
    SampleOutput,
    SampleRequest,
    check_interactive,
)
from lstm_textgen.config import FormConfig, SampleConfig, fresh_seed
from lstm_textgen.errors import ConfigError
from lstm_textgen.ui.options import (
    AsJson,
    CheckpointArgument,
    Debug,
    Quiet,
    Settings,
    SettingsOptions,
    machine_option,
    option,
    with_settings,
)

FORM_OPTIONS = SettingsOptions(
    defaults=FormConfig(),
    panel="What the text looks like",
    help={
        "length": "Characters at most.",
        "min_length": "Characters before it may end.",
        "stop": "End before this string; may be given again.",
        "until": "End after a newline, a sentence or a paragraph.",
        "only": "Write these alone, such as 'a-z .,'.",
        "ban": "Never write these, such as 'eE'.",
        "match": "A pattern for the whole text; it goes on while it can.",
    },
    spellings={"length": "-n"},
)

DRAW = SampleConfig()

draw_option = partial(option, rich_help_panel="How characters are drawn")

DRAW_OPTIONS = SettingsOptions(
    defaults=DRAW,
    panel="How characters are drawn",
    help={
        "top_k": "The likeliest so many; 0 is off.",
        "min_p": "Share of the highest probability; 0 is off.",
        "typical": "Mass that surprises as expected; 1 is off.",
        "eta": "Least probability; 0 is off.",
        "top_p": "The likeliest of this mass; 1 is off.",
        "mirostat": "Keep to so many nats a character; 0 is off.",
        "mirostat_rate": "How fast it corrects.",
    },
)

PENALTY_OPTIONS = SettingsOptions(
    defaults=DRAW,
    panel="Against repetition",
    help={
        "repetition_penalty": "A factor; 1 is off.",
        "frequency_penalty": "Nats for each time.",
        "presence_penalty": "Nats for being there.",
        "no_repeat": "No run of so many twice; 0 is off.",
        "dry": "Nats for lengthening a repeat; 0 is off.",
        "dry_base": "Times this for each further character.",
        "dry_allowed": "Repeats up to this cost nothing.",
        "penalty_window": "Characters to look back.",
    },
)

several_option = partial(option, rich_help_panel="Several texts, several models")

output_option = partial(option, rich_help_panel="Output")


@with_settings(form=FORM_OPTIONS, draw=DRAW_OPTIONS, penalties=PENALTY_OPTIONS)
def sample(
    checkpoint: CheckpointArgument = None,
    *,
    prompt: Annotated[
        str | None, option("--prompt", "-p", help="Text to continue.")
    ] = None,
    prompt_file: Annotated[
        str | None, option(help="A file to continue, of any size; - is stdin.")
    ] = None,
    interactive: Annotated[
        bool, option("--interactive", "-i", help="Write in turns with the model.")
    ] = False,
    seed: Annotated[
        int | None, option(help="Same seed, same text.", default="a fresh one")
    ] = None,
    encoding: Annotated[
        str, option(help="Encoding of the prompt file.", default="utf-8")
    ] = "utf-8",
    on_unknown: Annotated[
        str,
        option(
            help="Unknown characters in the prompt: error, skip or replace.",
            default="error",
        ),
    ] = "error",
    form: Settings,
    temperature: Annotated[
        str,
        draw_option(
            "--temperature",
            "-t",
            help="Boldness; 0 is greedy, 1:0.5 goes from one to the other.",
            default=DRAW.temperature,
            metavar="FLOAT[:FLOAT]",
        ),
    ] = str(DRAW.temperature),
    draw: Settings,
    show_chain: Annotated[
        bool,
        draw_option("--show-chain", help="Show what acts in which order, and stop."),
    ] = False,
    penalties: Settings,
    samples: Annotated[int, several_option(help="How many texts.", default=1)] = 1,
    first_sample: Annotated[
        int, several_option(help="Number of the first of them.", default=0)
    ] = 0,
    best_of: Annotated[
        int, several_option(help="Draw so many, show the likeliest.", default=1)
    ] = 1,
    beam: Annotated[
        int,
        several_option(help="Search the likeliest text, so many at a time.", default=0),
    ] = 0,
    length_power: Annotated[
        float, several_option(help="Texts compare by nats / length^this.", default=1)
    ] = 1.0,
    mix: Annotated[
        list[str] | None,
        several_option(
            help="MODEL:WEIGHT, given for each model.", metavar="MODEL[:WEIGHT]"
        ),
    ] = None,
    no_echo: Annotated[
        bool, output_option("--no-echo", help="Do not repeat the prompt.")
    ] = False,
    colour: Annotated[
        str | None, output_option(help="surprise: shade the improbable.")
    ] = None,
    alternatives: Annotated[
        int, output_option(help="In JSON, the likeliest of each place.", default=0)
    ] = 0,
    device: Annotated[
        str, machine_option(help="cpu, auto, cuda, cuda:1, ...", default="cpu")
    ] = "cpu",
    threads: Annotated[
        int | None,
        machine_option(
            help="Threads of the CPU.", default="1 for one text, else usable cores"
        ),
    ] = None,
    precision: Annotated[
        str,
        machine_option(
            help="float32; bfloat16 for many texts, where the processor has it, and "
            "not bit for bit the same ones; int8 for weights in 8 bits, with the "
            "extra fast.",
            default="float32",
        ),
    ] = "float32",
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen sample --prompt "The fox"
    textgen sample runs/notes -p "Dear " -n 200 --temperature 0.5 --seed 7
    textgen sample model.safetensors --top-p 0.95 > page.txt
    textgen sample --interactive

    Let a model write on from a prompt. The text goes to stdout as it is drawn,
    everything about it to stderr.
    """
    first, final = _temperatures(temperature)
    config = SampleConfig(
        temperature=first,
        final_temperature=final,
        seed=fresh_seed() if seed is None else seed,
        **draw,
        **penalties,
    )
    form_config = FormConfig(**form)
    from lstm_textgen.cli import sample_run

    if show_chain:
        sample_run.show_chain(config, form_config)
        return
    request = SampleRequest(
        config=config,
        form=form_config,
        samples=samples,
        first_sample=first_sample,
        best_of=best_of,
        beam=beam,
        length_power=length_power,
        alternatives=alternatives,
    )
    output = SampleOutput(
        json=json, quiet=quiet, echo=not no_echo, color=colour, show_seed=seed is None
    )
    source = PromptSource(
        text=prompt,
        file=prompt_file,
        encoding=encoding,
        on_unknown=on_unknown,  # type: ignore[arg-type]
    )
    if interactive:
        check_interactive(request, output, source)
    models = ModelSource(
        checkpoint=checkpoint,
        mix=tuple(mix or ()),
        device=device,
        threads=threads,
        precision=precision,
    )
    sample_run.run_sample(request, models, source, output, interactive=interactive)


def _temperatures(text: str) -> tuple[float, float | None]:
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
