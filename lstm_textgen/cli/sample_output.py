"""What `textgen sample` does: draw, and put out what was drawn."""

import math
from dataclasses import dataclass
from typing import Any

from lstm_textgen.config import FormConfig, SampleConfig, check
from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.stream import Character, Sample
from lstm_textgen.sampling.transforms import make_chain
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.ui.options import print_json
from lstm_textgen.ui.terminal import legend, say, shade, write_text


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRequest:
    """What is to be written."""

    config: SampleConfig
    form: FormConfig
    samples: int = 1
    first_sample: int = 0
    """The number of the first one: each sample of a seed has its own."""
    best_of: int = 1
    """Draw so many and keep the one with the fewest nats a character."""
    beam: int = 0
    """Hypotheses of a beam search; 0 draws."""
    length_power: float = 1.0
    """Texts of different lengths compare by their nats / length to this power."""
    alternatives: int = 0
    """Characters to tell beside each one that was written."""

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("best_of", 1), ("first_sample", 0)):
            value = getattr(self, name)
            check(
                name, value, least <= value <= 10**9, f"a number from {least} to 10^9"
            )
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
        """What only a draw has an ear for."""
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
    """How it is put out."""

    json: bool = False
    quiet: bool = False
    echo: bool = True
    colour: str | None = None
    tell_seed: bool = True
    """The seed was chosen here, and whoever wants the text again needs it."""

    def __post_init__(self) -> None:
        check("colour", self.colour, self.colour in (None, "surprise"), "surprise")


def show_chain(config: SampleConfig, form: FormConfig) -> None:
    """What acts on the logits, a line each, in its order."""
    lines = [
        f"{name} {getattr(form, name)}: only what it allows"
        for name in ("only", "ban", "match")
        if getattr(form, name)
    ]
    lines += [f"{link.option} {link.value}: {link.says}" for link in make_chain(config)]
    for place, line in enumerate(lines, start=1):
        write_text(f"{place}. {line}\n")
    if not lines:
        write_text("nothing: the model's own probabilities\n")


def write_samples(
    writer: Writer,
    begun: tuple[ReadPrompt, str],
    task: SampleRequest,
    output: SampleOutput,
) -> None:
    """Draw, and put out what was drawn."""
    beginning, prompt = begun
    if task.beam:
        found = writer.search(
            beginning, task.form, width=task.beam, power=task.length_power
        )
        _put(found, prompt, task, output)
    elif len(task.numbers) == 1:
        _stream(writer, beginning, prompt, task, output)
    else:
        drawn = writer.samples(
            *(beginning, task.config, task.form),
            numbers=task.numbers,
            alternatives=task.alternatives,
        )
        if task.best_of > 1:
            _put(min(drawn, key=_dearness), prompt, task, output)
        else:
            for each in drawn:
                _put(each, prompt, task, output)
    if output.colour and not (output.quiet or output.json):
        legend()
    if output.tell_seed and not (output.quiet or output.json or task.beam):
        say(f"seed {task.config.seed}")


def _stream(
    writer: Writer,
    beginning: ReadPrompt,
    prompt: str,
    task: SampleRequest,
    output: SampleOutput,
) -> None:
    """One sample, character by character."""
    number = task.numbers[0]
    writing = writer.go_on(
        *(beginning, task.config, task.form),
        sample=number,
        alternatives=task.alternatives,
    )
    if output.json:
        pieces = tuple(writing)
        whole = Sample(number, pieces, writing.stopped_by or "length")
        _put(whole, prompt, task, output)
        return
    if output.echo and prompt:
        write_text(prompt)
    for piece in writing:
        _show(piece, output)
    write_text("\n")


def _put(
    sample: Sample, prompt: str, task: SampleRequest, output: SampleOutput
) -> None:
    """A whole sample: an object of JSON, or its text."""
    if output.json:
        print_json(_described(sample, prompt, task))
        return
    if len(task.numbers) > 1 and task.best_of == 1 and not output.quiet:
        price = f"{sample.nats_per_char:.3f} nats a character"
        say(f"sample {sample.number}, {price if sample.pieces else 'empty'}")
    if output.echo and prompt:
        write_text(prompt)
    for piece in sample.pieces:
        _show(piece, output)
    write_text("\n")


def _dearness(sample: Sample) -> float:
    """Nats a character; an empty text is never the best of several."""
    return sample.nats_per_char if sample.pieces else math.inf


def _show(piece: Character, output: SampleOutput) -> None:
    write_text(piece.text, style=shade(piece.nats) if output.colour else None)


def _described(sample: Sample, prompt: str, task: SampleRequest) -> dict[str, Any]:
    """A sample as JSON."""
    told: dict[str, Any] = {
        "prompt": prompt,
        "text": sample.text,
        "seed": task.config.seed,
        "sample": sample.number,
        "nats": sample.nats,
        "stopped_by": sample.stopped_by,
    }
    if task.alternatives:
        told["characters"] = [
            {
                "text": piece.text,
                "nats": piece.nats,
                "alternatives": [
                    {"text": text, "probability": p} for text, p in piece.alternatives
                ],
            }
            for piece in sample.pieces
        ]
    return told
