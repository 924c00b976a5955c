"""
What a comparison found, in sentences that follow from its figures.

Whether a cell keeps up with another on a task: by what is clear, not by luck.

A comparison on a terminal: one column for each cell, within 80 characters.
"""

import math
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_textgen.compare.results import (
    CellOnTask,
    CellOnText,
    OnTask,
    Spread,
    StudyResult,
)
from lstm_textgen.ui.model_facts import CELL_NAMES
from lstm_textgen.ui.terminal import sanitize, say

CAPACITY = (
    "All three cells can store about as much: Collins, Sohl-Dickstein and Sussillo "
    "(2017), Capacity and Trainability in Recurrent Neural Networks, measured about "
    "5 bits per parameter for each of them. What differs is what training reaches, "
    "and that is what is drawn here."
)

CAPACITY_LINK = "https://arxiv.org/abs/1611.09913"

BEHIND_NATS = 0.02
"""By how much a loss must differ to be told."""

NOTHING = 1e-4
"""Share of a gradient that is practically nothing."""


def spread_in_words(figures: Spread, form: str = ".3f", none: str = "-") -> str:
    """Mean and half the range over seeds: `1.612 ± 0.008`."""
    mean = figures.mean
    if mean is None:
        return none
    text = format(mean, form)
    half = (max(figures.known) - min(figures.known)) / 2
    return f"{text} ± {format(half, form)}" if len(figures.known) > 1 else text


def limit(figures: Spread, most: int) -> str:
    """Some limits, as `57`, `13 to 16`, or `8 to over 511` beyond what was seen."""
    if not figures.each:
        return "-"
    low = min(figures.known, default=None)
    high = None if None in figures.each else max(figures.known)
    named = [f"over {most}" if each is None else f"{each:.0f}" for each in (low, high)]
    return " to ".join(dict.fromkeys(named))


def finding_sentences(found: StudyResult) -> list[str]:
    """The main sentences of a report, the strongest first."""
    sentences = [_agreement(task) for task in found.tasks if task.name == "agreement"]
    sentences += _rnn_sentences(found)
    sentences += _reach(found)
    sentences += _context_sentence(found) + _loss_sentence(found)
    return sentences


def cautions(found: StudyResult) -> list[str]:
    """What a reader should know before quoting a figure."""
    notes = []
    if found.seeds == 1:
        notes.append("One seed only: another one may come out differently.")
    everything = [("the text", each) for each in found.texts] + [
        (task.title, each) for task in found.tasks for each in task.cells
    ]
    for where, each in everything:
        if each.diverged:
            notes.append(
                f"{CELL_NAMES[each.cell]}, {where}: {each.diverged} of "
                f"{found.seeds} seeds ran away and are left out."
            )
    unknown = [
        f"{CELL_NAMES[c.cell]} on {where}"
        for where, c in everything
        if c.choice.by_chance
    ]
    if unknown:
        notes.append(
            "No learning rate did better than guessing in its trial, so the middle one "
            f"was taken: {', '.join(unknown)}."
        )
    edges = [
        f"{CELL_NAMES[c.cell]} on {where}"
        for where, c in everything
        if c.choice.at_edge
    ]
    if edges:
        notes.append(
            "The best learning rate was the lowest or highest that was tried, so a "
            f"better one may lie beyond: {', '.join(edges)}."
        )
    return notes


def _percent(cell: CellOnTask, distance: int) -> str:
    at = cell.accuracy.x.index(distance)
    low, mean, high = (
        cell.accuracy.low()[at],
        cell.accuracy.mean()[at],
        cell.accuracy.high()[at],
    )
    same = len(cell.accuracy.y) == 1
    return f"{mean:.1%}" if same else f"{mean:.1%} ({low:.1%} to {high:.1%})"


def _agreement(task: OnTask) -> str:
    parts = []
    for cell in task.cells:
        if not cell.accuracy.y:
            continue
        falls = "never half way down"
        if cell.half_way.known:
            falls = f"half way down at {limit(cell.half_way, 256)}"
        parts.append(
            f"{CELL_NAMES[cell.cell]} {_percent(cell, 64)}, {falls}{_safe(cell)}"
        )
    return (
        "Was or were, 64 characters after the subject: "
        f"{'; '.join(parts)}. Without memory: {task.baseline:.0%}."
    )


def _safe(cell: CellOnTask) -> str:
    """How many networks are nearly always right there; a mean may hide that."""
    rows, at = cell.accuracy.y, cell.accuracy.x.index(64)
    good = sum(row[at] >= 0.95 for row in rows)
    return f" ({good} of {len(rows)} networks right in 95%)" if len(rows) > 1 else ""


