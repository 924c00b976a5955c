"""What a comparison found, in sentences that follow from its figures."""

from lstm_textgen.insight.compare.results import (
    CellOnTask,
    CellOnText,
    Comparison,
    OnTask,
    Spread,
)
from lstm_textgen.report.training import NAMES

CAPACITY = (
    "All three cells can store about as much: Collins, Sohl-Dickstein and Sussillo "
    "(2017), Capacity and Trainability in Recurrent Neural Networks, measured about "
    "5 bits per parameter for each of them. What differs is what training reaches, "
    "and that is what is drawn here."
)
CAPACITY_LINK = "https://arxiv.org/abs/1611.09913"

KEEPS_UP = 0.05
"""Share of right answers by which a cell may be behind and still keeps up."""

BEHIND_NATS = 0.02
BEHIND_TIMES = 2.0
"""By how much more an LSTM's figure counts as more."""


def spread(figures: Spread, form: str = ".3f", none: str = "-") -> str:
    """Mean and half the range over seeds: `1.612 ± 0.008`."""
    mean = figures.mean
    if mean is None:
        return none
    text = format(mean, form)
    half = (max(figures.known) - min(figures.known)) / 2
    return f"{text} ± {format(half, form)}" if len(figures.known) > 1 else text


def limit(figures: Spread, most: int) -> str:
    """The middle one of some limits, as `57`, or `over 511` beyond what was seen."""
    if not figures.each:
        return "-"
    return f"over {most}" if figures.middle is None else f"{figures.middle:.0f}"


def findings(found: Comparison) -> list[str]:
    """The main sentences of a report, the strongest first."""
    sentences = [_agreement(task) for task in found.tasks if task.name == "agreement"]
    sentences += _rnn_sentences(found)
    sentences += _reach(found)
    sentences += _context(found) + _loss(found)
    return sentences


def cautions(found: Comparison) -> list[str]:
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
                f"{NAMES[each.cell]}, {where}: {each.diverged} of {found.seeds} seeds "
                "ran away and are left out."
            )
    edges = [
        f"{NAMES[c.cell]} on {where}" for where, c in everything if c.choice.at_edge
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
        half = cell.half_way.middle
        falls = f"half way down at {half:.0f}" if half else "never half way down"
        parts.append(f"{NAMES[cell.cell]} {_percent(cell, 64)}, {falls}{_safe(cell)}")
    return (
        "Was or were, 64 characters after the subject: "
        f"{'; '.join(parts)}. Without memory: {task.baseline:.0%}."
    )


def _safe(cell: CellOnTask) -> str:
    """How many networks are nearly always right there; a mean may hide that."""
    rows, at = cell.accuracy.y, cell.accuracy.x.index(64)
    good = sum(row[at] >= 0.95 for row in rows)
    return f" ({good} of {len(rows)} networks right in 95%)" if len(rows) > 1 else ""


def _rnn_sentences(found: Comparison) -> list[str]:
    """Whether the classic network keeps up, and where it does not."""
    lstm, rnn = (_on_text(found, cell) for cell in ("lstm", "rnn"))
    if lstm is None or rnn is None:
        return []
    kept, behind, unlearned = [], [], []
    for task in found.tasks:
        distance = _falls_behind(task)
        if not _lstm_learned(task):
            unlearned.append(task.title)
        elif distance is None:
            kept.append(task.title)
        else:
            behind.append(f"{task.title} from {distance:.0f} characters on")
    gap = _gap(lstm.nats_per_char, rnn.nats_per_char)
    if gap > BEHIND_NATS:
        behind.append(f"the text, by {gap:.3f} nats per character")
    where = "; ".join(behind) or "nothing that was measured here"
    sentences = [f"The classic RNN falls behind the LSTM in: {where}."]
    if gap < -BEHIND_NATS:
        sentences.append(f"On the text the classic RNN is ahead, by {-gap:.3f} nats.")
    if kept:
        words = "The classic RNN keeps up with the LSTM in"
        sentences.insert(0, f"{words}: {'; '.join(kept)}.")
    if unlearned:
        words = "Too short a run for the LSTM itself to learn"
        sentences.append(f"{words}: {'; '.join(unlearned)}.")
    return sentences


def _lstm_learned(task: OnTask) -> bool:
    """Whether it is half way from guessing to perfect where that is easiest."""
    [lstm] = [cell.accuracy for cell in task.cells if cell.cell == "lstm"]
    return bool(lstm.y) and lstm.mean()[0] >= (1 + task.baseline) / 2


def _falls_behind(task: OnTask) -> float | None:
    """The first distance at which the RNN is clearly less often right."""
    cells = {cell.cell: cell.accuracy for cell in task.cells}
    lstm, rnn = cells["lstm"], cells["rnn"]
    if not rnn.y:
        return lstm.x[0]
    for distance, ours, theirs in zip(lstm.x, lstm.mean(), rnn.mean(), strict=False):
        if ours - theirs > KEEPS_UP:
            return distance
    return None


def _gap(ours: Spread, theirs: Spread) -> float:
    if ours.mean is None or theirs.mean is None:
        return 0.0
    return theirs.mean - ours.mean


def _reach(found: Comparison) -> list[str]:
    sentences = []
    for cell, ratio in found.reach_ratios:
        if ratio.mean is None:
            continue
        low, high = min(ratio.known), max(ratio.known)
        middle = ratio.middle or ratio.mean
        verdict = "more" if middle > BEHIND_TIMES else "no more"
        sentences.append(
            f"100 characters back, trained, the LSTM keeps {verdict} of its gradient "
            f"than the {NAMES[cell]}: {_times(middle)} times as much"
            + (f" ({_times(low)} to {_times(high)})." if len(ratio.known) > 1 else ".")
        )
    return sentences


def _times(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 1e5 else "over 100,000"


def _context(found: Comparison) -> list[str]:
    parts = [
        f"{NAMES[each.cell]} {limit(each.context_end, 512)}"
        for each in found.texts
        if each.context_end.each
    ]
    if not parts:
        return []
    return [
        "Characters of context that still help by 0.01 nats, when reading this text: "
        f"{', '.join(parts)}."
    ]


def _loss(found: Comparison) -> list[str]:
    parts = [
        f"{NAMES[each.cell]} {spread(each.nats_per_char)} nats in "
        f"{spread(each.seconds, '.0f')} s"
        for each in found.texts
        if each.nats_per_char.each
    ]
    if not parts:
        return []
    return [
        f"After {found.characters_read:,} characters read, nats per held-out "
        f"character: {', '.join(parts)}."
    ]


def _on_text(found: Comparison, cell: str) -> CellOnText | None:
    return next((each for each in found.texts if each.cell == cell), None)
