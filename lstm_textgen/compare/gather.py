"""From the results of single pieces to what a comparison found."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from lstm_textgen.compare.agenda import FURTHER, Chosen, subject_of, trial
from lstm_textgen.compare.design import PlannedTask, StudyDesign
from lstm_textgen.compare.experiments import Result, Trained
from lstm_textgen.compare.measure import LENGTHS, context_end, reach_end
from lstm_textgen.compare.recall import half_way
from lstm_textgen.compare.results import (
    CellOnTask,
    CellOnText,
    Choice,
    Curve,
    OnTask,
    Spread,
)
from lstm_textgen.compare.tasks import DISTANCES, TASKS
from lstm_textgen.config import Cell

RATIO_AT = 100
"""The k at which the gradients of two cells are compared."""

CLEAR = 3.0
"""Standard errors by which a score must be above guessing to be more than luck."""

MOST_TRIED = 5
"""Learning rates that a cell tries at most."""

EXAMPLE_DISTANCE = 48


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Pieces and what came of them."""

    pairs: tuple[tuple[Trained, Result], ...]

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(self.pairs + other.pairs)

    def of(self, subject: str, cell: Cell) -> list[tuple[Trained, Result]]:
        """Those of one cell on the text or a task, by seed and rate."""
        found = [
            (piece, result)
            for piece, result in self.pairs
            if (subject_of(piece), piece.cell) == (subject, cell)
        ]
        return sorted(found, key=lambda each: _order(each[0]))


def _order(piece: Trained) -> tuple[int, float]:
    return piece.seed, piece.optimizer.learning_rate


def choices(plan: StudyDesign, trials: Outcomes) -> dict[tuple[str, Cell], Choice]:
    """
    The best rate for every cell, on the text and on each task.

    Where all ran away it is the lowest, where none did better than guessing the
    middle one.
    """
    subjects = ["text", *(task.name for task in plan.tasks)]
    return {
        (subject, planned.cell): _choice(
            trials.of(subject, planned.cell), _guessing(subject, plan)
        )
        for subject in subjects
        for planned in plan.cells
    }


def rates_of(choices: dict[tuple[str, Cell], Choice]) -> Chosen:
    return {where: choice.rate for where, choice in choices.items()}


def _guessing(subject: str, plan: StudyDesign) -> float | None:
    """The mean accuracy on a task that guessing may reach; None for the text."""
    if subject == "text":
        return None
    baseline = TASKS[subject].baseline
    answers = plan.questions * len(DISTANCES)
    return baseline + CLEAR * math.sqrt(baseline * (1 - baseline) / answers)


