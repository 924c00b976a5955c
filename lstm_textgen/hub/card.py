"""
The page about a shared model: what the Hub shows of a repository.

Plain Markdown with a head in YAML. Text that somebody else may have written stands in
code, where it formats nothing. The picture of the loss is made of characters: a
repository holds three files and no image, and nothing in the Hub's documentation says
that it draws images inside the text, or diagrams.

A curve drawn with characters, which every page and every terminal can show.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import OptimizerConfig, TrainConfig
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.ui.model_facts import CELL_NAMES, clock
from lstm_textgen.ui.terminal import sanitize

LICENCES = frozenset(
    "apache-2.0 mit openrail afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause "  # noqa: SIM905
    "bsd-3-clause bsd-3-clause-clear cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 "
    "cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl "
    "gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc mpl-2.0 odbl odc-by osl-3.0 pddl "
    "unlicense zlib".split()
)
"""Licences that the Hub has a name for; any other is `other`."""

WARNING = """\
A character model learns its text by heart where it can, most of all what stands there
often. What it writes may repeat its training text word for word, with names and numbers
that were in it. Do not share a model of a text that you would not share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a card says beside what is in the model itself."""

    name: str
    """Where the model will lie, as `user/repo`."""

    sample: str
    """What it wrote."""

    seed: int
    """With which seed it wrote that."""

    length: int
    """How many characters it was asked for."""

    language: str | None = None
    """The language of the text as a code of two or three letters, if known."""

    config: TrainConfig | None = None
    """How it was trained, where that is still known."""

    curve: Sequence[tuple[int, float]] = ()
    """Its losses in nats per character by step; fewer than two make no picture."""


def model_card(checkpoint: Checkpoint, about: About) -> str:
    """The page, from the three dashes of its head to its last line."""
    parts = [
        _head(checkpoint, about),
        _opening(checkpoint, about),
        _sample(about),
        _training(checkpoint, about.config),
        _losses(checkpoint, about),
        _rights(checkpoint),
    ]
    return "\n\n".join(parts) + "\n"


def _head(checkpoint: Checkpoint, about: About) -> str:
    """What the Hub reads: filters, licence, measured result."""
    training, loss = checkpoint.training, _held_out(checkpoint)
    lines = ["---", "library_name: lstm-textgen", "pipeline_tag: text-generation"]
    licence = _one_line(checkpoint.licence)
    if licence.lower() in LICENCES:
        lines.append(f"license: {licence.lower()}")
    elif licence:
        lines += ["license: other", f"license_name: {_quoted(licence)}"]
    else:
        lines.append("license: unknown")
    if about.language:
        lines += ["language:", f"- {_quoted(about.language)}"]
    tags = (checkpoint.model.cell, "character-level", "text-generation", "safetensors")
    lines += ["tags:", *(f"- {tag}" for tag in tags)]
    if loss is not None:
        lines += [
            "model-index:",
            f"- name: {_quoted(about.name.partition('/')[2])}",
            "  results:",
            "  - task:",
            "      type: text-generation",
            "    dataset:",
            "      type: text",
            f"      name: {_quoted(training.corpus or 'text')}",
            "      split: validation",
            "    metrics:",
            "    - type: bits_per_character",
            "      name: Bits per character",
            f"      value: {loss.bits_per_char:.4f}",
        ]
    return "\n".join([*lines, "---"])


def _opening(checkpoint: Checkpoint, about: About) -> str:
    model, size = checkpoint.model, checkpoint.tokenizer.size
    unit = "bytes" if checkpoint.tokenizer.kind == "byte" else "characters"
    corpus = checkpoint.training.corpus
    learned = f" It has learned from {_code(corpus)}." if corpus else ""
    note = f"\n\n{_block(checkpoint.note)}" if checkpoint.note.strip() else ""
    return (
        f"# {about.name.partition('/')[2]}\n\n"
        f"A network that writes text, {unit[:-1]} by {unit[:-1]}: "
        f"{CELL_NAMES[model.cell]}, {model.layers} x {model.hidden} units, "
        f"{parameter_count(model, size):,} parameters, {size} different {unit}."
        f"{learned}{note}"
    )


def _sample(about: About) -> str:
    return (
        "## Let it write\n\n"
        "    pip install 'lstm-textgen[hub]'\n"
        f"    textgen sample hf://{about.name} --length {about.length} "
        f"--seed {about.seed}\n\n"
        f"This command wrote this, with seed {about.seed}; another machine may round "
        "otherwise and come to another text:\n\n"
        f"{_block(about.sample)}\n\n"
        f"`textgen pull {about.name}` fetches the model and checks it. It is one file "
        "of numbers and JSON, and nothing in it is executed."
    )


def _training(checkpoint: Checkpoint, config: TrainConfig | None) -> str:
    """The text, the settings and what it cost, an item a line."""
    training, made_by = checkpoint.training, checkpoint.made_by
    items = []
    if training.corpus:
        items += [
            f"text: {_code(training.corpus)}, {training.characters:,} characters",
            f"sha256 of the text: {_code(training.sha256)}",
        ]
    items.append(
        f"length: {training.steps:,} steps, {training.epochs:.2f} epochs, "
        f"{clock(training.seconds)} by the clock"
    )
    if checkpoint.model.initial_state == "learned":
        items.append("initial state: learned when the run had ended")
    if training.temperature is not None:
        divided = f"logits divided by {training.temperature:.3f}, in the weights"
        items.append(f"calibration: {divided}")
    if config is not None:
        items += _settings(config.optimizer)
    items.append(f"seed: {training.seed}")
    made = ", ".join(f"{name} {made_by[name]}" for name in sorted(made_by))
    items.append(f"made by: {_code(made)}")
    return "## Training\n\n" + "\n".join(f"- {item}" for item in items)


def _settings(optimizer: OptimizerConfig) -> list[str]:
    rest = f"dropout {optimizer.dropout:g}, weight drop {optimizer.weight_drop:g}"
    return [
        f"windows: {optimizer.streams} streams of {optimizer.window} characters",
        f"learning rate: {optimizer.learning_rate:g}, straight to zero; {rest}",
        f"clip: {optimizer.clip:g}; weight decay: {optimizer.weight_decay:g}; "
        f"beta2: {optimizer.beta2:g}; basis every {optimizer.basis_every} steps",
    ]


def _losses(checkpoint: Checkpoint, about: About) -> str:
    loss = _held_out(checkpoint)
    parts = ["## How well it knows its text"]
    if loss is None:
        parts.append("Nothing of the text was held out, so nobody knows.")
    else:
        parts.append(
            f"{loss.nats_per_char:.4f} nats = **{loss.bits_per_char:.3f} bits per "
            f"character** on the {checkpoint.training.validation_characters:,} "
            "characters that were held out: as unsure as a choice among "
            f"{loss.perplexity:.1f} equally likely characters."
        )
    if len(about.curve) > 1:
        parts.append(
            "Nats per character over the steps of the training; each look reads only a "
            "part of the text"
            + (", and none was calibrated:" if checkpoint.training.temperature else ":")
        )
        parts.append(_block("\n".join(draw_curve(about.curve))))
    return "\n\n".join(parts)


def _rights(checkpoint: Checkpoint) -> str:
    licence = _one_line(checkpoint.licence)
    stated = _code(licence) if licence else "not stated: ask its maker"
    return f"## Licence and a warning\n\nLicence: {stated}.\n\n{WARNING}"


def _held_out(checkpoint: Checkpoint) -> Loss | None:
    nats = checkpoint.training.validation_nats_per_char
    return None if nats is None else Loss(nats, 1)


def _one_line(text: str) -> str:
    """Only characters that show, and no line break."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())


