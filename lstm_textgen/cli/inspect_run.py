"""What `textgen inspect` does: find the text, read it, put out what was found."""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstm_textgen.checkpoint.durable import write_durably
from lstm_textgen.checkpoint.format import build_model, load_checkpoint
from lstm_textgen.cli.inspect_text import Found, Reading, find_text
from lstm_textgen.cli.options import print_json
from lstm_textgen.config import ModelConfig
from lstm_textgen.errors import ConfigError, OutputError
from lstm_textgen.insight.arrays import as_arrays, as_json, check_json
from lstm_textgen.insight.clamp import parse_clamp
from lstm_textgen.insight.inspection import Inspection, inspect
from lstm_textgen.insight.signals import SIGNALS, Unit, check_place, named, parse_unit
from lstm_textgen.report.heat import show_heat
from lstm_textgen.report.heat_rows import IN_FULL, ROWS
from lstm_textgen.report.heat_svg import heat_svg
from lstm_textgen.report.insight import about, show_habits
from lstm_textgen.report.page import make_page
from lstm_textgen.report.reading import reading_bar
from lstm_textgen.report.terminal import say, write_text
from lstm_textgen.sharing.models import find_checkpoint
from lstm_textgen.training.machine import choose_machine

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
class Output:
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


def run(
    argument: str | None,
    reading: Reading,
    look: Look,
    output: Output,
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
        inspection = inspect(
            *(model, checkpoint.tokenizer, found.text),
            opening=found.opening,
            clamps=clamps,
            keep=keep,
            progress=progress,
        )
    name = path.parent.name if path.stem == "model" else path.stem
    _put_out(inspection, found, name, chosen, look, output)


def _put_out(
    inspection: Inspection,
    found: Found,
    name: str,
    chosen: list[Unit],
    look: Look,
    output: Output,
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
        print_json(as_json(inspection, asked) | extra)
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
    inspection: Inspection, found: Found, look: Look, units: list[Unit], output: Output
) -> None:
    """For people, on the terminal."""
    if found.unclamped is not None:
        write_text(f"-- as it is\n{found.unclamped}\n")
        write_text(f"-- with {', '.join(look.clamps)}\n{inspection.text}\n\n")
    for unit in units:
        words = about(inspection, inspection.number(unit))
        write_text(f"{named(unit):7} {words}\n")
    write_text("\n")
    show_heat(inspection, units, in_full=look.in_full, quiet=output.quiet)
    show_habits(inspection)


def _write_page(
    inspection: Inspection, found: Found, name: str, units: list[Unit], path: Path
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
    np.savez(file, **as_arrays(inspection, units))  # type: ignore[arg-type]
    write_durably(path, file.getbuffer())