def _rnn_sentences(found: StudyResult) -> list[str]:
    """Whether the classic network keeps up, and where it does not."""
    lstm, rnn = (_on_text(found, cell) for cell in ("lstm", "rnn"))
    if lstm is None or rnn is None:
        return []
    kept, behind, ahead, unlearned = [], [], [], []
    for task in found.tasks:
        told = verdict(task, "rnn", "lstm", found.questions)
        if told is None:
            continue  # all ran away: a caution says so
        if not told.learned:
            unlearned.append(task.title)
        elif told.behind_from is None and told.ahead_from is None:
            kept.append(task.title)
        if told.behind_from is not None:
            behind.append(f"{task.title} from {told.behind_from:.0f} characters on")
        if told.ahead_from is not None:
            ahead.append(f"{task.title} from {told.ahead_from:.0f} characters on")
    gap = _gap(lstm.nats_per_char, rnn.nats_per_char)
    if abs(gap) > BEHIND_NATS:
        where = behind if gap > 0 else ahead
        where.append(f"the text, by {abs(gap):.3f} nats per character")
    elif lstm.nats_per_char.known and rnn.nats_per_char.known:
        kept.append("the text")
    sentences = [
        f"The classic RNN {words}: {'; '.join(names)}."
        for words, names in (
            ("keeps up with the LSTM in", kept),
            ("falls behind the LSTM in", behind or ["nothing that was measured here"]),
            ("is ahead of the LSTM in", ahead),
        )
        if names
    ]
    if unlearned:
        sentences.append(f"Neither learned in this time: {'; '.join(unlearned)}.")
    return sentences


def _gap(ours: Spread, theirs: Spread) -> float:
    if ours.mean is None or theirs.mean is None:
        return 0.0
    return theirs.mean - ours.mean


def _reach(found: StudyResult) -> list[str]:
    """How far gradients go, and what is left of them 100 characters back."""
    ends = [
        f"{CELL_NAMES[each.cell]} {limit(each.reach_trained, 511)} "
        f"({limit(each.reach_untrained, 511)} untrained)"
        for each in found.texts
        if each.trained.y
    ]
    sentences = []
    if ends:
        sentences.append(
            "Characters back from which on the gradient stays under 1 % of that at "
            f"k = 1: {', '.join(ends)}."
        )
    for cell, ratio in found.reach_ratios:
        if not ratio.known:
            continue
        sentences.append(
            f"Of its gradient at k = 1 the LSTM keeps {_times(ratio)} times as much as "
            f"the {CELL_NAMES[cell]} 100 characters back{_of_nothing(found, cell)}."
        )
    return sentences


def _of_nothing(found: StudyResult, cell: str) -> str:
    """Both shares, and whether they are worth comparing."""
    ours, theirs = (_share_kept(found, each) for each in ("lstm", cell))
    words = f": {_power(ours)} and {_power(theirs)}"
    nothing = max(ours, theirs) < NOTHING
    return f"{words}, both practically nothing" if nothing else words


def _share_kept(found: StudyResult, cell: str) -> float:
    """The mean over seeds of a trained gradient at k = 100 by that at k = 1."""
    text = _on_text(found, cell)
    rows = [row for row in text.trained.y if row[1]] if text else []
    return sum(row[100] / row[1] for row in rows) / len(rows) if rows else 0.0


def _times(ratios: Spread) -> str:
    """From the lowest to the highest seed."""
    ends = dict.fromkeys(_power(end) for end in (min(ratios.known), max(ratios.known)))
    return " to ".join(ends)


