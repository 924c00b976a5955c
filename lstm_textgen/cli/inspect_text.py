"""The text that `textgen inspect` reads: typed, from a file, or written just now."""

import secrets
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.cli.inspect_options import FIRST
from lstm_textgen.cli.options import named_texts
from lstm_textgen.config import SampleConfig
from lstm_textgen.config.checks import check, choice
from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.evaluation.part import read_part
from lstm_textgen.insight.clamp import Clamp, ClampedStepper
from lstm_textgen.model.network import CharModel
from lstm_textgen.report.terminal import say
from lstm_textgen.sampling.engine import Stepper
from lstm_textgen.sampling.steppers import make_stepper
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.prompt import OnUnknown, encode_prompt
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import find_source
from lstm_textgen.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Where the text comes from: one of `text`, `file` and `sample`."""

    text: str | None = None
    file: str | None = None
    sample: int | None = None
    first: int = FIRST
    split: str | None = None
    prompt: str = ""
    config: SampleConfig
    has_seed: bool = True
    """Whether the seed was asked for; else one is chosen and told."""
    encoding: str = "utf-8"
    on_unknown: OnUnknown = "error"

    def __post_init__(self) -> None:
        choice("on_unknown", self.on_unknown, typing.get_args(OnUnknown))
        check("first", self.first, 1 <= self.first <= 10**7, "a number from 1 to 10^7")
        ways = {"--text": self.text, "--file": self.file, "--sample": self.sample}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            named = " and ".join(given) or "Nothing"
            what = "is given to read" if not given else "are all given"
            raise ConfigError(
                f"{named} {what}.", "Give one of --text, --file and --sample."
            )
        if self.split is not None and self.file is None:
            problem = f"There is no {self.split} part of what is in no file."
            raise ConfigError(problem, "Give --split with --file.")
        if self.sample is not None:
            check(
                "sample",
                self.sample,
                1 <= self.sample <= 10**6,
                "a number from 1 to 10^6",
            )


@dataclass(frozen=True, slots=True)
class Found:
    """A text, as the model knows it."""

    text: str
    name: str
    opening: str = ""
    """What stood before, and is not shown."""
    unclamped: str | None = None
    """What the model writes with the same seed when nothing is held."""


def find_text(
    reading: Reading,
    checkpoint: Checkpoint,
    model: CharModel,
    clamps: Sequence[Clamp],
    *,
    quiet: bool,
) -> Found:
    """
    The text that is meant.

    Raises:
        TextgenError: It is not there, empty, or holds characters that the model does
            not know.
    """
    tokenizer = checkpoint.tokenizer
    if reading.sample is not None:
        return _written(reading, tokenizer, model, clamps, quiet=quiet)
    if reading.split is not None:
        source = find_source(named_texts([str(reading.file)]))
        ids = read_part(checkpoint, source, reading.split)[: 4 * reading.first]
        found = Found(tokenizer.decode(ids)[: reading.first], source.name)
    elif reading.file is not None:
        source = find_source(named_texts([reading.file]))
        parts = TextReader(source, reading.encoding)
        found = Found(_first(parts, reading.first), source.name)
    else:
        found = Found(reading.text or "", "a text")
    ids, notes = encode_prompt(tokenizer, found.text, reading.on_unknown)
    for note in [] if quiet else notes:
        say(f"note: {note}")
    text = tokenizer.decode(ids)
    if not text:
        raise CorpusError("There is nothing to read.", "Give at least one character.")
    if reading.file is not None and len(text) == reading.first and not quiet:
        say(f"note: the first {len(text):,} characters are read; --first sets how many")
    return replace(found, text=text)


def _first(parts: Iterable[str], count: int) -> str:
    """The beginning of a text, without reading all of it."""
    text = ""
    for part in parts:
        text += part
        if len(text) >= count:
            break
    return text[:count]


def _written(
    reading: Reading,
    tokenizer: Tokenizer,
    model: CharModel,
    clamps: Sequence[Clamp],
    *,
    quiet: bool,
) -> Found:
    """A sample; with clamps also the one that the model writes without them."""
    config, length = reading.config, reading.sample or 0
    if not reading.has_seed:
        config = replace(config, seed=secrets.randbelow(2**32))
        if not quiet:
            say(f"seed {config.seed}")

    def write(stepper: Stepper) -> str:
        writer = Writer(stepper, tokenizer)
        after = writer.write(reading.prompt, length=length, config=config)
        return reading.prompt + after

    free = write(make_stepper(model, characters=length))
    text = write(ClampedStepper(model, clamps)) if clamps else free
    opening = ""
    if not reading.prompt:  # as the writer opens
        opening = "\n" if "\n" in tokenizer else tokenizer.decode([0])
    return Found(text, "what it writes", opening, free if clamps else None)
