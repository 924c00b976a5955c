"""What `textgen sample` does: draw, and put out what was drawn."""

import math
from dataclasses import dataclass
from typing import Any

from lstm_textgen.config import FormConfig, SampleConfig, check
from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.stream import Character, Sample
from lstm_textgen.sampling.transforms import describe_chain
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.ui.options import print_json
from lstm_textgen.ui.terminal import legend, say, shade, write_text


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRequest:
    """Which texts are to be drawn."""

    config: SampleConfig
    form: FormConfig
    samples: int = 1
    first_sample: int = 0
    """The number of the first one: each sample of a seed has its own."""
    best_of: int = 1
    """How many to draw in order to keep the one with the fewest nats a character."""
    beam: int = 0
    """Hypotheses of a beam search; 0 draws."""
    length_power: float = 1.0
    """Texts of different lengths compare by their nats / length to this power."""
    alternatives: int = 0
    """Characters to list beside each one that was drawn."""

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("best_of", 1), ("first_sample", 0)):
            value = getattr(self, name)
            allowed = f"a number from {least} to 10^9"
            check(name, value, least <= value <= 10**9, allowed)
        for name in ("beam", "alternatives"):
            value = getattr(self, name)
            check(name, value, 0 <= value <= 10**6, "a number from 0 to 10^6")
        power = self.length_power
        check("length_power", power, abs(power) <= 100, "a number from -100 to 100")
        if self.samples > 1 and self.best_of > 1:
            raise ConfigError(
                "Both --samples and --best-of say how many texts.",
                "Leave one of them out.",
            )
        if self.beam:
            self._check_beam()

    def _check_beam(self) -> None:
        """Refuse settings that mean nothing where nothing is drawn."""
        if len(self.numbers) > 1 or self.first_sample or self.alternatives:
            raise ConfigError(
                "A beam search finds one text, without numbers and alternatives.",
                "Leave out --samples, --first-sample, --best-of and --alternatives.",
            )
        if self.config != SampleConfig(seed=self.config.seed):
            raise ConfigError(
                "A beam search looks for the likeliest text and draws nothing.",
                "Leave out --temperature, the masks and the penalties, or --beam.",
            )

    @property
    def numbers(self) -> range:
        """Which samples of the seed to draw."""
        count = max(self.samples, self.best_of)
        return range(self.first_sample, self.first_sample + count)


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleOutput:
    """How texts are put out."""

    json: bool = False
    quiet: bool = False
    echo: bool = True
    """Repeat the prompt before its text."""
    color: str | None = None
    show_seed: bool = True
    """The seed was chosen here, and whoever wants the text again needs it."""

    def __post_init__(self) -> None:
        check("colour", self.color, self.color in (None, "surprise"), "surprise")


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


def write_samples(
    writer: Writer,
    prompt: tuple[ReadPrompt[Any], str],
    request: SampleRequest,
    output: SampleOutput,
) -> None:
    """
    Draw, and put out what was drawn.

    Args:
        writer: The model.
        prompt: The prompt as it was read, and its text.
        request: What to draw.
        output: How to put it out.
    """
    read, text = prompt
    if request.beam:
        best = writer.beam(
            read, request.form, width=request.beam, power=request.length_power
        )
        _put(best, text, request, output)
    elif len(request.numbers) == 1:
        _stream(writer, read, text, request, output)
    else:
        samples = writer.samples(
            read,
            request.config,
            request.form,
            numbers=request.numbers,
            alternatives=request.alternatives,
        )
        if request.best_of > 1:
            _put(min(samples, key=_cost), text, request, output)
        else:
            for sample in samples:
                _put(sample, text, request, output)
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
        _put(sample, prompt, request, output)
        return
    if output.echo:
        write_text(prompt)
    for character in stream:
        _show(character, output)
    write_text("\n")


def _put(
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
        _show(character, output)
    write_text("\n")


def _cost(sample: Sample) -> float:
    """Nats a character; an empty text is never the best of several."""
    return sample.nats_per_char if sample.characters else math.inf


def _show(character: Character, output: SampleOutput) -> None:
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
