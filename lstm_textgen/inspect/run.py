"""
What `textgen inspect` does: find the text, read it, put out what was found.

The text that `textgen inspect` reads: typed, from a file, or written just now.
"""

import io
import os
import secrets
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lstm_textgen.checkpoint.format import Checkpoint, load_checkpoint
from lstm_textgen.checkpoint.record import read_part
from lstm_textgen.config import ModelConfig, SampleConfig, check, choice
from lstm_textgen.errors import ConfigError, CorpusError, OutputError
from lstm_textgen.files import write_durably
from lstm_textgen.inspect.arrays import check_json, inspection_arrays, inspection_json
from lstm_textgen.inspect.clamp import Clamp, ClampedStepper, parse_clamp
from lstm_textgen.inspect.gates import SIGNALS, Unit, check_place, named, parse_unit
from lstm_textgen.inspect.heatmap_svg import heat_svg
from lstm_textgen.inspect.inspection import Inspection, inspect_text
from lstm_textgen.inspect.options import FIRST
from lstm_textgen.inspect.page import make_page
from lstm_textgen.inspect.view import IN_FULL, ROWS, show_about, show_habits, show_heat
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.weights import build_model
from lstm_textgen.runs.find import find_checkpoint
from lstm_textgen.sampling.backend import Backend, choose_backend
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.text.source import find_source
from lstm_textgen.text.tokenizer import OnUnknown, Tokenizer, encode_prompt
from lstm_textgen.training.machine import choose_machine
from lstm_textgen.ui.options import print_json
from lstm_textgen.ui.progress import reading_bar
from lstm_textgen.ui.terminal import say, write_text

MOST_BYTES = 6 * 2**30
"""What the signals may take in memory; the unit finder takes as much again."""

