"""
What a comparison will train: settings, equal sizes, and the time measured here.

Equal terms: every cell has as many recurrent parameters, reads as many characters and
has the same learning rates to choose from. So the slowest kernel decides how many
characters all of them read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.compare.measure import (
    CONTEXT_LENGTHS,
    ESTIMATE_CHARACTERS,
    FINAL_CHARACTERS,
    REACH_WINDOW,
    reach_windows,
)
from lstm_textgen.compare.recall import ALL_DISTANCES_FROM, FIRST_MAX_DISTANCE
from lstm_textgen.compare.tasks import DISTANCES, MAX_DISTANCE, MIN_DISTANCE, TASKS
from lstm_textgen.config import (
    CADENCE,
    GATE_COUNT,
    Cell,
    ModelConfig,
    OptimizerConfig,
    check,
    choice,
)
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.speed import new_network, training_speed

STUDY_CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn")

RATES = (1e-3, 3e-3, 9e-3)
"""Learning rates that every cell tries, on the text and on each task."""

TRIAL_FRACTION = 1 / 3
"""Length of a run that tries a learning rate, as a fraction of a full run."""

EXPECTED_TRIALS = len(RATES) + 1
"""Learning rates tried, for planning: often one more than all cells start with."""

TEXT_OPTIMIZER = OptimizerConfig(streams=16, window=128, patience=1.0)

TASK_OPTIMIZER = OptimizerConfig(streams=32, window=64, patience=1.0)
"""Its window only serves to measure speed: a batch is as long as its questions."""

TASK_EMBEDDING = 16

MAX_EPOCHS = 3.0
"""On a short text no more than this: beyond it, networks memorize the text."""

MIN_STEPS = 8

TEXT_TIME_FRACTION = 0.4
"""Of the time, for the text; the tasks get the remainder."""

TASK_TIME_WEIGHTS = {"agreement": 2.0}
"""Relative time of a task; 1 where none is given."""

START_S = 6.0
"""Until the processes have imported torch."""

PLANNED_FRACTION = 0.8
"""Of the time, planned: processes side by side slow each other down."""

MAX_CONTEXT_POSITIONS = 2048

MAX_QUESTIONS = 500
"""At each distance, given enough minutes; a short comparison asks fewer."""

EVALUATION_SPEEDUP = 6.0
"""How many times as fast as training it is to read many streams at once."""

FLOAT64_SLOWDOWN = 4.0
"""How many times as long training takes in float64, without a fused kernel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareConfig:
    """The settings of a comparison."""

    cells: tuple[Cell, ...] = STUDY_CELLS
    tasks: tuple[str, ...] = tuple(TASKS)

    minutes: float = 60.0
    """Wall-clock time for everything, above 0, at most 10,000."""

    seeds: int = 3
    """Reported networks of every cell, 1 to 100."""

    hidden: int = 128
    """Units of the LSTM that reads the text, 2 to 2048; the one for the tasks has half
    as many. The other cells get as many as make the parameters equal."""

    def __post_init__(self) -> None:
        for cell in self.cells:
            choice("cells", cell, STUDY_CELLS)
        for task in self.tasks:
            choice("tasks", task, tuple(TASKS))
        for name, names in (("cells", self.cells), ("tasks", self.tasks)):
            unique = len(set(names)) == len(names)
            check(name, ",".join(names), unique, "a list that names each once")
        check("cells", "empty", bool(self.cells), "one or more of lstm, gru and rnn")
        minutes = self.minutes
        check("minutes", minutes, 0 < minutes <= 10_000, "above 0, at most 10000")
        check("seeds", self.seeds, 1 <= self.seeds <= 100, "a number from 1 to 100")
        hidden = self.hidden
        check("hidden", hidden, 2 <= hidden <= 2048, "a number from 2 to 2048")


