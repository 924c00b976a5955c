"""`textgen inspect`: what happens inside a model while it reads a text."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lstm_textgen.config import ModelConfig, SampleConfig, check, choice, fresh_seed
from lstm_textgen.errors import ConfigError, CorpusError, OutputError
from lstm_textgen.inspect.gates import (
    CELL_SIGNALS,
    Unit,
    check_unit,
    parse_unit,
    unit_name,
)
from lstm_textgen.ui.options import (
    AsJson,
    CheckpointArgument,
    Debug,
    Quiet,
    Threads,
    option,
    print_json,
)

if TYPE_CHECKING:
    from lstm_textgen.checkpoint.format import Checkpoint
    from lstm_textgen.inspect.clamp import Clamp
    from lstm_textgen.inspect.inspection import Inspection
    from lstm_textgen.inspect.view import HeatRow
    from lstm_textgen.model.network import CharModel
    from lstm_textgen.sampling.backend import Backend
    from lstm_textgen.text.tokenizer import Tokenizer

DEFAULT = SampleConfig()

DEFAULT_FIRST = 20_000
"""Characters of a file that are read by default."""

SHOWN_UNITS = 8
"""Units that are shown where none is named."""

MAX_UNITS_IN_FULL = 2
"""Up to so many named units are shown with all their signals, more with memory only."""

MAX_SIGNAL_BYTES = 6 * 2**30
"""What the signals may take in memory; the unit finder takes as much again."""

BAR_FROM = 5_000
"""Characters from which reading takes long enough for a bar."""

text_option = partial(option, rich_help_panel="What is read")

unit_option = partial(option, rich_help_panel="What is looked at")

output_option = partial(option, rich_help_panel="Output")


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectRequest:
    """The options as they were given; what can be checked without a model is."""

    checkpoint: str | None
    text: str | None
    file: str | None
    sample: int | None
    first: int
    split: str | None
    prompt: str
    config: SampleConfig
    has_seed: bool
    """Whether a seed was given; otherwise one is drawn and printed."""
    encoding: str
    on_unknown: str
    units: tuple[str, ...]
    layers: tuple[int, ...]
    clamps: tuple[str, ...]
    html: Path | None
    svg: Path | None
    npz: Path | None
    json: bool
    force: bool
    threads: int | None
    quiet: bool

    def __post_init__(self) -> None:
        choice("on_unknown", self.on_unknown, ("error", "skip", "replace"))
        check("first", self.first, 1 <= self.first <= 10**7, "a number from 1 to 10^7")
        inputs = {"--text": self.text, "--file": self.file, "--sample": self.sample}
        given = [name for name, value in inputs.items() if value is not None]
        if len(given) != 1:
            subject = " and ".join(given) or "Nothing"
            what = "are all given" if given else "is given to read"
            raise ConfigError(
                f"{subject} {what}.", "Give one of --text, --file and --sample."
            )
        if self.split is not None and self.file is None:
            problem = f"There is no {self.split} part of what is in no file."
            raise ConfigError(problem, "Give --split with --file.")
        if self.sample is not None:
            is_valid = 1 <= self.sample <= 10**6
            check("sample", self.sample, is_valid, "a number from 1 to 10^6")

    @property
    def all_signals(self) -> bool:
        """Whether units are shown with all their signals, not their memory alone."""
        return 0 < len(self.units) <= MAX_UNITS_IN_FULL

    @property
    def outputs(self) -> list[Path]:
        """The files to write."""
        return [path for path in (self.html, self.svg, self.npz) if path is not None]


@dataclass(frozen=True, slots=True)
class InspectText:
    """The text to read, in characters that the model knows."""

    text: str
    name: str
    opening: str = ""
    """What came before, and is not shown."""
    unclamped: str | None = None
    """What the model generates with the same seed without clamps."""


def inspect(
    checkpoint: CheckpointArgument = None,
    *,
    text: Annotated[str | None, text_option(help="This text.")] = None,
    file: Annotated[
        str | None,
        text_option(help="A file, a folder, - for stdin, or a corpus name."),
    ] = None,
    sample: Annotated[
        int | None, text_option(help="So many characters that the model writes now.")
    ] = None,
    first: Annotated[
        int, text_option(help="Characters of a file to read.", default=DEFAULT_FIRST)
    ] = DEFAULT_FIRST,
    split: Annotated[
        str | None,
        text_option(
            help="Only this part of the file it was trained on: train, validation or "
            "test."
        ),
    ] = None,
    prompt: Annotated[
        str, text_option("--prompt", "-p", help="What stands before a sample.")
    ] = "",
    seed: Annotated[
        int | None, text_option(help="Same seed, same sample.", default="a fresh one")
    ] = None,
    temperature: Annotated[
        float,
        text_option(
            "--temperature",
            "-t",
            help="Boldness of a sample; 0 is greedy.",
            default=DEFAULT.temperature,
        ),
    ] = DEFAULT.temperature,
    encoding: Annotated[
        str, text_option(help="Encoding of the file.", default="utf-8")
    ] = "utf-8",
    on_unknown: Annotated[
        str,
        text_option(
            help="Unknown characters of the text: error, skip or replace.",
            default="error",
        ),
    ] = "error",
    unit: Annotated[
        list[str] | None,
        unit_option(
            help="This unit, such as 0:17; may be given again.",
            metavar="LAYER:UNIT",
            default="the most interesting",
        ),
    ] = None,
    layer: Annotated[
        list[int] | None,
        unit_option(help="Only this layer, from 0; may be given again.", default="all"),
    ] = None,
    clamp: Annotated[
        list[str] | None,
        unit_option(
            help="Hold a unit or a gate: 0:17=2, forget=1, 1:forget=0, 0:17:input=0.",
            metavar="[LAYER:[UNIT:]]GATE=VALUE",
        ),
    ] = None,
    html: Annotated[
        Path | None, output_option(help="One page with everything in it.")
    ] = None,
    svg: Annotated[
        Path | None, output_option(help="The lines of heat as one picture.")
    ] = None,
    npz: Annotated[
        Path | None, output_option(help="The arrays, for numpy.load.")
    ] = None,
    json: AsJson = False,
    force: Annotated[
        bool, output_option("--force", help="Write over a file that is there.")
    ] = False,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen inspect shakespeare --text "But soft, what light"
    textgen inspect shakespeare --file play.txt --html play.html
    textgen inspect --sample 300 --unit 0:17 --seed 1
    textgen inspect --sample 300 --clamp forget=1

    Read a text and show, character by character, what the gates of the model do, what
    it remembers, what it expects next and how surprised it is. Layers and units are
    counted from 0.
    """
    inspect_model(
        InspectRequest(
            checkpoint=checkpoint,
            text=text,
            file=file,
            sample=sample,
            first=first,
            split=split,
            prompt=prompt,
            config=SampleConfig(temperature=temperature, seed=seed or 0),
            has_seed=seed is not None,
            encoding=encoding,
            on_unknown=on_unknown,
            units=tuple(unit or ()),
            layers=tuple(layer or ()),
            clamps=tuple(clamp or ()),
            html=html,
            svg=svg,
            npz=npz,
            json=json,
            force=force,
            threads=threads,
            quiet=quiet,
        )
    )