SHOWN_FROM = 5_000
"""Characters from which reading takes long enough for a bar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is looked at and what is changed, as it was typed."""

    units: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    clamps: tuple[str, ...] = ()

    @property
    def in_full(self) -> bool:
        """Whether all signals of the units are shown, instead of their memory."""
        return 0 < len(self.units) <= IN_FULL


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectOutput:
    """Where it goes; to the terminal where nothing is named."""

    html: Path | None = None
    svg: Path | None = None
    npz: Path | None = None
    json: bool = False
    force: bool = False
    quiet: bool = False

    @property
    def files(self) -> list[Path]:
        """What is to be written."""
        return [path for path in (self.html, self.svg, self.npz) if path is not None]

    def check(self) -> None:
        """
        See that the files can be written, before the work is done.

        Raises:
            OutputError: One is there already, or its folder is not.
        """
        for path in self.files:
            if os.path.lexists(path) and not self.force:
                raise OutputError(
                    f"{path} is there already.", "Choose another name, or add --force."
                )
            if not path.parent.is_dir():
                raise OutputError(
                    f"There is no folder {path.parent}.", "Create it first."
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectInput:
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


def inspect_model(
    argument: str | None,
    reading: InspectInput,
    look: Look,
    output: InspectOutput,
    *,
    threads: int | None,
) -> None:
    """Read the text that is meant with the model that is meant, and put it out."""
    output.check()
    path = find_checkpoint(argument)
    checkpoint = load_checkpoint(path)
    chosen = [parse_unit(name, checkpoint.model) for name in look.units]
    for layer in look.layers:
        check_place(layer, None, checkpoint.model)
    clamps = [parse_clamp(each, checkpoint.model) for each in look.clamps]
    model = build_model(checkpoint, choose_machine("cpu", threads).device)
    found = find_text(reading, checkpoint, model, clamps, quiet=output.quiet)
    if output.json:
        layers = look.layers or range(checkpoint.model.layers)
        asked = len(chosen) or len(set(layers)) * checkpoint.model.hidden
        check_json(len(found.text), asked, checkpoint.model.cell)
    keep = np.float32 if output.json or output.npz is not None else np.float16
    _check_room(len(found.text), checkpoint.model, np.dtype(keep).itemsize)
    length, quiet = len(found.text), output.quiet
    with reading_bar(length, shown_from=SHOWN_FROM, quiet=quiet, unit="") as progress:
        inspection = inspect_text(
            *(model, checkpoint.tokenizer, found.text),
            opening=found.opening,
            clamps=clamps,
            keep=keep,
            progress=progress,
        )
    name = path.parent.name if path.stem == "model" else path.stem
    _put_out(inspection, found, name, chosen, look, output)


@dataclass(frozen=True, slots=True)
class InspectText:
    """A text, as the model knows it."""

    text: str
    name: str
    opening: str = ""
    """What stood before, and is not shown."""
    unclamped: str | None = None
    """What the model writes with the same seed when nothing is held."""


def _put_out(
    inspection: Inspection,
    found: InspectText,
    name: str,
    chosen: list[Unit],
    look: Look,
    output: InspectOutput,
) -> None:
    """Into the files that were named, else onto the terminal."""
    units = list(dict.fromkeys([*chosen, *inspection.ranked(look.layers)]))
    shown = chosen or units[:ROWS]
    if output.html is not None:
        _write_page(inspection, found, name, units, output.html)
    if output.svg is not None:
        title = f"{name} reads {found.name}"
        picture = heat_svg(inspection, shown, in_full=look.in_full, title=title)
        write_durably(output.svg, picture.encode("utf-8"))
    asked = chosen or _units(inspection, look.layers)
    if output.npz is not None:
        _write_arrays(inspection, asked, output.npz)
    if output.json:
        extra = {} if found.unclamped is None else {"unclamped": found.unclamped}
        print_json(inspection_json(inspection, asked) | extra)
    for written in output.files:
        say(f"written: {written}") if output.json else write_text(f"{written}\n")
    if not (output.json or output.files):
        _show(inspection, found, look, shown, output)


def _check_room(characters: int, model: ModelConfig, bytes_each: int) -> None:
    """
    See that the numbers fit into memory, before they are made.

    Raises:
        ConfigError: They take more than `MOST_BYTES`.
    """
    units = model.layers * model.hidden
    needed = characters * units * len(SIGNALS[model.cell]) * bytes_each
    if needed > MOST_BYTES:
        raise ConfigError(
            f"{characters:,} characters of {units:,} units are {needed / 1e9:.0f} GB "
            "of numbers.",
            f"Lower --first or --sample to {characters * MOST_BYTES // needed:,}.",
        )


def _units(inspection: Inspection, layers: tuple[int, ...]) -> list[Unit]:
    """All units of some layers in their order; of all layers where none is named."""
    places = map(inspection.place, range(inspection.units))
    return [unit for unit in places if not layers or unit[0] in layers]


def _show(
    inspection: Inspection,
    found: InspectText,
    look: Look,
    units: list[Unit],
    output: InspectOutput,
) -> None:
    """For people, on the terminal."""
    if found.unclamped is not None:
        write_text(f"-- as it is\n{found.unclamped}\n")
        write_text(f"-- with {', '.join(look.clamps)}\n{inspection.text}\n\n")
    for unit in units:
        words = show_about(inspection, inspection.number(unit))
        write_text(f"{named(unit):7} {words}\n")
    write_text("\n")
    show_heat(inspection, units, in_full=look.in_full, quiet=output.quiet)
    show_habits(inspection)


def _write_page(
    inspection: Inspection, found: InspectText, name: str, units: list[Unit], path: Path
) -> None:
    model = inspection.model
    everyone = list(dict.fromkeys([*units, *inspection.ranked()]))
    facts = (
        f"{model.cell.upper()}, {model.layers} x {model.hidden} units; "
        f"{len(inspection.text):,} characters at {inspection.bits_per_char:.2f} bits "
        "each. Hover over a character, or go there with the arrow keys, to see what "
        "the model expected, what it notes, keeps and gives out."
    )
    page = make_page(
        inspection, title=f"{name} reads {found.name}", facts=facts, ranked=everyone
    )
    write_durably(path, page.encode("utf-8"))


def _write_arrays(inspection: Inspection, units: list[Unit], path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, **inspection_arrays(inspection, units))  # type: ignore[arg-type]
    write_durably(path, file.getbuffer())


def find_text(
    reading: InspectInput,
    checkpoint: Checkpoint,
    model: CharModel,
    clamps: Sequence[Clamp],
    *,
    quiet: bool,
) -> InspectText:
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
        source = find_source(resolve_names([str(reading.file)]))
        ids = read_part(tokenizer, checkpoint.training, source, reading.split)
        ids = ids[: 4 * reading.first]
        found = InspectText(tokenizer.decode(ids)[: reading.first], source.name)
    elif reading.file is not None:
        source = find_source(resolve_names([reading.file]))
        parts = TextReader(source, reading.encoding)
        found = InspectText(_first(parts, reading.first), source.name)
    else:
        found = InspectText(reading.text or "", "a text")
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
    reading: InspectInput,
    tokenizer: Tokenizer,
    model: CharModel,
    clamps: Sequence[Clamp],
    *,
    quiet: bool,
) -> InspectText:
    """A sample; with clamps also the one that the model writes without them."""
    config, length = reading.config, reading.sample or 0
    if not reading.has_seed:
        config = replace(config, seed=secrets.randbelow(2**32))
        if not quiet:
            say(f"seed {config.seed}")

    def write(stepper: Backend) -> str:
        writer = Writer(stepper, tokenizer)
        after = writer.write(reading.prompt, length=length, config=config)
        return reading.prompt + after

    free = write(choose_backend(model, characters=length))
    text = write(ClampedStepper(model, clamps)) if clamps else free
    opening = ""
    if not reading.prompt:  # as the writer opens
        opening = "\n" if "\n" in tokenizer else tokenizer.decode([0])
    return InspectText(text, "what it writes", opening, free if clamps else None)
