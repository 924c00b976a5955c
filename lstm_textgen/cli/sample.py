"""`textgen sample`: let a model write on."""

import secrets
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lstm_textgen.config import FormConfig, SampleConfig, choice
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

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Integer

    from lstm_textgen.cli.sample_output import SampleOutput, SampleRequest
    from lstm_textgen.sampling.generate import ReadPrompt
    from lstm_textgen.sampling.writer import Writer
    from lstm_textgen.text.tokenizer import OnUnknown

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
        seed=secrets.randbelow(2**32) if seed is None else seed,
        **draw,
        **penalties,
    )
    wanted = FormConfig(**form)
    from lstm_textgen.cli import sample_output

    if show_chain:
        sample_output.show_chain(config, wanted)
        return
    request = sample_output.SampleRequest(
        config=config,
        form=wanted,
        samples=samples,
        first_sample=first_sample,
        best_of=best_of,
        beam=beam,
        length_power=length_power,
        alternatives=alternatives,
    )
    output = sample_output.SampleOutput(
        json=json, quiet=quiet, echo=not no_echo, color=colour, show_seed=seed is None
    )
    source = PromptSource(
        text=prompt,
        file=prompt_file,
        encoding=encoding,
        on_unknown=on_unknown,  # type: ignore[arg-type]
    )
    if interactive:
        _check_interactive(request, output, source)
    load = model_loader(
        request, device=device, threads=threads, precision=precision, quiet=quiet
    )
    writer = _open_writer(checkpoint, mix or [], load, quiet=quiet)
    begun = _read_prompt(writer, source, output, keep=interactive)
    if interactive:
        from lstm_textgen.cli.interactive import converse

        converse(writer, begun, request, output, source.on_unknown)
    else:
        sample_output.write_samples(writer, begun, request, output)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSource:
    """Where the prompt comes from."""

    text: str | None = None
    file: str | None = None
    encoding: str = "utf-8"
    on_unknown: "OnUnknown" = "error"

    def __post_init__(self) -> None:
        from lstm_textgen.text.tokenizer import OnUnknown

        choice("on_unknown", self.on_unknown, typing.get_args(OnUnknown))
        if self.text is not None and self.file is not None:
            raise ConfigError(
                "Both --prompt and --prompt-file are given.", "Leave one of them out."
            )

    def parts(self) -> Iterable[str]:
        """
        The text, piece by piece.

        Raises:
            MissingError: There is no such file.
            CorpusError: While iterating: it is not text.
        """
        from lstm_textgen.text.reader import TextReader
        from lstm_textgen.text.source import find_source

        if self.file is None:
            return [self.text or ""]
        return TextReader(find_source([self.file]), self.encoding)


def _check_interactive(
    request: "SampleRequest", output: "SampleOutput", source: PromptSource
) -> None:
    """
    A session is one text that grows, between a person and the model.

    Raises:
        ConfigError: Something was asked for that has no meaning there.
    """
    many = len(request.numbers) > 1 or request.first_sample or request.beam
    if many or request.alternatives or output.json or output.color:
        raise ConfigError(
            "A session in turns is one text on a terminal.",
            "Leave out --json, --colour, --alternatives, --samples, --first-sample, "
            "--best-of and --beam.",
        )
    if source.file == "-":
        raise ConfigError(
            "A session reads what is typed from stdin, and so does --prompt-file -.",
            "Name a file, or use --prompt.",
        )


def model_loader(
    request: "SampleRequest",
    *,
    device: str,
    threads: int | None,
    precision: str,
    quiet: bool,
) -> "Callable[[Path], Writer]":
    """
    How to load a model, on the machine and in the precision that were asked for.

    Returns:
        A function that raises CheckpointError for a file that is damaged or not one
        of ours, ConfigError for an unknown precision, and UnavailableError where
        weights in 8 bits need numba.
    """
    from lstm_textgen.model.machine import choose_machine
    from lstm_textgen.model.matrix_speed import products_pay
    from lstm_textgen.sampling.writer import Writer
    from lstm_textgen.ui.terminal import say

    single = len(request.numbers) == 1 and not request.beam
    if threads is None and single:
        threads = 1  # a single text has no use for more
    machine = choose_machine(device, threads)
    on_cpu = machine.device.type == "cpu"
    if precision == "bfloat16" and not quiet and on_cpu and not products_pay(machine):
        say(
            "note: this processor is not clearly faster in bfloat16; "
            "--precision float32 suits it better."
        )

    def load(path: Path) -> Writer:
        return Writer.load(
            path,
            str(machine.device),
            characters=request.form.length if single else 0,
            precision=precision,
        )

    return load


def _open_writer(
    checkpoint: str | None,
    mix: list[str],
    load: "Callable[[Path], Writer]",
    *,
    quiet: bool,
) -> "Writer":
    """
    The model that is meant, or the mixture.

    Raises:
        MissingError: A model is not there.
        ConfigError: A weight of the mixture is not a number, or there are both.
    """
    from lstm_textgen.runs.find import find_checkpoint, is_bundled
    from lstm_textgen.sampling.mixture import MixtureBackend
    from lstm_textgen.sampling.writer import Writer
    from lstm_textgen.ui.terminal import say

    if not mix:
        path = find_checkpoint(checkpoint)
        if checkpoint is None and is_bundled(path) and not quiet:
            say(f"No model in checkpoints/ yet: the bundled model {path.stem} writes.")
        return load(path)
    if checkpoint is not None:
        raise ConfigError(
            f"Both {checkpoint} and --mix name models.", "Name all of them by --mix."
        )
    names, weights = zip(*map(_weighted_model, mix), strict=True)
    writers = [load(find_checkpoint(name)) for name in names]
    mixture = MixtureBackend(
        [writer.backend for writer in writers],
        [writer.tokenizer for writer in writers],
        weights,
    )
    return Writer(mixture, mixture.tokenizer)


def _weighted_model(argument: str) -> tuple[str, float]:
    """MODEL:WEIGHT as its two parts; without a weight it is 1."""
    name, colon, weight = argument.rpartition(":")
    if not colon or weight.startswith("//"):  # the colon of hf://
        return argument, 1.0
    try:
        return name, float(weight)
    except ValueError as error:
        raise ConfigError(
            f"The weight in {argument!r} is no number.", "Write MODEL:0.7, say."
        ) from error


def _read_prompt(
    writer: "Writer", source: PromptSource, output: "SampleOutput", *, keep: bool
) -> "tuple[ReadPrompt[Any], str]":
    """
    Read the prompt, and say what became of its unknown characters.

    Args:
        writer: What reads it.
        source: Where it comes from.
        output: Whether to show it, and to be quiet.
        keep: Keep the text of a file too. It may be larger than memory: otherwise
            it is put out while it is read.

    Returns:
        What it leaves behind, and its text, as far as it is kept.
    """
    from lstm_textgen.text.tokenizer import encode_prompt
    from lstm_textgen.ui.terminal import say, write_text

    is_file = source.file is not None
    shown = is_file and not keep and output.echo and not output.json
    kept: list[str] = []
    noted: set[str] = set()

    def ids() -> "Iterator[Integer[np.ndarray, '_']]":
        offset = 0
        for part in source.parts():
            read, notes = encode_prompt(
                writer.tokenizer, part, source.on_unknown, offset=offset
            )
            for note in notes:
                if note not in noted and not output.quiet:
                    say(f"note: {note}")
                noted.add(note)
            offset += len(part)
            if shown:
                write_text(part)
            if keep or not is_file:
                kept.append(part)
            yield read

    return writer.read(ids()), "".join(kept)