def inspect_model(request: InspectRequest) -> None:
    """Read the text with the model, and show or write what happened inside."""
    import numpy as np

    from lstm_textgen.checkpoint.format import load_checkpoint
    from lstm_textgen.inspect.arrays import check_json_size
    from lstm_textgen.inspect.clamp import parse_clamp
    from lstm_textgen.inspect.inspection import inspect_text
    from lstm_textgen.model.machine import choose_machine
    from lstm_textgen.model.weights import build_model
    from lstm_textgen.runs.find import find_checkpoint, model_name
    from lstm_textgen.ui.progress import reading_bar

    _check_outputs(request)
    path = find_checkpoint(request.checkpoint)
    checkpoint = load_checkpoint(path)
    config = checkpoint.model
    chosen = [parse_unit(text, config) for text in request.units]
    for layer in request.layers:
        check_unit(layer, None, config)
    clamps = [parse_clamp(text, config) for text in request.clamps]
    model = build_model(checkpoint, choose_machine("cpu", request.threads).device)
    source = _find_text(request, checkpoint, model, clamps)
    length = len(source.text)
    if request.json:
        layers = len(set(request.layers)) or config.layers
        check_json_size(length, len(chosen) or layers * config.hidden, config.cell)
    exact = request.json or request.npz is not None
    dtype = np.dtype(np.float32 if exact else np.float16)
    _check_memory(length, config, dtype.itemsize)
    with reading_bar(
        length, shown_from=BAR_FROM, quiet=request.quiet, unit=""
    ) as progress:
        inspection = inspect_text(
            model,
            checkpoint.tokenizer,
            source.text,
            opening=source.opening,
            clamps=clamps,
            dtype=dtype,
            progress=progress,
        )
    name = model_name(request.checkpoint, path)
    _put_out(inspection, source, chosen, request, title=f"{name} reads {source.name}")


