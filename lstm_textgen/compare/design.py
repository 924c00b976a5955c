"""
What the user wishes of a comparison, and what was planned from it.

Equal terms: how many units a cell may have for as many weights as another.

Which kernel a network really runs on: watched, not believed.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lstm_textgen.compare.tasks import TASKS
from lstm_textgen.config import GATES, Cell, ModelConfig, OptimizerConfig, check, choice
from lstm_textgen.model.network import CharModel

STUDY_CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn")

RATES = (1e-3, 3e-3, 9e-3)
"""Learning rates that every cell chooses from, on the text and on each task."""

TEXT_OPTIMIZER = OptimizerConfig(streams=16, window=128, patience=1.0)

TASK_OPTIMIZER = OptimizerConfig(streams=32, window=64, patience=1.0)
"""Its window only measures the speed: a batch is as long as its questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareConfig:
    """What the user has set."""

    cells: tuple[Cell, ...] = STUDY_CELLS
    tasks: tuple[str, ...] = tuple(TASKS)

    minutes: float = 60.0
    """For everything, by the clock."""

    seeds: int = 3
    """Networks of every cell that are reported, 1 to 100."""

    hidden: int = 128
    """Units of the LSTM that reads the text, 2 to 2048; that for the tasks has half
    as many. The other cells get as many as make the parameters equal."""

    def __post_init__(self) -> None:
        for cell in self.cells:
            choice("cells", cell, STUDY_CELLS)
        for task in self.tasks:
            choice("tasks", task, tuple(TASKS))
        for name in ("cells", "tasks"):
            value = getattr(self, name)
            once = len(set(value)) == len(value)
            check(name, ",".join(value), once, "a list that names each once")
        check("cells", "empty", bool(self.cells), "one or more of lstm, gru and rnn")
        minutes = self.minutes
        check("minutes", minutes, 0 < minutes <= 10_000, "above 0, at most 10000")
        check("seeds", self.seeds, 1 <= self.seeds <= 100, "a number from 1 to 100")
        hidden = self.hidden
        check("hidden", hidden, 2 <= hidden <= 2048, "a number from 2 to 2048")


QUICK = CompareConfig(minutes=3.0, seeds=1, tasks=("agreement", "copy"), hidden=96)
"""A first picture: one network of each cell, two tasks."""


def recurrent_parameters(config: ModelConfig) -> int:
    """Weights and biases of the recurrent layers; embedding and head not counted."""
    rows = GATES[config.cell] * config.hidden
    read = config.embedding + (config.layers - 1) * config.hidden
    return rows * (read + config.layers * (config.hidden + 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCell:
    """A cell in both of its sizes, and how fast it is here."""

    text: ModelConfig
    task: ModelConfig
    recurrent_parameters: int
    """Of the network that reads the text."""
    parameters: int
    """The same with embedding and head."""
    task_parameters: int
    """Recurrent ones of the network that learns the tasks."""
    kernel: str
    text_speed: float
    """Characters a second in training, one thread."""
    task_speed: float

    @property
    def cell(self) -> Cell:
        return self.text.cell


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTask:
    """How long a task is taught."""

    name: str
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyDesign:
    """A comparison as it will be."""

    cells: tuple[PlannedCell, ...]
    tasks: tuple[PlannedTask, ...]
    text_steps: int
    workers: int
    """Processes side by side, one thread each."""
    seeds: int
    places: int
    questions: int
    text: str
    """The digest of the text."""
    device: str
    seconds: float = 0.0
    """Expected for everything."""


MOST_UNITS = 8192
"""The most that a network may have."""


def sized_like(config: ModelConfig, cell: Cell) -> ModelConfig:
    """
    Another cell in the place of the one in *config*, with as many parameters.

    Args:
        config: The shape to compare with.
        cell: What to build instead.

    Returns:
        The same shape but for `cell` and `hidden`. The recurrent parameters differ
        as little as whole units allow: from 64 LSTM units on by less than 2 %.
    """
    wanted = recurrent_parameters(config)
    most = min(2 * GATES[config.cell] * config.hidden, MOST_UNITS)
    candidates = (replace(config, cell=cell, hidden=n) for n in range(1, most + 1))
    return min(candidates, key=lambda each: abs(recurrent_parameters(each) - wanted))


FUSED = {
    "aten::mkldnn_rnn_layer": "oneDNN, fused",
    "aten::_cudnn_rnn": "cuDNN, fused",
    "aten::miopen_rnn": "MIOpen, fused",
}
"""Operations that read a whole window in one call, and whose they are."""

STEPWISE = "ATen, step by step"


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the name of every operation while it holds; the profiler prints."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.called: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.called.add(func.name())
        return func(*args, **(kwargs or {}))


def kernel_of(model: CharModel) -> str:
    """
    Read a short window as training does, and see which operations it called.

    Returns:
        For people: `oneDNN, fused`, or `ATen, step by step`, in which every step
        of a window is several operations of its own.
    """
    device = model.head.weight.device
    ids = torch.zeros(4, 2, dtype=torch.int64, device=device)
    with Watch() as watch:
        model(ids, model.initial_state(2))
    return next((name for op, name in FUSED.items() if op in watch.called), STEPWISE)
