"""What `textgen sample` reads: models, a mixture of them, the prompt."""

import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from lstm_textgen.cli.sample_output import SampleOutput, SampleRequest
from lstm_textgen.config import choice
from lstm_textgen.errors import ConfigError
from lstm_textgen.runs.find import find_checkpoint, is_bundled
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.mixture import MixtureBackend
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import find_source
from lstm_textgen.text.tokenizer import OnUnknown, encode_prompt
from lstm_textgen.training.machine import Machine, choose_machine
from lstm_textgen.training.speed import products_pay
from lstm_textgen.ui.terminal import say, write_text


def open_writer(
    checkpoint: str | None,
    mix: list[str],
    task: SampleRequest,
    *,
    device: str,
    threads: int | None,
    precision: str,
    quiet: bool,
) -> Writer:
    """
    The model that is meant, or the mixture.

    Raises:
        MissingError: A model is not there.
        CheckpointError: A file is damaged or not one of ours.
        ConfigError: A weight of the mixture is not one, or the precision.
        UnavailableError: Weights in 8 bits need numba.
    """
    one = len(task.numbers) == 1 and not task.beam
    if threads is None and one:
        threads = 1  # a single text has no use for more
    machine = choose_machine(device, threads)
    if precision == "bfloat16" and not quiet:
        _note_what_does_not_pay(machine)

    def load(path: Path) -> Writer:
        characters = task.form.length if one else 0
        return Writer.load(
            path, str(machine.device), characters=characters, precision=precision
        )

    if not mix:
        path = find_checkpoint(checkpoint)
        if checkpoint is None and is_bundled(path) and not quiet:
            say(f"No model in checkpoints/ yet: the bundled model {path.stem} writes.")
        return load(path)
    if checkpoint is not None:
        raise ConfigError(
            f"Both {checkpoint} and --mix name models.", "Name all of them by --mix."
        )
    names, weights = zip(*map(_weighed, mix), strict=True)
    writers = [load(find_checkpoint(name)) for name in names]
    mixture = MixtureBackend(
        [writer.stepper for writer in writers],
        [writer.tokenizer for writer in writers],
        weights,
    )
    return Writer(mixture, mixture.tokenizer)


def _note_what_does_not_pay(machine: Machine) -> None:
    """A line where bfloat16 was asked for and is not clearly faster."""
    if machine.device.type == "cpu" and not products_pay(machine):
        say(
            "note: this processor is not clearly faster in bfloat16; "
            "--precision float32 suits it better."
        )


def check_interactive(
    task: SampleRequest, output: SampleOutput, source: "PromptSource"
) -> None:
    """
    A session is one text that grows, between a person and the model.

    Raises:
        ConfigError: Something was asked for that has no meaning there.
    """
    many = len(task.numbers) > 1 or task.first_sample or task.beam
    if many or task.alternatives or output.json or output.colour:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSource:
    """Where the prompt comes from."""

    text: str | None = None
    file: str | None = None
    encoding: str = "utf-8"
    on_unknown: OnUnknown = "error"

    def __post_init__(self) -> None:
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
        if self.file is None:
            return [self.text or ""]
        return TextReader(find_source([self.file]), self.encoding)


def begin(
    writer: Writer, source: PromptSource, output: SampleOutput, *, keep: bool
) -> tuple[ReadPrompt, str]:
    """
    Read the prompt.

    Args:
        writer: What reads it.
        source: Where it comes from.
        output: Whether to show it, and to tell what became of unknown characters.
        keep: Keep the text of a file too. It may be larger than memory: otherwise
            it is put out while it is read.

    Returns:
        What it leaves behind, and its text, as far as it is kept.
    """
    kept: list[str] = []
    shown = source.file is not None and not keep and output.echo and not output.json

    def ids() -> Iterator[Integer[np.ndarray, "_"]]:
        told: set[str] = set()
        offset = 0
        for part in source.parts():
            read, notes = encode_prompt(
                writer.tokenizer, part, source.on_unknown, offset=offset
            )
            for note in [] if output.quiet else notes:
                if note not in told:
                    say(f"note: {note}")
            told |= set(notes)
            offset += len(part)
            if shown:
                write_text(part)
            if source.file is None or keep:
                kept.append(part)
            yield read

    return writer.begin(ids()), "".join(kept)


def _weighed(argument: str) -> tuple[str, float]:
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