def _check_outputs(request: InspectRequest) -> None:
    """
    Check that the files can be written, before any work is done.

    Raises:
        OutputError: One exists already, or its folder does not.
    """
    for path in request.outputs:
        if os.path.lexists(path) and not request.force:
            raise OutputError(
                f"{path} is there already.", "Choose another name, or add --force."
            )
        if not path.parent.is_dir():
            raise OutputError(f"There is no folder {path.parent}.", "Create it first.")


def _check_memory(characters: int, model: ModelConfig, bytes_each: int) -> None:
    """
    Check that the signals fit into memory, before they are made.

    Raises:
        ConfigError: They take more than `MAX_SIGNAL_BYTES`.
    """
    units = model.layers * model.hidden
    needed = characters * units * len(CELL_SIGNALS[model.cell].names) * bytes_each
    if needed > MAX_SIGNAL_BYTES:
        fitting = characters * MAX_SIGNAL_BYTES // needed
        raise ConfigError(
            f"{characters:,} characters of {units:,} units are {needed / 1e9:.0f} GB "
            "of numbers.",
            f"Lower --first or --sample to {fitting:,}.",
        )


def _find_text(
    request: InspectRequest,
    checkpoint: "Checkpoint",
    model: "CharModel",
    clamps: Sequence["Clamp"],
) -> InspectText:
    """
    The text that is meant.

    Raises:
        TextgenError: It does not exist, is empty, or has characters that the model
            does not know.
    """
    from lstm_textgen.text.tokenizer import encode_prompt
    from lstm_textgen.ui.terminal import say

    tokenizer = checkpoint.tokenizer
    if request.sample is not None:
        return _sample_text(request, tokenizer, model, clamps)
    if request.file is not None:
        raw, name = _read_file(request, request.file, checkpoint)
    else:
        raw, name = request.text or "", "a text"
    ids, notes = encode_prompt(tokenizer, raw, request.on_unknown)  # type: ignore[arg-type]
    text = tokenizer.decode(ids)
    if request.file is not None and len(text) == request.first:
        notes = [
            *notes,
            f"the first {len(text):,} characters are read; --first sets how many",
        ]
    for note in [] if request.quiet else notes:
        say(f"note: {note}")
    if not text:
        raise CorpusError("There is nothing to read.", "Give at least one character.")
    return InspectText(text, name)


def _read_file(
    request: InspectRequest, file: str, checkpoint: "Checkpoint"
) -> tuple[str, str]:
    """The first characters of a file or of a part of it, and its name."""
    from lstm_textgen.evaluation.part import read_part
    from lstm_textgen.text.reader import TextReader
    from lstm_textgen.text.registry import resolve_names
    from lstm_textgen.text.source import find_source

    source = find_source(resolve_names([file]))
    if request.split is not None:
        tokenizer = checkpoint.tokenizer
        ids = read_part(tokenizer, checkpoint.training, source, request.split)
        text = tokenizer.decode(ids[: 4 * request.first])  # up to 4 bytes a character
    else:
        text = ""
        for part in TextReader(source, request.encoding):
            text += part
            if len(text) >= request.first:
                break
    return text[: request.first], source.name