def _choice(trials: Iterable[tuple[Trained, Result]], guessing: float | None) -> Choice:
    """The best; of several equally good ones the middle one."""
    tried = tuple(
        (piece.optimizer.learning_rate, _score(result)) for piece, result in trials
    )
    sign = 1 if guessing is None else -1  # nats are good when few
    known = [(sign * score, rate) for rate, score in tried if score is not None]
    if not known:
        return Choice(rate=min(rate for rate, _ in tried), tried=tried)
    by_chance = guessing is not None and -min(known)[0] <= guessing
    best = sorted(rate for score, rate in known if by_chance or score == min(known)[0])
    return Choice(rate=best[len(best) // 2], tried=tried, by_chance=by_chance)


def further(
    plan: StudyDesign, choices: dict[tuple[str, Cell], Choice]
) -> list[Trained]:
    """More trials, where the best rate is the lowest or the highest so far."""
    pieces = []
    for (subject, cell), choice in choices.items():
        if not choice.at_edge or len(choice.tried) >= MOST_TRIED:
            continue
        lowest = choice.rate == min(rate for rate, _ in choice.tried)
        rate = choice.rate / FURTHER if lowest else choice.rate * FURTHER
        pieces.append(trial(plan, subject, cell, float(f"{rate:.3g}")))
    return pieces


def _score(result: Result) -> float | None:
    if "diverged" in result:
        return None
    if "accuracies" in result:
        return float(np.mean(result["accuracies"]))
    return float(result["nats_per_char"])


def on_text(cell: Cell, choice: Choice, finals: Outcomes) -> CellOnText:
    """What a cell learned from the text, all seeds together."""
    every = finals.of("text", cell)
    kept = [(piece, result) for piece, result in every if "diverged" not in result]
    results = [result for _, result in kept]
    curves = [list(zip(*result["curve"], strict=True)) for result in results]
    nats = tuple(tuple(curve[2]) for curve in curves)
    seconds = np.mean([curve[1] for curve in curves], axis=0) if curves else []
    contexts = [result["context"] for result in results]
    return CellOnText(
        cell=cell,
        choice=choice,
        nats_per_char=_spread(result["nats_per_char"] for result in results),
        seconds=_spread(curve[1][-1] for curve in curves),
        by_characters=Curve(
            x=tuple(map(float, curves[0][0])) if curves else (), y=nats
        ),
        by_seconds=Curve(x=tuple(float(second) for second in seconds), y=nats),
        untrained=_reach(results, "untrained"),
        trained=_reach(results, "trained"),
        reach_untrained=_reach_ends(results, "untrained"),
        reach_trained=_reach_ends(results, "trained"),
        context=Curve(x=tuple(map(float, LENGTHS)), y=tuple(map(tuple, contexts))),
        context_end=_spread(context_end(losses) for losses in contexts),
        seeds=tuple(piece.seed for piece, _ in kept),
        diverged=len(every) - len(results),
    )


def on_task(
    planned: PlannedTask,
    cells: Sequence[Cell],
    choices: dict[tuple[str, Cell], Choice],
    finals: Outcomes,
) -> OnTask:
    """How far all cells remember in one task."""
    task = TASKS[planned.name]
    return OnTask(
        name=task.name,
        title=task.title,
        example=task.ask(EXAMPLE_DISTANCE, Random(3)).text,
        baseline=task.baseline,
        steps=planned.steps,
        cells=tuple(
            _cell_on_task(
                cell,
                choices[task.name, cell],
                finals.of(task.name, cell),
                task.baseline,
            )
            for cell in cells
        ),
    )


def _cell_on_task(
    cell: Cell,
    choice: Choice,
    pairs: Sequence[tuple[Trained, Result]],
    baseline: float,
) -> CellOnTask:
    kept = [(piece, result) for piece, result in pairs if "diverged" not in result]
    rows = [result["accuracies"] for _, result in kept]
    distances = np.array(DISTANCES, dtype=np.float64)
    return CellOnTask(
        cell=cell,
        choice=choice,
        accuracy=Curve(x=tuple(map(float, DISTANCES)), y=tuple(map(tuple, rows))),
        half_way=_spread(half_way(distances, np.array(row), baseline) for row in rows),
        seeds=tuple(piece.seed for piece, _ in kept),
        diverged=len(pairs) - len(rows),
    )


def reach_ratios(
    texts: Sequence[CellOnText], when: str
) -> tuple[tuple[Cell, Spread], ...]:
    """
    How much more of the LSTM's gradient is left at k = 100, seed by seed.

    Args:
        texts: What the cells learned.
        when: `trained` or `untrained`.
    """
    kept = {each.cell: _kept(each, when) for each in texts}
    ours = kept.pop("lstm", {})
    return tuple(
        (cell, _spread(_ratio(ours[seed], theirs[seed]) for seed in both))
        for cell, theirs in kept.items()
        if (both := sorted(ours.keys() & theirs.keys()))
    )


def _kept(text: CellOnText, when: str) -> dict[int, float]:
    """By seed, what is left of a gradient at k = 100 of that at k = 1."""
    rows = zip(text.seeds, getattr(text, when).y, strict=True)
    return {seed: row[RATIO_AT] / row[1] if row[1] else 0.0 for seed, row in rows}


def _ratio(ours: float, theirs: float) -> float | None:
    ratio = ours / theirs if theirs else math.inf
    return ratio if math.isfinite(ratio) else None


def _reach(results: Sequence[Result], when: str) -> Curve:
    rows = tuple(tuple(result[when]) for result in results)
    return Curve(x=tuple(map(float, range(len(rows[0])))) if rows else (), y=rows)


def _reach_ends(results: Sequence[Result], when: str) -> Spread:
    return _spread(reach_end(np.array(result[when])) for result in results)


def _spread(values: Iterable[Any]) -> Spread:
    return Spread(each=tuple(None if v is None else float(v) for v in values))
