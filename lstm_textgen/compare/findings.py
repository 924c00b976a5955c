"""
What a comparison found: figures as table rows, and sentences that follow from them.

Terminal and page show the same rows and sentences.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lstm_textgen.compare.measure import CONTEXT_LENGTHS, MIN_GAIN_NATS, REACH_WINDOW
from lstm_textgen.compare.results import (
    RATIO_AT,
    SIGNIFICANT_ERRORS,
    CellOnTask,
    Spread,
    StudyResult,
    TaskResult,
    TextResult,
    gradient_left,
)
from lstm_textgen.compare.tasks import MAX_DISTANCE
from lstm_textgen.config import Cell
from lstm_textgen.ui.model_facts import CELL_NAMES

MIN_GAP_NATS = 0.02
"""By how much losses must differ for a sentence to say so."""

MIN_GAP_ACCURACY = 0.05
"""By how much accuracies must differ for a cell to be ahead or behind."""

NEGLIGIBLE = 1e-4
"""Fraction of a gradient that is practically nothing."""

AGREEMENT_DISTANCE = 64
"""The distance of the agreement task that a sentence is about."""

NEARLY_ALWAYS = 0.95

NOTHING = "nothing that was measured here"

MAX_CONTEXT = CONTEXT_LENGTHS[-1]

TABLE_DISTANCES = (16, 64, 256)
"""Distances of the recall tasks that have room in the table."""


Row = tuple[str, tuple[str, ...]]
"""What it is, and a figure for each cell."""


@dataclass(frozen=True, slots=True)
class TableSection:
    """Rows of the table below a title; the first section has none."""

    title: str
    rows: Sequence[Row]


TEXT_ROWS: tuple[tuple[str, Callable[[TextResult], str]], ...] = (
    ("nats per character", lambda text: format_spread(text.nats_per_char, ".3f")),
    ("seconds", lambda text: format_spread(text.seconds, ".0f")),
    ("gradient, untrained", lambda text: format_reach(text.reach_untrained)),
    ("gradient, trained", lambda text: format_reach(text.reach_trained)),
    ("useful context", lambda text: format_limits(text.context_end, MAX_CONTEXT)),
)


def table_sections(result: StudyResult) -> list[TableSection]:
    """The table: terms, what was learned from the text, and each task."""
    terms, texts = result.terms, result.texts
    rows: list[Row] = [
        ("units", tuple(str(cell.hidden) for cell in terms)),
        ("recurrent parameters", tuple(f"{c.recurrent_parameters:,}" for c in terms)),
        ("kernel", tuple(cell.kernel.split(",")[0] for cell in terms)),
        ("learning rate", tuple(f"{text.choice.rate:g}" for text in texts)),
    ]
    text_rows = [(name, tuple(map(figure, texts))) for name, figure in TEXT_ROWS]
    return [
        TableSection("", rows),
        TableSection(f"{result.characters_read:,} characters read", text_rows),
        *map(_task_section, result.tasks),
    ]


def _task_section(task: TaskResult) -> TableSection:
    rows: list[Row] = []
    for distance in TABLE_DISTANCES:
        percents = [
            Spread.over(100 * accuracy for accuracy in cell.accuracies_at(distance))
            for cell in task.cells
        ]
        figures = tuple(format_spread(percent, ".1f", " %") for percent in percents)
        rows.append((f"right at {distance}", figures))
    half_way = tuple(format_limits(cell.half_way, MAX_DISTANCE) for cell in task.cells)
    rows.append(("half way down at", half_way))
    return TableSection(f"{task.name}, {task.baseline:.1%} by guessing", rows)


def format_spread(spread: Spread, form: str, unit: str = "") -> str:
    """Mean and half the range over seeds: `1.612 ± 0.008`; `-` without any."""
    if spread.mean is None or spread.low is None or spread.high is None:
        return "-"
    mean = format(spread.mean, form)
    if spread.known == 1:
        return f"{mean}{unit}"
    return f"{mean} ± {format((spread.high - spread.low) / 2, form)}{unit}"


def format_limits(spread: Spread, most: int) -> str:
    """
    From the lowest to the highest seed: `57`, `13 to 16`, or `8 to over 511`.

    Args:
        spread: None stands for a limit beyond *most*.
        most: The largest that can be measured.
    """
    if not spread.each:
        return "-"
    ends = (spread.low, None if None in spread.each else spread.high)
    words = [f"over {most}" if end is None else f"{end:.0f}" for end in ends]
    return " to ".join(dict.fromkeys(words))


def format_reach(spread: Spread) -> str:
    """Where gradients end, within the window in which they are followed."""
    return format_limits(spread, REACH_WINDOW - 1)


def finding_sentences(result: StudyResult) -> list[str]:
    """The main sentences of a report, the strongest first."""
    agreement = [task for task in result.tasks if task.name == "agreement"]
    return [
        *map(_agreement_sentence, agreement),
        *_rnn_sentences(result),
        *_reach_sentence(result),
        *_ratio_sentences(result),
        *_context_sentence(result),
        *_loss_sentence(result),
    ]


def _listed(start: str, parts: Sequence[str], separator: str = "; ") -> list[str]:
    """A sentence that lists *parts*; none without any."""
    return [f"{start}: {separator.join(parts)}."] if parts else []


def cautions(result: StudyResult) -> list[str]:
    """What a reader should know before quoting a figure."""
    notes = []
    if result.seeds == 1:
        notes.append("One seed only: another one may come out differently.")
    measured: list[tuple[str, TextResult | CellOnTask]] = [
        ("the text", text) for text in result.texts
    ]
    measured += [(task.title, cell) for task in result.tasks for cell in task.cells]
    for subject, cell in measured:
        if cell.diverged:
            notes.append(
                f"{CELL_NAMES[cell.cell]}, {subject}: {cell.diverged} of "
                f"{result.seeds} seeds ran away and are left out."
            )
    named = [
        (f"{CELL_NAMES[c.cell]} on {subject}", c.choice) for subject, c in measured
    ]
    if by_chance := [name for name, choice in named if choice.by_chance]:
        notes.append(
            "No learning rate did better than guessing in its trial, so the middle one "
            f"was taken: {', '.join(by_chance)}."
        )
    if at_edge := [name for name, choice in named if choice.at_edge]:
        notes.append(
            "The best learning rate was the lowest or highest that was tried, so a "
            f"better one may lie beyond: {', '.join(at_edge)}."
        )
    return notes


def _agreement_sentence(task: TaskResult) -> str:
    parts = []
    for cell in task.cells:
        accuracies = cell.accuracies_at(AGREEMENT_DISTANCE)
        if not accuracies:
            continue
        falls = "never half way down"
        if cell.half_way.known:
            falls = f"half way down at {format_limits(cell.half_way, MAX_DISTANCE)}"
        accuracy = f"{sum(accuracies) / len(accuracies):.1%}"
        right = ""
        if len(accuracies) > 1:  # a mean may hide that some are nearly always right
            accuracy += f" ({min(accuracies):.1%} to {max(accuracies):.1%})"
            good = sum(accuracy >= NEARLY_ALWAYS for accuracy in accuracies)
            right = f" ({good} of {len(accuracies)} networks right in 95%)"
        parts.append(f"{CELL_NAMES[cell.cell]} {accuracy}, {falls}{right}")
    return (
        f"Was or were, {AGREEMENT_DISTANCE} characters after the subject: "
        f"{'; '.join(parts)}. Without memory: {task.baseline:.0%}."
    )


def _rnn_sentences(result: StudyResult) -> list[str]:
    """Where the classic network keeps up with the LSTM, and where it does not."""
    texts = {text.cell: text for text in result.texts}
    if not {"lstm", "rnn"} <= texts.keys():
        return []
    keeps_up, behind, ahead, unlearned = [], [], [], []
    for task in result.tasks:
        verdict = task_verdict(task, "rnn", "lstm", result.questions)
        if verdict is None:
            continue  # all diverged: a caution says so
        if not verdict.learned:
            unlearned.append(task.title)
        elif verdict.behind_from is None and verdict.ahead_from is None:
            keeps_up.append(task.title)
        if verdict.behind_from is not None:
            behind.append(f"{task.title} from {verdict.behind_from:.0f} characters on")
        if verdict.ahead_from is not None:
            ahead.append(f"{task.title} from {verdict.ahead_from:.0f} characters on")
    lstm_nats, rnn_nats = (texts[cell].nats_per_char.mean for cell in ("lstm", "rnn"))
    if lstm_nats is not None and rnn_nats is not None:
        gap = rnn_nats - lstm_nats
        if abs(gap) > MIN_GAP_NATS:
            where = behind if gap > 0 else ahead
            where.append(f"the text, by {abs(gap):.3f} nats per character")
        else:
            keeps_up.append("the text")
    return [
        *_listed("The classic RNN keeps up with the LSTM in", keeps_up),
        *_listed("The classic RNN falls behind the LSTM in", behind or [NOTHING]),
        *_listed("The classic RNN is ahead of the LSTM in", ahead),
        *_listed("Neither learned in this time", unlearned),
    ]


def _reach_sentence(result: StudyResult) -> list[str]:
    ends = [
        f"{CELL_NAMES[text.cell]} {format_reach(text.reach_trained)} "
        f"({format_reach(text.reach_untrained)} untrained)"
        for text in result.texts
        if text.trained.y
    ]
    start = (
        "Characters back from which on the gradient stays under 1 % of that at k = 1"
    )
    return _listed(start, ends, ", ")


def _ratio_sentences(result: StudyResult) -> list[str]:
    """How much more of its gradient the LSTM keeps, and how little that may be."""
    left = {}
    for text in result.texts:
        by_seed = gradient_left(text, trained=True)
        left[text.cell] = sum(by_seed.values()) / len(by_seed) if by_seed else 0.0
    sentences = []
    for cell, ratio in result.reach_ratios:
        if ratio.low is None or ratio.high is None:
            continue
        ends = dict.fromkeys([format_number(ratio.low), format_number(ratio.high)])
        both = [left["lstm"], left[cell]]
        negligible = ", both practically nothing" if max(both) < NEGLIGIBLE else ""
        sentences.append(
            f"Of its gradient at k = 1 the LSTM keeps {' to '.join(ends)} times as "
            f"much as the {CELL_NAMES[cell]} {RATIO_AT} characters back: "
            f"{' and '.join(map(format_number, both))}{negligible}."
        )
    return sentences


def format_number(value: float) -> str:
    """A figure of any size: `0.12`, `35`, `4e-7`, `2e9`."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.2g}"
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}e{int(exponent)}"