def _power(value: float) -> str:
    """A figure of any size: `0.12`, `35`, `4e-7`, `2e9`."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.2g}"
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}e{int(exponent)}"


def _context_sentence(found: StudyResult) -> list[str]:
    parts = [
        f"{CELL_NAMES[each.cell]} {limit(each.context_end, 512)}"
        for each in found.texts
        if each.context_end.each
    ]
    if not parts:
        return []
    return [
        "Characters of context that still help by 0.01 nats, when reading this text: "
        f"{', '.join(parts)}."
    ]


def _loss_sentence(found: StudyResult) -> list[str]:
    parts = [
        f"{CELL_NAMES[each.cell]} {spread_in_words(each.nats_per_char)} nats in "
        f"{spread_in_words(each.seconds, '.0f')} s"
        for each in found.texts
        if each.nats_per_char.each
    ]
    if not parts:
        return []
    return [
        f"After {found.characters_read:,} characters read, nats per held-out "
        f"character: {', '.join(parts)}."
    ]


def _on_text(found: StudyResult, cell: str) -> CellOnText | None:
    return next((each for each in found.texts if each.cell == cell), None)


KEEPS_UP = 0.05
"""Share of right answers by which a cell may be behind and still keeps up."""

CLEAR = 3.0
"""Standard errors, of the questions that were asked, beyond which it is not luck."""


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """One cell beside another on one task."""

    learned: bool
    """Whether either is half way from guessing to perfect at any distance."""
    behind_from: float | None
    """The first distance at which it is clearly less often right."""
    ahead_from: float | None
    """The first distance at which it is clearly more often right."""


def verdict(task: OnTask, cell: str, beside: str, questions: int) -> TaskVerdict | None:
    """
    Hold one cell to another, where at least one of them knows anything.

    Args:
        task: What was asked.
        cell: The one that is judged.
        beside: The one that it is held to.
        questions: By which each network was judged, at each distance.

    Returns:
        None where all networks of one of them ran away.
    """
    cells = {each.cell: each for each in task.cells}
    ours, theirs = cells[cell], cells[beside]  # type: ignore[index]
    if not (ours.accuracy.y and theirs.accuracy.y):
        return None
    middle = (1 + task.baseline) / 2
    behind: list[float] = []
    ahead: list[float] = []
    learned = False
    means = ours.accuracy.mean(), theirs.accuracy.mean()
    for distance, own, other in zip(ours.accuracy.x, *means, strict=True):
        if max(own, other) < middle:
            continue
        learned = True
        errors = _error(own, ours, questions), _error(other, theirs, questions)
        if abs(own - other) > max(KEEPS_UP, CLEAR * math.hypot(*errors)):
            (behind if own < other else ahead).append(distance)
    return TaskVerdict(learned, next(iter(behind), None), next(iter(ahead), None))


def _error(share: float, cell: CellOnTask, questions: int) -> float:
    """The standard error of a mean share of right answers."""
    return math.sqrt(share * (1 - share) / (questions * len(cell.accuracy.y)))


NARROW = 80

SHOWN_DIGITS = (16, 64, 256)
"""Distances of the recall tasks that have room in the table."""


def show_result(found: StudyResult) -> None:
    """The figures on stdout, what they mean on stderr."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for terms in found.terms:
        table.add_column(CELL_NAMES[terms.cell], justify="right", no_wrap=True)
    for heading, cells in rows(found):
        style = "bold" if not any(cells) else ""
        table.add_row(*(Text(sanitize(each), style) for each in (heading, *cells)))
    width = None if sys.stdout.isatty() else NARROW
    Console(width=width).print(table)


def say_findings(found: StudyResult) -> None:
    """The sentences that follow from the figures, on stderr."""
    for sentence in finding_sentences(found):
        say(sentence)
    for note in cautions(found):
        say(f"note: {note}")


def rows(found: StudyResult) -> list[tuple[str, tuple[str, ...]]]:
    """Every line of the table: what it is, and a figure for each cell."""
    empty = tuple("" for _ in found.terms)
    table = [
        ("units", tuple(str(each.hidden) for each in found.terms)),
        (
            "recurrent parameters",
            tuple(f"{each.recurrent_parameters:,}" for each in found.terms),
        ),
        ("kernel", tuple(each.kernel.split(",")[0] for each in found.terms)),
        ("learning rate", tuple(f"{each.choice.rate:g}" for each in found.texts)),
        (f"{found.characters_read:,} characters read", empty),
        *_text_rows(found.texts),
    ]
    for task in found.tasks:
        table.append((f"{task.name}, {task.baseline:.1%} by guessing", empty))
        table += _task_rows(task.cells)
    return table


def _text_rows(texts: tuple[CellOnText, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (
            "  nats per character",
            tuple(spread_in_words(each.nats_per_char) for each in texts),
        ),
        ("  seconds", tuple(spread_in_words(each.seconds, ".0f") for each in texts)),
        (
            "  gradient, untrained",
            tuple(limit(each.reach_untrained, 511) for each in texts),
        ),
        (
            "  gradient, trained",
            tuple(limit(each.reach_trained, 511) for each in texts),
        ),
        ("  useful context", tuple(limit(each.context_end, 512) for each in texts)),
    ]


def _task_rows(cells: tuple[CellOnTask, ...]) -> list[tuple[str, tuple[str, ...]]]:
    table = [
        (f"  right at {distance}", tuple(_right(cell, distance) for cell in cells))
        for distance in SHOWN_DIGITS
    ]
    return [
        *table,
        ("  half way down at", tuple(limit(cell.half_way, 256) for cell in cells)),
    ]


def _right(cell: CellOnTask, distance: int) -> str:
    if not cell.accuracy.y:
        return "-"
    at = cell.accuracy.x.index(distance)
    percents = sorted(100 * row[at] for row in cell.accuracy.y)
    mean, half = sum(percents) / len(percents), (percents[-1] - percents[0]) / 2
    return f"{mean:.1f} ± {half:.1f} %" if len(percents) > 1 else f"{mean:.1f} %"
