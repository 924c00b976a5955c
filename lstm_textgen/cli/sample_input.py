"""What `textgen sample` reads: models, a mixture of them, the prompt."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lstm_textgen.checkpoint.finding import is_bundled, resolve_checkpoint
from lstm_textgen.cli.sample_run import Output, Task
from lstm_textgen.errors import ConfigError
from lstm_textgen.report.terminal import say, write_text
from lstm_textgen.sampling.engine import Beginning
from lstm_textgen.sampling.mixing import Mixture
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.prompt import encode_prompt
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import find_source
from lstm_textgen.training.machine import choose_machine


def open_writer(
    checkpoint: str | None,
    mix: list[str],
    task: Task,
    *,
    device: str,
    threads: int | None,
    int8: bool,
    quiet: bool,
) -> Writer:
    """
    The model that is meant, or the mixture.

    Raises:
        MissingError: A model is not there.
        CheckpointError: A file is damaged or not one of ours.
        ConfigError: A weight of the mixture is not one.
        UnavailableError: Weights in 8 bits need numba.
    """
    one = len(task.numbers) == 1 and not task.beam
    if threads is None and one:
        threads = 1  # a single text has no use for more
    where = str(choose_machine(device, threads).device)

    def load(path: Path) -> Writer:
        characters = task.form.length if one else 0
        return Writer.load(path, where, characters=characters, int8=int8)

    if not mix:
        path = resolve_checkpoint(checkpoint)
        if checkpoint is None and is_bundled(path) and not quiet:
            say(f"No model in checkpoints/ yet: the bundled model {path.stem} writes.")
        return load(path)
    if checkpoint is not None:
        raise ConfigError(
            f"Both {checkpoint} and --mix name models.", "Name all of them by --mix."
        )
    names, weights = zip(*map(_weighed, mix), strict=True)
    writers = [load(resolve_checkpoint(name)) for name in names]
    mixture = Mixture(
        [writer.stepper for writer in writers],
        [writer.tokenizer for writer in writers],
        weights,
    )
    return Writer(mixture, mixture.tokenizer)


def begin(
    writer: Writer,
    prompt: str | None,
    prompt_file: str | None,
    on_unknown: str,
    output: Output,
) -> tuple[Beginning, str | None]:
    """
    Read the prompt.

    Returns:
        What it leaves behind, and its text. A file may be larger than memory: its
        text is put out while it is read, and not kept.
    """
    if on_unknown not in ("error", "skip", "replace"):
        raise ConfigError(
            f"on-unknown is {on_unknown!r}.", "Set it to error, skip or replace."
        )
    if prompt is not None and prompt_file is not None:
        raise ConfigError(
            "Both --prompt and --prompt-file are given.", "Leave one of them out."
        )
    if prompt_file is None:
        parts: Iterable[str] = [prompt or ""]
        echo = False
    else:
        parts = TextReader(find_source([prompt_file]))
        echo = output.echo and not output.json
    chunks = _encoded(writer, parts, on_unknown, echo, output.quiet)
    return writer.begin(chunks), None if prompt_file is not None else prompt or ""


def _encoded(
    writer: Writer, parts: Iterable[str], on_unknown: str, echo: bool, quiet: bool
) -> Iterator[np.ndarray]:
    """The ids of a prompt, part by part; what was left out or changed is said once."""
    told: set[str] = set()
    offset = 0
    for part in parts:
        ids, notes = encode_prompt(
            writer.tokenizer,
            part,
            on_unknown,  # type: ignore[arg-type]  # checked before
            offset=offset,
        )
        for note in [] if quiet else notes:
            if note not in told:
                say(f"note: {note}")
        told |= set(notes)
        offset += len(part)
        if echo:
            write_text(part)
        yield ids


def _weighed(argument: str) -> tuple[str, float]:
    """MODEL:WEIGHT as its two parts; without a weight it is 1."""
    name, colon, weight = argument.rpartition(":")
    if not colon:
        return argument, 1.0
    try:
        return name, float(weight)
    except ValueError as error:
        raise ConfigError(
            f"The weight in {argument!r} is no number.", "Write MODEL:0.7, say."
        ) from error
