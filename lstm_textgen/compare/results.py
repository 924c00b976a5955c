"""
From the results of experiments to what a comparison found.

`results.json` is a `StudyResult` as plain JSON, so its field names are a file format.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch

from lstm_textgen import __version__
from lstm_textgen.compare.design import TEXT_OPTIMIZER, CellTerms, StudyDesign
from lstm_textgen.compare.experiments import (
    RATE_STEP,
    TEXT,
    TRIAL_SEED,
    Experiment,
    Result,
    finals,
    make_experiment,
    subjects,
    trials,
)
from lstm_textgen.compare.measure import (
    CONTEXT_LENGTHS,
    REACH_WINDOW,
    StudyText,
    reach_end,
    useful_context,
)
from lstm_textgen.compare.recall import half_way_distance
from lstm_textgen.compare.tasks import DISTANCES, TASKS
from lstm_textgen.config import Cell

RATIO_AT = 100
"""The k at which the gradients of two cells are compared."""

SIGNIFICANT_ERRORS = 3.0
"""Standard errors beyond which a difference is not luck."""

MAX_TRIED = 5
"""Learning rates that a cell tries at most on a subject."""

EXAMPLE_DISTANCE = 48

Results = Mapping[Experiment, Result]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """One figure over seeds; None for a seed in which it lies beyond what was seen."""

    mean: float | None
    """Of those that are known; None, like `low` and `high`, if none is."""
    low: float | None
    high: float | None
    each: tuple[float | None, ...]
    """By seed."""

    @property
    def known(self) -> int:
        """How many seeds have the figure."""
        return sum(value is not None for value in self.each)

    @staticmethod
    def over(values: Iterable[float | None]) -> "Spread":
        """The spread of *values*, one for each seed."""
        each = tuple(None if value is None else float(value) for value in values)
        known = [value for value in each if value is not None]
        return Spread(
            mean=sum(known) / len(known) if known else None,
            low=min(known, default=None),
            high=max(known, default=None),
            each=each,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A figure over something, by seeds: `y[seed][point]` at `x[point]`."""

    x: tuple[float, ...]
    y: tuple[tuple[float, ...], ...]

    @staticmethod
    def over(x: Iterable[Any], rows: Iterable[Iterable[float]]) -> "Curve":
        """The curve of *rows*, one for each seed."""
        return Curve(x=tuple(map(float, x)), y=tuple(map(tuple, rows)))

    def mean(self) -> tuple[float, ...]:
        """Over the seeds, at every point; empty without seeds."""
        return tuple(sum(column) / len(column) for column in zip(*self.y, strict=True))

    def low(self) -> tuple[float, ...]:
        return tuple(min(column) for column in zip(*self.y, strict=True))

    def high(self) -> tuple[float, ...]:
        return tuple(max(column) for column in zip(*self.y, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class TriedRate:
    """A learning rate and its score: nats per character, or mean accuracy."""

    rate: float
    score: float | None
    """None if the run diverged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateChoice:
    """A learning rate, chosen in trials."""

    rate: float
    at_edge: bool
    """Whether a rate beyond those that were tried might be better still."""
    by_chance: bool
    """Whether no rate did better than guessing, so that none could be chosen."""
    tried: tuple[TriedRate, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextResult:
    """What one cell learned from the text."""

    cell: Cell
    choice: RateChoice
    nats_per_char: Spread
    seconds: Spread
    """Of training alone."""
    by_characters: Curve
    """Nats per character over characters read."""
    by_seconds: Curve
    """The same over seconds, averaged over the seeds."""
    untrained: Curve
    """Gradient norm over k, before training."""
    trained: Curve
    reach_untrained: Spread
    """Where the gradient falls below 1 % of that at k = 1; None: not in the window."""
    reach_trained: Spread
    context: Curve
    """Nats per character over the characters given."""
    context_end: Spread
    """The shortest context that no longer one beats by more than 0.01 nats."""
    seeds: tuple[int, ...]
    """Those that the figures are from, in their order."""
    diverged: int
    """How many others diverged and are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellOnTask:
    """How far one cell remembers in a task."""

    cell: Cell
    choice: RateChoice
    accuracy: Curve
    """Fraction of right answers over distance."""
    half_way: Spread
    """The distance at which it falls half way to the baseline; None: it does not."""
    seeds: tuple[int, ...]
    diverged: int

    def accuracies_at(self, distance: int) -> tuple[float, ...]:
        """By seed."""
        at = self.accuracy.x.index(distance)
        return tuple(row[at] for row in self.accuracy.y)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """All cells on one task."""

    name: str
    title: str
    example: str
    baseline: float
    steps: int
    cells: tuple[CellOnTask, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult:
    """Everything that was measured."""

    corpus: str
    characters: int
    vocabulary: int
    held_out: int
    text: str
    """The SHA-256 digest of the text."""
    machine: str
    seeds: int
    characters_read: int
    """By every network that is reported."""
    questions: int
    """Per network and distance of a task."""
    terms: tuple[CellTerms, ...]
    texts: tuple[TextResult, ...]
    tasks: tuple[TaskResult, ...]
    reach_ratios: tuple[tuple[Cell, Spread], ...]
    """What is left of the gradient at k = 100: the LSTM's share over another's."""
    reach_ratios_untrained: tuple[tuple[Cell, Spread], ...]

    def to_json(self) -> dict[str, Any]:
        """The contents of `results.json`, with the versions that made it."""
        made_by = {"textgen": __version__, "torch": torch.__version__}
        return {"format": 1, "made_by": made_by} | dataclasses.asdict(self)


Choices = dict[tuple[str, Cell], RateChoice]
"""By subject and cell."""


def next_experiments(design: StudyDesign, results: Results) -> list[Experiment]:
    """
    What to do after *results*: trials, trials of further rates, finals, then nothing.

    The experiments of one call do not depend on each other.
    """
    if first := _missing(trials(design), results):
        return first
    choices = choose_rates(design, results)
    if further := further_trials(design, choices):
        return further
    chosen = {where: choice.rate for where, choice in choices.items()}
    return _missing(finals(design, chosen), results)


def _missing(experiments: list[Experiment], results: Results) -> list[Experiment]:
    return [experiment for experiment in experiments if experiment not in results]


def choose_rates(design: StudyDesign, results: Results) -> Choices:
    """
    The best learning rate for every cell and subject.

    Where all diverged it is the lowest, where none did better than guessing the middle
    one.
    """
    return {
        (subject, planned.cell): _choose_rate(
            _select(results, subject, planned.cell, trials=True),
            None if subject == TEXT else _guessing_limit(subject, design.questions),
        )
        for subject in subjects(design)
        for planned in design.cells
    }


def _select(
    results: Results, subject: str, cell: Cell, *, trials: bool
) -> list[tuple[Experiment, Result]]:
    """The trials or finals of a cell on a subject, by seed and rate."""
    selected = [
        (experiment, result)
        for experiment, result in results.items()
        if (experiment.subject, experiment.cell) == (subject, cell)
        and experiment.is_trial == trials
    ]
    return sorted(selected, key=lambda pair: (pair[0].seed, pair[0].rate))


def _guessing_limit(task: str, questions: int) -> float:
    """The mean accuracy on a task that guessing may reach."""
    baseline = TASKS[task].baseline
    variance = baseline * (1 - baseline) / (questions * len(DISTANCES))
    return baseline + SIGNIFICANT_ERRORS * math.sqrt(variance)


def _choose_rate(
    results: Sequence[tuple[Experiment, Result]], guessing_limit: float | None
) -> RateChoice:
    """The best rate; of several equally good ones the middle one."""
    tried = tuple(
        TriedRate(rate=experiment.rate, score=_score(result))
        for experiment, result in results
    )
    rates = [trial.rate for trial in tried]
    # nats are good when few, accuracies when high
    sign = 1 if guessing_limit is None else -1
    known = [(sign * t.score, t.rate) for t in tried if t.score is not None]
    by_chance = False
    rate = min(rates)
    if known:
        lowest = min(known)[0]
        by_chance = guessing_limit is not None and -lowest <= guessing_limit
        best = sorted(r for score, r in known if by_chance or score == lowest)
        rate = best[len(best) // 2]
    return RateChoice(
        rate=rate,
        at_edge=not by_chance and rate in (min(rates), max(rates)),
        by_chance=by_chance,
        tried=tried,
    )


def _score(result: Result) -> float | None:
    if "diverged" in result:
        return None
    if "accuracies" in result:
        return float(np.mean(result["accuracies"]))
    return float(result["nats_per_char"])


def further_trials(design: StudyDesign, choices: Choices) -> list[Experiment]:
    """More trials, where the best rate is the lowest or the highest so far."""
    experiments = []
    for (subject, cell), choice in choices.items():
        if not choice.at_edge or len(choice.tried) >= MAX_TRIED:
            continue
        is_lowest = choice.rate == min(trial.rate for trial in choice.tried)
        rate = choice.rate / RATE_STEP if is_lowest else choice.rate * RATE_STEP
        experiments.append(
            make_experiment(
                design, subject, cell, rate=float(f"{rate:.3g}"), seed=TRIAL_SEED
            )
        )
    return experiments


def put_together(design: StudyDesign, text: StudyText, results: Results) -> StudyResult:
    """What the results of all trials and finals amount to."""
    choices = choose_rates(design, results)
    texts = tuple(
        text_result(planned.cell, choices[TEXT, planned.cell], results)
        for planned in design.cells
    )
    tasks = tuple(
        task_result(task.name, design, choices, results) for task in design.tasks
    )
    window = TEXT_OPTIMIZER.streams * TEXT_OPTIMIZER.window
    return StudyResult(
        corpus=text.name,
        characters=text.characters,
        vocabulary=text.vocabulary,
        held_out=len(text.held_out),
        text=text.sha256,
        machine=_machine_in_words(design),
        seeds=design.seeds,
        characters_read=design.text_steps * window,
        questions=design.questions,
        terms=tuple(planned.terms for planned in design.cells),
        texts=texts,
        tasks=tasks,
        reach_ratios=reach_ratios(texts, trained=True),
        reach_ratios_untrained=reach_ratios(texts, trained=False),
    )


def _machine_in_words(design: StudyDesign) -> str:
    if design.device != "cpu":
        return design.device
    return f"{design.workers} core{'s' if design.workers > 1 else ''}, one a network"


def text_result(cell: Cell, choice: RateChoice, results: Results) -> TextResult:
    """What a cell learned from the text, all seeds together."""
    every = _select(results, TEXT, cell, trials=False)
    kept = {e.seed: result for e, result in every if "diverged" not in result}
    rows = list(kept.values())
    curves = [list(zip(*row["curve"], strict=True)) for row in rows]
    characters = curves[0][0] if curves else ()
    seconds = np.mean([curve[1] for curve in curves], axis=0) if curves else ()
    nats = [curve[2] for curve in curves]
    back = range(REACH_WINDOW) if rows else ()
    return TextResult(
        cell=cell,
        choice=choice,
        nats_per_char=Spread.over(row["nats_per_char"] for row in rows),
        seconds=Spread.over(curve[1][-1] for curve in curves),
        by_characters=Curve.over(characters, nats),
        by_seconds=Curve.over(seconds, nats),
        untrained=Curve.over(back, (row["untrained"] for row in rows)),
        trained=Curve.over(back, (row["trained"] for row in rows)),
        reach_untrained=Spread.over(reach_end(np.array(r["untrained"])) for r in rows),
        reach_trained=Spread.over(reach_end(np.array(r["trained"])) for r in rows),
        context=Curve.over(CONTEXT_LENGTHS, (row["context"] for row in rows)),
        context_end=Spread.over(useful_context(row["context"]) for row in rows),
        seeds=tuple(kept),
        diverged=len(every) - len(kept),
    )


def task_result(
    name: str, design: StudyDesign, choices: Choices, results: Results
) -> TaskResult:
    """How far all cells remember in one task."""
    task = TASKS[name]
    [planned] = [planned for planned in design.tasks if planned.name == name]
    return TaskResult(
        name=name,
        title=task.title,
        example=task.make_question(EXAMPLE_DISTANCE, Random(3)).text,
        baseline=task.baseline,
        steps=planned.steps,
        cells=tuple(
            _cell_on_task(
                cell.cell,
                choices[name, cell.cell],
                _select(results, name, cell.cell, trials=False),
                task.baseline,
            )
            for cell in design.cells
        ),
    )


def _cell_on_task(
    cell: Cell,
    choice: RateChoice,
    results: Sequence[tuple[Experiment, Result]],
    baseline: float,
) -> CellOnTask:
    kept = {e.seed: r["accuracies"] for e, r in results if "diverged" not in r}
    distances = np.array(DISTANCES, dtype=np.float64)
    return CellOnTask(
        cell=cell,
        choice=choice,
        accuracy=Curve.over(DISTANCES, kept.values()),
        half_way=Spread.over(
            half_way_distance(distances, np.array(row), baseline)
            for row in kept.values()
        ),
        seeds=tuple(kept),
        diverged=len(results) - len(kept),
    )


def reach_ratios(
    texts: Sequence[TextResult], *, trained: bool
) -> tuple[tuple[Cell, Spread], ...]:
    """How much more of the LSTM's gradient is left at k = 100, seed by seed."""
    left = {text.cell: gradient_left(text, trained=trained) for text in texts}
    lstm = left.pop("lstm", {})
    return tuple(
        (cell, Spread.over(_ratio(lstm[seed], other[seed]) for seed in both))
        for cell, other in left.items()
        if (both := sorted(lstm.keys() & other.keys()))
    )


def gradient_left(text: TextResult, *, trained: bool) -> dict[int, float]:
    """By seed, the gradient at k = 100 as a fraction of that at k = 1."""
    norms = (text.trained if trained else text.untrained).y
    return {
        seed: row[RATIO_AT] / row[1] if row[1] else 0.0
        for seed, row in zip(text.seeds, norms, strict=True)
    }


def _ratio(ours: float, theirs: float) -> float | None:
    ratio = ours / theirs if theirs else math.inf
    return ratio if math.isfinite(ratio) else None