QUICK = CompareConfig(minutes=3.0, seeds=1, tasks=("agreement", "copy"), hidden=96)
"""A first picture: one network of each cell, two tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellTerms:
    """The terms on which a cell is compared."""

    cell: Cell
    hidden: int
    """Units of the network that reads the text."""
    recurrent_parameters: int
    parameters: int
    """The same with embedding and head."""
    task_hidden: int
    task_parameters: int
    """Recurrent ones of the network that learns the tasks."""
    kernel: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCell:
    """A cell in both of its sizes, and its speed on this machine."""

    terms: CellTerms
    text: ModelConfig
    task: ModelConfig
    text_speed: float
    """Training speed in characters per second, one thread."""
    task_speed: float

    @property
    def cell(self) -> Cell:
        return self.text.cell

    def text_seconds(self, steps: int, context_positions: int) -> float:
        """Estimated time of one network on the text."""
        trained = steps * TEXT_OPTIMIZER.streams * TEXT_OPTIMIZER.window
        return (trained + text_measuring(context_positions)) / self.text_speed

    def task_seconds(self, steps: int, questions: int) -> float:
        """Estimated time of one network on a task."""
        trained = steps * TASK_OPTIMIZER.streams * mean_question_length()
        return (trained + task_measuring(questions)) / self.task_speed


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTask:
    """How long every network is trained on a task."""

    name: str
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyDesign:
    """What a comparison trains and measures."""

    cells: tuple[PlannedCell, ...]
    tasks: tuple[PlannedTask, ...]
    text_steps: int
    workers: int
    """Processes side by side, one thread each."""
    seeds: int
    context_positions: int
    """Held-out characters at which useful context is measured."""
    questions: int
    """Per network and distance of a task."""
    text_sha256: str
    device: str


def design_study(
    config: CompareConfig,
    *,
    characters: int,
    vocabulary: int,
    text_sha256: str,
    machine: Machine,
) -> StudyDesign:
    """
    Measure this machine, and fit the work into the minutes.

    Args:
        config: The settings.
        characters: Length of the training part.
        vocabulary: Different characters.
        text_sha256: Which text it is.
        machine: Where to compute; each thread of a CPU becomes a process.
    """
    workers = machine.threads if machine.device.type == "cpu" else 1
    torch.set_num_threads(1)  # as in each of the processes
    one_thread = replace(machine, threads=1)
    cells = [
        _plan_cell(cell, config.hidden, vocabulary, one_thread) for cell in config.cells
    ]
    work_s = max(0.0, 60 * config.minutes - START_S) * PLANNED_FRACTION * workers
    text_fraction = TEXT_TIME_FRACTION if config.tasks else 1.0
    positions = max(64, min(MAX_CONTEXT_POSITIONS, int(200 * config.minutes)))
    questions = max(20, min(MAX_QUESTIONS, int(66 * config.minutes)))
    return StudyDesign(
        cells=tuple(cells),
        tasks=_plan_tasks(config, cells, questions, (1 - text_fraction) * work_s),
        text_steps=_plan_text_steps(
            config, cells, positions, text_fraction * work_s, characters
        ),
        workers=workers,
        seeds=config.seeds,
        context_positions=positions,
        questions=questions,
        text_sha256=text_sha256,
        device=str(machine.device),
    )


def _plan_cell(
    cell: Cell, hidden: int, vocabulary: int, machine: Machine
) -> PlannedCell:
    text = with_equal_parameters(ModelConfig(hidden=hidden), cell)
    small = ModelConfig(hidden=hidden // 2, embedding=TASK_EMBEDDING)
    task = with_equal_parameters(small, cell)
    text_model = new_network(text, vocabulary, machine)
    task_model = new_network(task, len(TASKS["agreement"].alphabet), machine)
    terms = CellTerms(
        cell=cell,
        hidden=text.hidden,
        recurrent_parameters=recurrent_parameters(text),
        parameters=parameter_count(text, vocabulary),
        task_hidden=task.hidden,
        task_parameters=recurrent_parameters(task),
        kernel=kernel_name(text_model),
    )
    return PlannedCell(
        terms=terms,
        text=text,
        task=task,
        text_speed=training_speed(machine, text_model, TEXT_OPTIMIZER),
        task_speed=training_speed(machine, task_model, TASK_OPTIMIZER),
    )


def _plan_text_steps(
    config: CompareConfig,
    cells: Sequence[PlannedCell],
    context_positions: int,
    seconds: float,
    characters: int,
) -> int:
    """Steps of every network, so that all of them together take *seconds*."""
    measuring = config.seeds * text_measuring(context_positions)
    measuring += EXPECTED_TRIALS * text_measuring(0)
    slowness = sum(1 / cell.text_speed for cell in cells)
    fitting = (seconds / slowness - measuring) / _full_runs(config)
    step = TEXT_OPTIMIZER.streams * TEXT_OPTIMIZER.window
    return max(MIN_STEPS, int(min(fitting, MAX_EPOCHS * characters) / step))


def _plan_tasks(
    config: CompareConfig, cells: Sequence[PlannedCell], questions: int, seconds: float
) -> tuple[PlannedTask, ...]:
    """Steps on each task, so that all networks together take *seconds*."""
    measuring = (EXPECTED_TRIALS + config.seeds) * task_measuring(questions)
    slowness = sum(1 / cell.task_speed for cell in cells)
    step = TASK_OPTIMIZER.streams * mean_question_length()
    weights = {name: TASK_TIME_WEIGHTS.get(name, 1.0) for name in config.tasks}
    tasks = []
    for name, weight in weights.items():
        task_s = seconds * weight / sum(weights.values())
        fitting = (task_s / slowness - measuring) / _full_runs(config)
        tasks.append(PlannedTask(name=name, steps=max(MIN_STEPS, int(fitting / step))))
    return tuple(tasks)


def _full_runs(config: CompareConfig) -> float:
    """Runs of one cell on one subject; a trial counts by its length."""
    return EXPECTED_TRIALS * TRIAL_FRACTION + config.seeds


def text_measuring(context_positions: int) -> float:
    """
    The cost of evaluating and measuring one network, in characters of training.

    Args:
        context_positions: Where useful context is measured; 0 for a trial.
    """
    # 1.5: a stream warms up before its characters count
    evaluated = CADENCE.evaluations * 1.5 * ESTIMATE_CHARACTERS + FINAL_CHARACTERS
    contexts = context_positions * sum(CONTEXT_LENGTHS)
    reach = 0.0
    if context_positions:
        windows = reach_windows(context_positions)
        reach = 2 * REACH_WINDOW * windows * FLOAT64_SLOWDOWN
    return (evaluated + contexts) / EVALUATION_SPEEDUP + reach


def task_measuring(questions: int) -> float:
    """The cost of testing one network on a task, in characters of training."""
    return questions * sum(DISTANCES) / EVALUATION_SPEEDUP


def mean_question_length() -> float:
    """Characters of a question, averaged over a training run."""

    def mean_distance(longest: float) -> float:  # of a log-uniform draw
        return (longest - MIN_DISTANCE) / math.log(longest / MIN_DISTANCE)

    ratio = MAX_DISTANCE / FIRST_MAX_DISTANCE
    growing = [
        mean_distance(FIRST_MAX_DISTANCE * ratio ** (tenth / 10)) for tenth in range(11)
    ]
    while_growing = sum(growing) / len(growing)
    afterwards = mean_distance(float(MAX_DISTANCE))
    growth = ALL_DISTANCES_FROM
    # about ten characters of a question lie outside the distance
    return growth * while_growing + (1 - growth) * afterwards + 10


def recurrent_parameters(config: ModelConfig) -> int:
    """Weights and biases of the recurrent layers; embedding and head not counted."""
    return parameter_count(config, vocabulary=0)  # theirs: a row for each character


MAX_UNITS = 8192
"""The most that `ModelConfig` accepts."""


def with_equal_parameters(config: ModelConfig, cell: Cell) -> ModelConfig:
    """
    Put another cell into *config*, with as many recurrent parameters.

    Returns:
        The same shape but for `cell` and `hidden`. The recurrent parameters differ
        as little as whole units allow: by less than 2 % from 64 LSTM units on.
    """
    target = recurrent_parameters(config)
    most = min(2 * GATE_COUNT[config.cell] * config.hidden, MAX_UNITS)
    candidates = (replace(config, cell=cell, hidden=n) for n in range(1, most + 1))
    return min(candidates, key=lambda shape: abs(recurrent_parameters(shape) - target))


FUSED_KERNELS = {
    "aten::mkldnn_rnn_layer": "oneDNN, fused",
    "aten::_cudnn_rnn": "cuDNN, fused",
    "aten::miopen_rnn": "MIOpen, fused",
}
"""Operations that read a whole window in one call, and the libraries they are from."""

STEPWISE = "ATen, step by step"


class _OperationRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the names of operations while active; the profiler would print."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


def kernel_name(model: CharModel) -> str:
    """
    Read a short window as training does, and see which operations are called.

    Returns:
        For people: `oneDNN, fused`, or `ATen, step by step`, where every step of a
        window is several operations of its own.
    """
    device = model.head.weight.device
    ids = torch.zeros(4, 2, dtype=torch.int64, device=device)
    with _OperationRecorder() as recorder:
        model(ids, model.initial_state(2))
    names = recorder.names
    return next((FUSED_KERNELS[op] for op in FUSED_KERNELS if op in names), STEPWISE)