def _context_sentence(result: StudyResult) -> list[str]:
    ends = [
        f"{CELL_NAMES[text.cell]} {format_limits(text.context_end, MAX_CONTEXT)}"
        for text in result.texts
        if text.context_end.each
    ]
    gain = f"Characters of context that still help by {MIN_GAIN_NATS} nats"
    return _listed(f"{gain}, when reading this text", ends, ", ")


def _loss_sentence(result: StudyResult) -> list[str]:
    losses = [
        f"{CELL_NAMES[text.cell]} {format_spread(text.nats_per_char, '.3f')} nats in "
        f"{format_spread(text.seconds, '.0f')} s"
        for text in result.texts
        if text.nats_per_char.each
    ]
    read = f"After {result.characters_read:,} characters read"
    return _listed(f"{read}, nats per held-out character", losses, ", ")


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """One cell beside another on one task."""

    learned: bool
    """Whether either is half way from guessing to perfect at any distance."""
    behind_from: float | None
    """The first distance at which it is clearly less often right."""
    ahead_from: float | None
    """The first distance at which it is clearly more often right."""


def task_verdict(
    task: TaskResult, cell: Cell, other: Cell, questions: int
) -> TaskVerdict | None:
    """
    Compare one cell with another, where at least one of them has learned something.

    Args:
        task: What was asked.
        cell: The one that is judged.
        other: The one that it is compared with.
        questions: Per network and distance.

    Returns:
        None where all networks of one of them diverged.
    """
    curves = {result.cell: result.accuracy for result in task.cells}
    own, others = curves[cell], curves[other]
    if not (own.y and others.y):
        return None
    middle = (1 + task.baseline) / 2
    behind: list[float] = []
    ahead: list[float] = []
    learned = False
    for distance, a, b in zip(own.x, own.mean(), others.mean(), strict=True):
        if max(a, b) < middle:
            continue
        learned = True
        variance = a * (1 - a) / (questions * len(own.y))
        variance += b * (1 - b) / (questions * len(others.y))
        luck = SIGNIFICANT_ERRORS * math.sqrt(variance)
        if abs(a - b) > max(MIN_GAP_ACCURACY, luck):
            (behind if a < b else ahead).append(distance)
    return TaskVerdict(learned, next(iter(behind), None), next(iter(ahead), None))
