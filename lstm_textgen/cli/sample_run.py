"""What `textgen sample` does: draw, and put out what was drawn."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from lstm_textgen.cli.options import print_json
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.report.colour import legend, shade
from lstm_textgen.report.terminal import say, write_text
from lstm_textgen.sampling.chain import make_chain
from lstm_textgen.sampling.column import Column
from lstm_textgen.sampling.ends import Piece
from lstm_textgen.sampling.engine import Beginning, Drawn
from lstm_textgen.sampling.search import beam_search
from lstm_textgen.sampling.writer import Sample, Writer


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is to be written."""

    config: SampleConfig
    form: FormConfig
    numbers: range
    """Which samples of the seed."""
    keep_best: bool = False
    """Show only the one with the fewest nats a character."""
    beam: int = 0
    """Hypotheses of a beam search; 0 draws."""
    length_power: float = 1.0
    alternatives: int = 0

    def __post_init__(self) -> None:
        if not self.numbers or self.numbers.start < 0:
            raise ConfigError(
                f"There is no sample in {self.numbers}.",
                "Set samples to 1 or more, best-of too, first-sample to 0 or more.",
            )
        for name in ("beam", "alternatives"):
            value = getattr(self, name)
            if value < 0:
                raise ConfigError(f"{name} is {value}.", f"Set {name} to 0 or more.")
        if not math.isfinite(self.length_power):
            raise ConfigError(
                f"length-power is {self.length_power}.", "Set it to a number."
            )
        if self.beam and len(self.numbers) > 1:
            raise ConfigError(
                "A beam search finds one text, and several are asked for.",
                "Leave out --beam, or --samples and --best-of.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """How it is put out."""

    json: bool = False
    quiet: bool = False
    echo: bool = True
    colour: str | None = None
    tell_seed: bool = True
    """The seed was chosen here, and whoever wants the text again needs it."""

    def __post_init__(self) -> None:
        if self.colour not in (None, "surprise"):
            raise ConfigError(f"colour is {self.colour!r}.", "Set colour to surprise.")


def show_chain(config: SampleConfig) -> None:
    """What acts on the logits, a line each, in its order."""
    chain = make_chain(config)
    for place, link in enumerate(chain, start=1):
        typer.echo(f"{place}. {link.option} {link.value}: {link.says}")
    if not chain:
        typer.echo("nothing: the model's own probabilities")


def write(
    writer: Writer, begun: tuple[Beginning, str | None], task: Task, output: Output
) -> None:
    """Draw, and put out what was drawn."""
    beginning, prompt = begun
    if task.beam:
        _put(_searched(writer, beginning, task), prompt, task, output)
    elif len(task.numbers) == 1:
        _stream(writer, beginning, prompt, task, output)
    else:
        drawn = writer.samples(
            *(beginning, task.config, task.form),
            numbers=task.numbers,
            alternatives=task.alternatives,
        )
        if task.keep_best:
            _put(min(drawn, key=_dearness), prompt, task, output)
        else:
            for each in drawn:
                _put(each, prompt, task, output)
    if output.tell_seed and not (output.quiet or output.json or task.beam):
        say(f"seed {task.config.seed}")


def _stream(
    writer: Writer,
    beginning: Beginning,
    prompt: str | None,
    task: Task,
    output: Output,
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
    _close(output)


def _put(sample: Sample, prompt: str | None, task: Task, output: Output) -> None:
    """A whole sample: an object of JSON, or its text."""
    if output.json:
        print_json(_described(sample, prompt, task))
        return
    if len(task.numbers) > 1 and not (output.quiet or task.keep_best):
        price = f"{sample.nats_per_char:.3f} nats a character"
        say(f"sample {sample.number}, {price if sample.pieces else 'empty'}")
    if output.echo and prompt:
        write_text(prompt)
    for piece in sample.pieces:
        _show(piece, output)
    _close(output)


def _dearness(sample: Sample) -> float:
    """Nats a character; an empty text is never the best of several."""
    return sample.nats_per_char if sample.pieces else math.inf


def _show(piece: Piece, output: Output) -> None:
    write_text(piece.text, style=shade(piece.nats) if output.colour else None)


def _close(output: Output) -> None:
    write_text("\n")
    if output.colour and not output.quiet:
        legend()


def _described(sample: Sample, prompt: str | None, task: Task) -> dict[str, Any]:
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


def _searched(writer: Writer, beginning: Beginning, task: Task) -> Sample:
    """The text that a beam search finds."""

    def column(
        ids: Iterable[int], costs: Iterable[float]
    ) -> tuple[Column, list[Piece]]:
        growing = Column(writer.tokenizer, task.form)
        pieces: list[Piece] = []
        for id, nats in zip(ids, costs, strict=True):
            pieces += growing.push(Drawn(id, nats))
        return growing, pieces

    may_end = task.form.stop or task.form.until or writer.tokenizer.kind == "byte"

    def is_whole(ids: Sequence[int]) -> bool:
        if not may_end:
            return False
        return column(ids, [0.0] * len(ids))[0].stopped_by is not None

    found = beam_search(
        writer.stepper,
        beginning,
        width=task.beam,
        length=max(task.form.length, 1),
        power=task.length_power,
        automaton=writer.automaton(task.form),
        is_whole=is_whole,
    )
    grown, pieces = column(found.ids, found.costs)
    if grown.stopped_by is None:  # by its pattern, or by a length in bytes
        pieces += grown.push(None)
    return Sample(0, tuple(pieces), grown.stopped_by or "length")