def _sample_text(
    request: InspectRequest,
    tokenizer: "Tokenizer",
    model: "CharModel",
    clamps: Sequence["Clamp"],
) -> InspectText:
    """A sample; with clamps also the one that the model generates without them."""
    from lstm_textgen.inspect.clamp import ClampedBackend
    from lstm_textgen.sampling.backend import choose_backend
    from lstm_textgen.sampling.writer import Writer
    from lstm_textgen.text.tokenizer import opening_id
    from lstm_textgen.ui.terminal import say

    config, length = request.config, request.sample or 0
    if not request.has_seed:
        config = replace(config, seed=fresh_seed())
        if not request.quiet:
            say(f"seed {config.seed}")

    def generate(backend: "Backend[Any]") -> str:
        writer = Writer(backend, tokenizer)
        return request.prompt + writer.generate(
            request.prompt, length=length, config=config
        )

    unclamped = generate(choose_backend(model, characters=length))
    opening = "" if request.prompt else tokenizer.decode([opening_id(tokenizer)])
    if not clamps:
        return InspectText(unclamped, "what it writes", opening)
    clamped = generate(ClampedBackend(model, clamps))
    return InspectText(clamped, "what it writes", opening, unclamped)


def _put_out(
    inspection: "Inspection",
    source: InspectText,
    chosen: list[Unit],
    request: InspectRequest,
    *,
    title: str,
) -> None:
    """Write the files that were named, else print to the terminal."""
    from lstm_textgen.files import write_durably
    from lstm_textgen.inspect.arrays import inspection_json, inspection_npz
    from lstm_textgen.inspect.heatmap_svg import heatmap_svg
    from lstm_textgen.inspect.page import make_page
    from lstm_textgen.inspect.view import heat_rows
    from lstm_textgen.ui.terminal import say, write_text

    ranked = inspection.ranked(request.layers)
    shown = chosen or ranked[:SHOWN_UNITS]
    rows = heat_rows(inspection, shown, all_signals=request.all_signals)
    listed = chosen or inspection.units_of(request.layers)
    if request.html is not None:
        everyone = list(dict.fromkeys([*chosen, *ranked, *inspection.ranked()]))
        page = make_page(inspection, title=title, ranked=everyone)
        write_durably(request.html, page.encode("utf-8"))
    if request.svg is not None:
        picture = heatmap_svg(inspection.text, rows, title=title)
        write_durably(request.svg, picture.encode("utf-8"))
    if request.npz is not None:
        write_durably(request.npz, inspection_npz(inspection, listed))
    if request.json:
        extra = {} if source.unclamped is None else {"unclamped": source.unclamped}
        print_json(inspection_json(inspection, listed) | extra)
    for path in request.outputs:
        say(f"written: {path}") if request.json else write_text(f"{path}\n")
    if not (request.json or request.outputs):
        _show(inspection, source, request, shown, rows)


def _show(
    inspection: "Inspection",
    source: InspectText,
    request: InspectRequest,
    units: Sequence[Unit],
    rows: Sequence["HeatRow"],
) -> None:
    """Print the text with heat rows, then tables."""
    from lstm_textgen.inspect.view import describe_unit, show_habits, show_heat
    from lstm_textgen.ui.terminal import write_text

    if source.unclamped is not None:
        write_text(f"-- as it is\n{source.unclamped}\n")
        write_text(f"-- with {', '.join(request.clamps)}\n{inspection.text}\n\n")
    for unit in units:
        write_text(f"{unit_name(unit):7} {describe_unit(inspection, unit)}\n")
    write_text("\n")
    show_heat(inspection, rows, quiet=request.quiet)
    show_habits(inspection)
