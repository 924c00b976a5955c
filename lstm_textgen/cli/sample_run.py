"""What `textgen sample` runs: open a model, read the prompt, draw and print texts."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from lstm_textgen.cli.interactive import converse
from lstm_textgen.cli.sample_request import (
    ModelSource,
    PromptSource,
    SampleOutput,
    SampleRequest,
)
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.model.machine import choose_machine
from lstm_textgen.model.matrix_speed import products_pay
from lstm_textgen.runs.find import find_checkpoint, is_bundled
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.mixture import MixtureBackend
from lstm_textgen.sampling.stream import Character, Sample
from lstm_textgen.sampling.transforms import describe_chain
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import encode_prompt
from lstm_textgen.ui.options import print_json
from lstm_textgen.ui.terminal import legend, say, shade, write_text


def run_sample(
    request: SampleRequest,
    models: ModelSource,
    prompt: PromptSource,
    output: SampleOutput,
    *,
    interactive: bool,
) -> None:
    """
    Open the model, read the prompt, and write: alone, or in turns with a person.

    Raises:
        TextgenError: As `open_writer`, and where the prompt cannot be read or the
            form does not fit the model.
    """
    writer = open_writer(models, request, quiet=output.quiet)
    read, text = _read_prompt(writer, prompt, output, keep=interactive)
    if interactive:
        converse(writer, (read, text), request, output, prompt.on_unknown)
    else:
        _write_samples(writer, read, text, request, output)


def open_writer(models: ModelSource, request: SampleRequest, *, quiet: bool) -> Writer:
    """
    The model that is meant, or the mixture, on the machine that was asked for.

    Raises:
        MissingError: A model is not there.
        CheckpointError: A file is damaged or not one of ours.
        ConfigError: A weight of the mixture is not a number, there are both a model
            and a mixture, or the precision or the device is unknown.
        UnavailableError: Weights in 8 bits need numba.
    """
    load = _model_loader(models, request, quiet=quiet)
    if not models.mix:
        path = find_checkpoint(models.checkpoint)
        if models.checkpoint is None and is_bundled(path) and not quiet:
            say(f"No model in checkpoints/ yet: the bundled model {path.stem} writes.")
        return load(path)
    if models.checkpoint is not None:
        raise ConfigError(
            f"Both {models.checkpoint} and --mix name models.",
            "Name all of them by --mix.",
        )
    names, weights = zip(*map(_weighted_model, models.mix), strict=True)
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


def _model_loader(
    models: ModelSource, request: SampleRequest, *, quiet: bool
) -> Callable[[Path], Writer]:
    """How to load a model, on the machine and in the precision that were asked for."""
    single = len(request.numbers) == 1 and not request.beam
    threads = models.threads
    if threads is None and single:
        threads = 1  # a single text has no use for more
    machine = choose_machine(models.device, threads)
    wants_bfloat16 = models.precision == "bfloat16" and machine.device.type == "cpu"
    if wants_bfloat16 and not quiet and not products_pay(machine):
        say(
            "note: this processor is not clearly faster in bfloat16; "
            "--precision float32 suits it better."
        )
    return partial(
        Writer.load,
        device=str(machine.device),
        characters=request.form.length if single else 0,
        precision=models.precision,
    )


def _read_prompt(
    writer: Writer, prompt: PromptSource, output: SampleOutput, *, keep: bool
) -> tuple[ReadPrompt[Any], str]:
    """
    Read the prompt, and say what became of its unknown characters.

    Args:
        writer: What reads it.
        prompt: Where it comes from.
        output: Whether to show it, and to be quiet.
        keep: Keep the text of a file too. It may be larger than memory: otherwise
            it is printed while it is read.

    Returns:
        What it leaves behind, and its text, as far as it is kept.
    """
    is_file = prompt.file is not None
    shown = is_file and not keep and output.echo and not output.json
    kept: list[str] = []
    noted: set[str] = set()

    def ids() -> Iterator[Integer[np.ndarray, "_"]]:
        offset = 0
        for part in prompt.parts():
            read, notes = encode_prompt(
                writer.tokenizer, part, prompt.on_unknown, offset=offset
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


def _write_samples(
    writer: Writer,
    read: ReadPrompt[Any],
    prompt: str,
    request: SampleRequest,
    output: SampleOutput,
) -> None:
    """
    Draw the texts that were asked for, and print them.

    Args:
        writer: The model.
        read: The prompt as it was read.
        prompt: Its text.
        request: What to draw.
        output: How to print it.
    """
    if request.beam:
        best = writer.beam(
            read, request.form, width=request.beam, power=request.length_power
        )
        _print_sample(best, prompt, request, output)
    elif len(request.numbers) == 1:
        _stream(writer, read, prompt, request, output)
    else:
        samples = writer.samples(
            read,
            request.config,
            request.form,
            numbers=request.numbers,
            alternatives=request.alternatives,
        )
        if request.best_of > 1:
            _print_sample(min(samples, key=_cost), prompt, request, output)
        else:
            for sample in samples:
                _print_sample(sample, prompt, request, output)
    if output.color and not (output.quiet or output.json):
        legend()
    if output.show_seed and not (output.quiet or output.json or request.beam):
        say(f"seed {request.config.seed}")


def _stream(
    writer: Writer,
    read: ReadPrompt[Any],
    prompt: str,
    request: SampleRequest,
    output: SampleOutput,
) -> None:
    """One sample, as text character by character."""
    number = request.numbers[0]
    stream = writer.continue_from(
        read,
        request.config,
        request.form,
        sample=number,
        alternatives=request.alternatives,
    )
    if output.json:
        characters = tuple(stream)
        sample = Sample(number, characters, stream.stopped_by or "length")
        _print_sample(sample, prompt, request, output)
        return
    if output.echo:
        write_text(prompt)
    for character in stream:
        _print_character(character, output)
    write_text("\n")


def _print_sample(
    sample: Sample, prompt: str, request: SampleRequest, output: SampleOutput
) -> None:
    """A whole sample: an object of JSON, or its text."""
    if output.json:
        print_json(_to_json(sample, prompt, request))
        return
    if len(request.numbers) > 1 and request.best_of == 1 and not output.quiet:
        price = f"{sample.nats_per_char:.3f} nats a character"
        say(f"sample {sample.number}, {price if sample.characters else 'empty'}")
    if output.echo:
        write_text(prompt)
    for character in sample.characters:
        _print_character(character, output)
    write_text("\n")


def _cost(sample: Sample) -> float:
    """Nats a character; an empty text is never the best of several."""
    return sample.nats_per_char if sample.characters else math.inf


def _print_character(character: Character, output: SampleOutput) -> None:
    style = shade(character.nats) if output.color else None
    write_text(character.text, style=style)


def _to_json(sample: Sample, prompt: str, request: SampleRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "prompt": prompt,
        "text": sample.text,
        "seed": request.config.seed,
        "sample": sample.number,
        "nats": sample.nats,
        "stopped_by": sample.stopped_by,
    }
    if request.alternatives:
        fields["characters"] = [
            {
                "text": character.text,
                "nats": character.nats,
                "alternatives": [
                    {"text": text, "probability": p}
                    for text, p in character.alternatives
                ],
            }
            for character in sample.characters
        ]
    return fields


def show_chain(config: SampleConfig, form: FormConfig) -> None:
    """What acts on the logits, a line each, in its order."""
    sets = {"only": form.only, "ban": form.ban, "match": form.match}
    lines = [
        f"{name} {text}: only what it allows" for name, text in sets.items() if text
    ]
    lines += describe_chain(config)
    for place, line in enumerate(lines, start=1):
        write_text(f"{place}. {line}\n")
    if not lines:
        write_text("nothing: the model's own probabilities\n")
