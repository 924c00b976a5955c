"""
What a comparison will train, decided from the minutes and the speed of this machine.

Equal terms: every cell has as many recurrent parameters, reads as many characters
and has the same learning rates to choose from. So the slowest kernel decides how
many characters all of them read.
"""

from dataclasses import replace

import torch

from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.compare.agenda import (
    READING,
    TRIAL_SHARE,
    every_piece,
    judged_characters,
    mean_length,
    seconds_of,
)
from lstm_textgen.compare.design import (
    RATES,
    TASK_OPTIMIZER,
    TEXT_OPTIMIZER,
    CompareConfig,
    PlannedCell,
    PlannedTask,
    StudyDesign,
    kernel_of,
    recurrent_parameters,
    sized_like,
)
from lstm_textgen.compare.tasks import DISTANCES, TASKS
from lstm_textgen.config import Cell, ModelConfig
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.speed import training_speed

MOST_EPOCHS = 3.0
"""Where the text is short, no more than this: from there on cells learn it by heart."""

FEWEST_STEPS = 8

TEXT_SHARE = 0.4
"""Of the time, for the text; the tasks get the rest."""

WEIGHTS = {"agreement": 2.0}
"""How many times as much time as another a task gets."""

START_S = 6.0
"""Until the processes have imported torch."""

MARGIN = 0.8
"""Share of the time that is planned: processes side by side slow each other down."""

TASK_EMBEDDING = 16

MOST_PLACES = 2048

MOST_QUESTIONS = 500
"""For each, when there are minutes enough; a short comparison measures with fewer."""


def design_study(
    wishes: CompareConfig,
    *,
    characters: int,
    vocabulary: int,
    text: str,
    machine: Machine,
) -> StudyDesign:
    """
    Measure this machine, and fit the work into the minutes.

    Args:
        wishes: What the user has set.
        characters: Ids of the training part.
        vocabulary: Different characters.
        text: The digest of the text.
        machine: Where to compute; each thread of a CPU becomes a process.
    """
    workers = machine.threads if machine.device.type == "cpu" else 1
    torch.set_num_threads(1)  # as each of the processes
    alone = replace(machine, threads=1)
    plan = StudyDesign(
        cells=tuple(
            _planned_cell(cell, wishes.hidden, vocabulary, alone)
            for cell in wishes.cells
        ),
        tasks=(),
        text_steps=FEWEST_STEPS,
        workers=workers,
        seeds=wishes.seeds,
        places=max(64, min(MOST_PLACES, int(200 * wishes.minutes))),
        questions=max(20, min(MOST_QUESTIONS, int(66 * wishes.minutes))),
        text=text,
        device=str(machine.device),
    )
    work_s = max(0.0, 60 * wishes.minutes - START_S) * MARGIN * workers
    share = TEXT_SHARE if wishes.tasks else 1.0
    plan = replace(
        plan,
        text_steps=_text_steps(plan, share * work_s, characters),
        tasks=_planned_tasks(plan, wishes.tasks, (1 - share) * work_s),
    )
    expected_s = sum(seconds_of(piece, plan) for piece in every_piece(plan))
    return replace(plan, seconds=START_S + expected_s / MARGIN / workers)


def _planned_cell(
    cell: Cell, hidden: int, vocabulary: int, machine: Machine
) -> PlannedCell:
    small = ModelConfig(hidden=hidden // 2, embedding=TASK_EMBEDDING)
    text, task = sized_like(ModelConfig(hidden=hidden), cell), sized_like(small, cell)
    reader = _at_birth(text, vocabulary, machine)
    learner = _at_birth(task, len(TASKS["agreement"].alphabet), machine)
    return PlannedCell(
        text=text,
        task=task,
        recurrent_parameters=recurrent_parameters(text),
        parameters=parameter_count(text, vocabulary),
        task_parameters=recurrent_parameters(task),
        kernel=kernel_of(reader),
        text_speed=training_speed(machine, reader, TEXT_OPTIMIZER),
        task_speed=training_speed(machine, learner, TASK_OPTIMIZER),
    )


def _at_birth(config: ModelConfig, vocabulary: int, machine: Machine) -> CharModel:
    model = CharModel(config, vocabulary)
    initialize(model, torch.Generator().manual_seed(0))
    return model.to(machine.device)


def _runs(plan: StudyDesign) -> float:
    """Whole runs that a cell makes of one kind; trials count by their length."""
    return (len(RATES) + 1) * TRIAL_SHARE + plan.seeds


def _text_steps(plan: StudyDesign, seconds: float, characters: int) -> int:
    """Steps for every cell, so that all of them together take *seconds*."""
    slowness = sum(1 / each.text_speed for each in plan.cells)
    judged = plan.seeds * judged_characters(plan.places)
    judged += (len(RATES) + 1) * judged_characters(0)
    fitting = (seconds / slowness - judged) / _runs(plan)
    window = TEXT_OPTIMIZER.streams * TEXT_OPTIMIZER.window
    return max(FEWEST_STEPS, int(min(fitting, MOST_EPOCHS * characters) / window))


def _planned_tasks(
    plan: StudyDesign, names: tuple[str, ...], seconds: float
) -> tuple[PlannedTask, ...]:
    """Steps for every task, so that all of them together take *seconds*."""
    slowness = sum(1 / each.task_speed for each in plan.cells)
    judgings = len(RATES) + 1 + plan.seeds
    judged = judgings * plan.questions * sum(DISTANCES) / READING
    step = TASK_OPTIMIZER.streams * mean_length()
    total = sum(WEIGHTS.get(name, 1.0) for name in names)

    def steps(name: str) -> int:
        share_s = seconds * WEIGHTS.get(name, 1.0) / total
        return int((share_s / slowness - judged) / _runs(plan) / step)

    return tuple(
        PlannedTask(name=name, steps=max(FEWEST_STEPS, steps(name))) for name in names
    )
