"""
The pieces of a plan: trials that choose a learning rate, then what is reported.

Each rate is tried in a run of `TRIAL_SHARE` of the length, with a seed of its own; the
best then trains with the other seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from lstm_textgen.compare.design import (
    RATES,
    TASK_OPTIMIZER,
    TEXT_OPTIMIZER,
    PlannedCell,
    StudyDesign,
)
from lstm_textgen.compare.experiments import TaskPiece, TextPiece, Trained
from lstm_textgen.compare.measure import JUDGED, LENGTHS, REACH_WINDOW, windows_at
from lstm_textgen.compare.recall import FARTHEST, FIRST_LONGEST, GROWS_UNTIL
from lstm_textgen.compare.tasks import DISTANCES, SHORTEST
from lstm_textgen.config import Cell, OptimizerConfig
from lstm_textgen.training.loop import EVALUATIONS

TRIAL_SHARE = 1 / 3

FURTHER = 3.0
"""Where the best rate is the lowest or highest tried, one so many times as far away is
tried too."""

TRIAL_SEED = 0
"""The runs that choose a rate are not among those that are reported."""

SAMPLE = 4096
"""Held-out characters of each look during a run."""

READING = 6.0
"""How many times as fast as training reading many streams at once is."""

IN_FLOAT64 = 4.0
"""How many times as long training in float64 takes, without a fused kernel."""

Chosen = dict[tuple[str, Cell], float]
"""The learning rate for `text` or a task, and a cell."""


def trials(plan: StudyDesign, rates: Sequence[float] = RATES) -> list[Trained]:
    """The pieces that choose a learning rate for every cell, on everything."""
    return [
        piece
        for planned in plan.cells
        for rate in rates
        for piece in _pieces(plan, planned, _everywhere(plan, rate), TRIAL_SEED)
    ]


def trial(plan: StudyDesign, subject: str, cell: Cell, rate: float) -> Trained:
    """One more trial, of one cell on the text or one task."""
    every = trials(plan, [rate])
    return next(p for p in every if (subject_of(p), p.cell) == (subject, cell))


def finals(plan: StudyDesign, rates: Chosen) -> list[Trained]:
    """The pieces that are reported, with the rates that the trials chose."""
    return [
        piece
        for planned in plan.cells
        for seed in range(1, plan.seeds + 1)
        for piece in _pieces(plan, planned, rates, seed)
    ]


def every_piece(plan: StudyDesign) -> list[Trained]:
    """About all that will be trained: `RATES` and one more, and any that is chosen."""
    expected = trials(plan, [*RATES, RATES[-1] * FURTHER])
    return expected + finals(plan, _everywhere(plan, RATES[0]))


def subject_of(piece: Trained) -> str:
    """`text`, or the name of the task."""
    return "text" if isinstance(piece, TextPiece) else piece.task


def seconds_of(piece: Trained, plan: StudyDesign) -> float:
    """How long a piece will take, about."""
    planned = next(each for each in plan.cells if each.cell == piece.cell)
    if isinstance(piece, TextPiece):
        read = judged_characters(piece.places)
        return (piece.characters + read) / planned.text_speed
    learned = piece.steps * piece.optimizer.streams * mean_length()
    judged = piece.questions * sum(DISTANCES) / READING
    return (learned + judged) / planned.task_speed


def judged_characters(places: int) -> float:
    """
    What judging and measuring one network takes, in characters of training.

    Args:
        places: Where useful context is measured; 0 for a trial.
    """
    looks = EVALUATIONS * 1.5 * SAMPLE + JUDGED  # a stream warms up before it counts
    followed = 2 * REACH_WINDOW * windows_at(places) * IN_FLOAT64 if places else 0
    return (looks + places * sum(LENGTHS)) / READING + followed


def mean_length() -> float:
    """Characters of a question, on average over a run; about ten are not distance."""

    def mean(longest: int | float) -> float:  # where the logarithm is spread evenly
        return (longest - SHORTEST) / math.log(longest / SHORTEST)

    ratio = FARTHEST / FIRST_LONGEST
    growing = [mean(FIRST_LONGEST * ratio ** (tenth / 10)) for tenth in range(11)]
    first = sum(growing) / len(growing)
    return GROWS_UNTIL * first + (1 - GROWS_UNTIL) * mean(FARTHEST) + 10


def _everywhere(plan: StudyDesign, rate: float) -> Chosen:
    subjects = ["text", *(task.name for task in plan.tasks)]
    return {(name, each.cell): rate for name in subjects for each in plan.cells}


def _pieces(
    plan: StudyDesign, planned: PlannedCell, rates: Chosen, seed: int
) -> list[Trained]:
    """One run of a cell on the text and on every task; shorter where it is a trial."""
    is_trial = seed == TRIAL_SEED

    def rated(optimizer: OptimizerConfig, subject: str) -> OptimizerConfig:
        return replace(optimizer, learning_rate=rates[subject, planned.cell])

    def length(steps: int) -> int:
        return max(1, round(TRIAL_SHARE * steps)) if is_trial else steps

    text = TextPiece(
        model=planned.text,
        optimizer=rated(TEXT_OPTIMIZER, "text"),
        seed=seed,
        device=plan.device,
        steps=length(plan.text_steps),
        sample=SAMPLE,
        places=0 if is_trial else plan.places,
        text=plan.text,
    )
    tasks = (
        TaskPiece(
            task=task.name,
            model=planned.task,
            optimizer=rated(TASK_OPTIMIZER, task.name),
            seed=seed,
            device=plan.device,
            steps=length(task.steps),
            questions=plan.questions,
        )
        for task in plan.tasks
    )
    return [text, *tasks]
