"""
The model card: what a hub shows of a repository.

Plain Markdown with YAML front matter. Text that somebody else may have written is put
in code, where it formats nothing. The loss curve is drawn with characters: a repository
holds three files and no image, and the Hub's documentation does not say that it shows
images inside the text, or diagrams.
"""

import json
import re
from collections.abc import Sequence

import numpy as np

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import TrainConfig
from lstm_textgen.evaluation.loss import recorded_loss
from lstm_textgen.remote.repository import Repository
from lstm_textgen.ui.model_facts import CELL_NAMES, clock
from lstm_textgen.ui.terminal import sanitize

SAMPLE_LENGTH = 400
"""Characters of the sample in a card."""

SAMPLE_SEED = 1

HUB_LICENSES = frozenset(
    "apache-2.0 mit openrail afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause "  # noqa: SIM905
    "bsd-3-clause bsd-3-clause-clear cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 "
    "cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl "
    "gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc mpl-2.0 odbl odc-by osl-3.0 pddl "
    "unlicense zlib".split()
)
"""Licenses that the Hub has a name for; any other is `other`."""

WARNING = """\
A character model learns its text by heart where it can, most of all what stands there
often. What it writes may repeat its training text word for word, with names and numbers
that were in it. Do not share a model of a text that you would not share."""


