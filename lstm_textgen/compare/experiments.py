"""
The experiments of a comparison as values, and their results on disk.

Each learning rate is tried in a shorter run with a seed of its own; the best one then
trains the networks that are reported. A result is found by everything that decides it,
so that an interrupted comparison resumes and nothing is trained twice.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstm_textgen.compare.design import (
    PLANNED_FRACTION,
    RATES,
    START_S,
    TASK_OPTIMIZER,
    TEXT_OPTIMIZER,
    TRIAL_FRACTION,
    StudyDesign,
)
from lstm_textgen.config import Cell, ModelConfig, OptimizerConfig
from lstm_textgen.files import translated_errors, write_durably
from lstm_textgen.strict_json import canonical, parse

EDITION = 2
"""Goes up when the same settings give other results or are stored in another way."""

TRIAL_SEED = 0
"""Runs that choose a learning rate are not among those that are reported."""

RATE_STEP = 3.0
"""Where the best rate is the lowest or highest tried, the factor to the next one."""

TEXT = "text"
"""The subject of experiments on the text; the others are named by their task."""

Result = dict[str, Any]
"""Plain JSON."""

ChosenRates = Mapping[tuple[str, Cell], float]
"""The learning rate of a cell on a subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One network, trained on one subject and measured: everything that decides it."""

    subject: str
    """`text`, or the name of a recall task."""
    model: ModelConfig
    optimizer: OptimizerConfig
    seed: int
    device: str
    steps: int
    context_positions: int = 0
    """Text only: where useful context is measured; 0 measures neither that nor
    gradient reach."""
    text_sha256: str = ""
    """Text only: which text it is."""
    questions: int = 0
    """Tasks only: asked at each distance."""

    @property
    def cell(self) -> Cell:
        return self.model.cell

    @property
    def rate(self) -> float:
        return self.optimizer.learning_rate

    @property
    def is_trial(self) -> bool:
        return self.seed == TRIAL_SEED

    @property
    def label(self) -> str:
        return f"{self.subject}-{self.cell}-rate{self.rate:g}-seed{self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the result."""
        return dataclasses.asdict(self)


def subjects(design: StudyDesign) -> list[str]:
    """The text and the names of the tasks."""
    return [TEXT, *(task.name for task in design.tasks)]


def make_experiment(
    design: StudyDesign, subject: str, cell: Cell, *, rate: float, seed: int
) -> Experiment:
    """One run of a cell on a subject; a trial is shorter and measures less."""
    [planned] = [planned for planned in design.cells if planned.cell == cell]
    is_trial = seed == TRIAL_SEED
    if on_text := subject == TEXT:
        model, optimizer, steps = planned.text, TEXT_OPTIMIZER, design.text_steps
    else:
        model, optimizer = planned.task, TASK_OPTIMIZER
        [steps] = [task.steps for task in design.tasks if task.name == subject]
    return Experiment(
        subject=subject,
        model=model,
        optimizer=replace(optimizer, learning_rate=rate),
        seed=seed,
        device=design.device,
        steps=max(1, round(TRIAL_FRACTION * steps)) if is_trial else steps,
        context_positions=design.context_positions if on_text and not is_trial else 0,
        text_sha256=design.text_sha256 if on_text else "",
        questions=0 if on_text else design.questions,
    )


def trials(design: StudyDesign, rates: Sequence[float] = RATES) -> list[Experiment]:
    """The experiments that choose a learning rate for every cell and subject."""
    return [
        make_experiment(design, subject, planned.cell, rate=rate, seed=TRIAL_SEED)
        for planned in design.cells
        for rate in rates
        for subject in subjects(design)
    ]


def finals(design: StudyDesign, chosen: ChosenRates | None = None) -> list[Experiment]:
    """
    The experiments that are reported.

    Args:
        design: What is trained.
        chosen: The learning rates that the trials chose; None puts in any, while only
            the time is of interest.
    """
    return [
        make_experiment(
            design,
            subject,
            planned.cell,
            rate=chosen[subject, planned.cell] if chosen else RATES[0],
            seed=seed,
        )
        for planned in design.cells
        for seed in range(1, design.seeds + 1)
        for subject in subjects(design)
    ]


def expected_experiments(design: StudyDesign) -> list[Experiment]:
    """About what will be trained: `RATES`, one more, and the finals."""
    return trials(design, (*RATES, RATES[-1] * RATE_STEP)) + finals(design)


def seconds_of(experiment: Experiment, design: StudyDesign) -> float:
    """The estimated time of one experiment, in its process."""
    [planned] = [cell for cell in design.cells if cell.cell == experiment.cell]
    if experiment.subject == TEXT:
        return planned.text_seconds(experiment.steps, experiment.context_positions)
    return planned.task_seconds(experiment.steps, experiment.questions)


def total_seconds(experiments: Sequence[Experiment], design: StudyDesign) -> float:
    """The estimated time of experiments, one after the other."""
    return sum((seconds_of(experiment, design) for experiment in experiments), 0.0)


def expected_seconds(design: StudyDesign) -> float:
    """The estimated time of everything, processes side by side."""
    work_s = total_seconds(expected_experiments(design), design)
    return START_S + work_s / PLANNED_FRACTION / design.workers


@dataclass(frozen=True, slots=True)
class ResultStore:
    """
    A folder with a small JSON file for everything that is known already.

    A file holds the settings beside the result, and is only taken for equal settings:
    its name is a readable label and a short digest of them.
    """

    folder: Path

    def load(self, label: str, settings: dict[str, Any]) -> Result | None:
        """The result of *settings*; None if it is not known or the file is damaged."""
        path, expected = self._locate(label, settings)
        try:
            stored = parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(stored, dict) or stored.get("settings") != expected:
            return None
        result = stored.get("result")
        return result if isinstance(result, dict) else None

    def save(self, label: str, settings: dict[str, Any], result: Result) -> None:
        """
        Store the result of *settings*.

        Raises:
            OutputError: The folder may not be written to.
            StorageError: The disk is full or fails.
        """
        path, settings = self._locate(label, settings)
        with translated_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        stored = {"settings": settings, "result": result}
        text = json.dumps(stored, indent=1, allow_nan=False)
        write_durably(path, text.encode("ascii") + b"\n")

    def _locate(
        self, label: str, settings: dict[str, Any]
    ) -> tuple[Path, dict[str, Any]]:
        """The path of the file, and the settings as they are read from it."""
        text = canonical({"edition": EDITION} | settings)
        digest = hashlib.sha256(text.encode("ascii")).hexdigest()
        return self.folder / f"{label}-{digest[:12]}.json", json.loads(text)