def _quoted(text: str) -> str:
    """As a text in YAML, whose quoted form takes that of JSON."""
    return json.dumps(_one_line(text), ensure_ascii=False)


def _code(text: str) -> str:
    """As code within a line, whatever is in it."""
    line, fence = _one_line(text), "`" * (_backticks(text) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def _block(text: str) -> str:
    """As lines of code, whatever is in them."""
    fence = "`" * max(3, _backticks(text) + 1)
    return f"{fence}text\n{sanitize(text)}\n{fence}"


def _backticks(text: str) -> int:
    """The longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)


EIGHTHS = " ▁▂▃▄▅▆▇█"
"""A cell of the picture, from empty to full."""


def draw_curve(
    points: Sequence[tuple[int, float]], *, width: int = 60, height: int = 8
) -> list[str]:
    """
    A curve as filled blocks, with its highest and its lowest value beside it.

    Args:
        points: At least two, as (step, loss), each step above the one before.
        width: Columns of the picture itself.
        height: Its rows.

    Returns:
        The lines from top to bottom; the last one names the ends of the x axis. The
        lowest value stands an eighth of a row high, so that it can be seen.
    """
    x, y = np.array(points, dtype=float).T
    values = np.interp(np.linspace(x[0], x[-1], width), x, y)
    low, high = float(y.min()), float(y.max())
    share = (values - low) / (high - low) if high > low else np.zeros(width)
    eighths = 1 + np.rint(share * (8 * height - 1)).astype(int)
    lines = []
    for row in range(height - 1, -1, -1):
        cells = np.clip(eighths - 8 * row, 0, 8)
        label = {height - 1: f"{high:.3f}", 0: f"{low:.3f}"}.get(row, "")
        drawn = "".join(EIGHTHS[cell] for cell in cells)
        lines.append(f"{label:>7} │{drawn}".rstrip())
    ends = f"{x[0]:,.0f}", f"{x[-1]:,.0f}"
    lines.append(f"{'':>7} └{'─' * width}")
    lines.append(f"{'':>9}{ends[0]}{ends[1]:>{width - len(ends[0])}}")
    return lines