def model_card(
    checkpoint: Checkpoint,
    repository: Repository,
    sample: str,
    *,
    language: str | None = None,
    train_config: TrainConfig | None = None,
    losses: Sequence[tuple[int, float]] = (),
) -> str:
    """
    The whole card, front matter included.

    Args:
        sample: What the model generates at SAMPLE_LENGTH and SAMPLE_SEED.
        language: Of the training text, a code of two or three letters, if known.
        train_config: How the model was trained, if known.
        losses: Nats per character by step; fewer than two make no curve.
    """
    parts = [
        _front_matter(checkpoint, repository.short_name, language),
        _opening(checkpoint, repository.short_name),
        _sample(repository.name, sample),
        _training(checkpoint, train_config),
        _quality(checkpoint, losses),
        _rights(checkpoint),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(checkpoint: Checkpoint, name: str, language: str | None) -> str:
    """What the Hub reads: filters, license, measured result."""
    loss = recorded_loss(checkpoint)
    lines = ["---", "library_name: lstm-textgen", "pipeline_tag: text-generation"]
    license = _one_line(checkpoint.licence)
    if license.lower() in HUB_LICENSES:
        lines.append(f"license: {license.lower()}")
    elif license:
        lines += ["license: other", f"license_name: {_yaml_string(license)}"]
    else:
        lines.append("license: unknown")
    if language:
        lines += ["language:", f"- {_yaml_string(language)}"]
    tags = (checkpoint.model.cell, "character-level", "text-generation", "safetensors")
    lines += ["tags:", *(f"- {tag}" for tag in tags)]
    if loss is not None:
        lines += [
            "model-index:",
            f"- name: {_yaml_string(name)}",
            "  results:",
            "  - task:",
            "      type: text-generation",
            "    dataset:",
            "      type: text",
            f"      name: {_yaml_string(checkpoint.training.corpus or 'text')}",
            "      split: validation",
            "    metrics:",
            "    - type: bits_per_character",
            "      name: Bits per character",
            f"      value: {loss.bits_per_char:.4f}",
        ]
    return "\n".join([*lines, "---"])


def _opening(checkpoint: Checkpoint, name: str) -> str:
    model, size = checkpoint.model, checkpoint.tokenizer.size
    unit = "bytes" if checkpoint.tokenizer.kind == "byte" else "characters"
    corpus = checkpoint.training.corpus
    learned = f" It has learned from {_inline_code(corpus)}." if corpus else ""
    note = f"\n\n{_code_block(checkpoint.note)}" if checkpoint.note.strip() else ""
    return (
        f"# {name}\n\n"
        f"A network that writes text, {unit[:-1]} by {unit[:-1]}: "
        f"{CELL_NAMES[model.cell]}, {model.layers} x {model.hidden} units, "
        f"{parameter_count(model, size):,} parameters, {size} different {unit}."
        f"{learned}{note}"
    )


def _sample(name: str, sample: str) -> str:
    return (
        "## Let it write\n\n"
        "    pip install 'lstm-textgen[hub]'\n"
        f"    textgen sample hf://{name} --length {SAMPLE_LENGTH} "
        f"--seed {SAMPLE_SEED}\n\n"
        f"This command wrote this, with seed {SAMPLE_SEED}; another machine may round "
        "otherwise and come to another text:\n\n"
        f"{_code_block(sample)}\n\n"
        f"`textgen pull {name}` fetches the model and checks it. It is one "
        "file of numbers and JSON, and nothing in it is executed."
    )


def _training(checkpoint: Checkpoint, train_config: TrainConfig | None) -> str:
    """The text, the settings and the cost, as a list."""
    training, made_by = checkpoint.training, checkpoint.made_by
    items = []
    if training.corpus:
        corpus = _inline_code(training.corpus)
        items += [
            f"text: {corpus}, {training.characters:,} characters",
            f"sha256 of the text: {_inline_code(training.sha256)}",
        ]
    items.append(
        f"length: {training.steps:,} steps, {training.epochs:.2f} epochs, "
        f"{clock(training.seconds)} by the clock"
    )
    if checkpoint.model.initial_state == "learned":
        items.append("initial state: learned when the run had ended")
    if training.temperature is not None:
        items.append(
            f"calibration: logits divided by {training.temperature:.3f}, in the weights"
        )
    if train_config is not None:
        optimizer = train_config.optimizer
        items += [
            f"windows: {optimizer.streams} streams of {optimizer.window} characters",
            f"learning rate: {optimizer.learning_rate:g}, straight to zero; "
            f"dropout {optimizer.dropout:g}, weight drop {optimizer.weight_drop:g}",
            f"clip: {optimizer.clip:g}; weight decay: {optimizer.weight_decay:g}; "
            f"beta2: {optimizer.beta2:g}; basis every {optimizer.basis_every} steps",
        ]
    items.append(f"seed: {training.seed}")
    made = ", ".join(f"{name} {made_by[name]}" for name in sorted(made_by))
    items.append(f"made by: {_inline_code(made)}")
    return "## Training\n\n" + "\n".join(f"- {item}" for item in items)


def _quality(checkpoint: Checkpoint, losses: Sequence[tuple[int, float]]) -> str:
    """The validation loss, and the losses over the training as a curve."""
    loss = recorded_loss(checkpoint)
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
    if len(losses) > 1:
        parts.append(
            "Nats per character over the steps of the training; each look reads only a "
            "part of the text"
            + (", and none was calibrated:" if checkpoint.training.temperature else ":")
        )
        parts.append(_code_block("\n".join(draw_curve(losses))))
    return "\n\n".join(parts)


def _rights(checkpoint: Checkpoint) -> str:
    license = _one_line(checkpoint.licence)
    stated = _inline_code(license) if license else "not stated: ask its maker"
    return f"## Licence and a warning\n\nLicence: {stated}.\n\n{WARNING}"


def _one_line(text: str) -> str:
    """Only printable characters, and no line break."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())


def _yaml_string(text: str) -> str:
    """A string in YAML, which accepts those of JSON."""
    return json.dumps(_one_line(text), ensure_ascii=False)


def _inline_code(text: str) -> str:
    """Code within a line, whatever is in it."""
    line, fence = _one_line(text), "`" * (_longest_backticks(text) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def _code_block(text: str) -> str:
    """Lines of code, whatever is in them."""
    fence = "`" * max(3, _longest_backticks(text) + 1)
    return f"{fence}text\n{sanitize(text)}\n{fence}"


def _longest_backticks(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)


EIGHTHS = " ▁▂▃▄▅▆▇█"
"""A cell of the curve, from empty to full."""

CURVE_WIDTH, CURVE_HEIGHT = 60, 8
"""Columns and rows of the curve."""


def draw_curve(points: Sequence[tuple[int, float]]) -> list[str]:
    """
    A curve as filled blocks, with its highest and its lowest value beside it.

    Args:
        points: At least two, as (step, loss) with rising steps.

    Returns:
        The lines from top to bottom; the last one names the ends of the x axis. The
        lowest value is an eighth of a row high, so that it can be seen.
    """
    x, y = np.array(points, dtype=float).T
    values = np.interp(np.linspace(x[0], x[-1], CURVE_WIDTH), x, y)
    low, high = float(y.min()), float(y.max())
    fractions = (values - low) / (high - low) if high > low else np.zeros(CURVE_WIDTH)
    eighths = 1 + np.rint(fractions * (8 * CURVE_HEIGHT - 1)).astype(int)
    lines = []
    for row in reversed(range(CURVE_HEIGHT)):
        cells = np.clip(eighths - 8 * row, 0, 8)
        label = {CURVE_HEIGHT - 1: f"{high:.3f}", 0: f"{low:.3f}"}.get(row, "")
        row_blocks = "".join(EIGHTHS[cell] for cell in cells)
        lines.append(f"{label:>7} │{row_blocks}".rstrip())
    first, last = f"{x[0]:,.0f}", f"{x[-1]:,.0f}"
    lines.append(f"{'':>7} └{'─' * CURVE_WIDTH}")
    lines.append(f"{'':>9}{first}{last:>{CURVE_WIDTH - len(first)}}")
    return lines
