"""What the user wishes of a comparison, and what was planned from it."""

from dataclasses import dataclass

from lstm_textgen.config import Cell, ModelConfig, OptimizerConfig
from lstm_textgen.config.checks import check, choice
from lstm_textgen.insight.compare.tasks import TASKS

CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn")

RATES = (1e-3, 3e-3, 9e-3)
"""Learning rates that every cell chooses from, on the text and on each task."""

TEXT_OPTIMIZER = OptimizerConfig(streams=16, window=128, patience=1.0)
TASK_OPTIMIZER = OptimizerConfig(streams=32, window=64, patience=1.0)
"""Its window only measures the speed: a batch is as long as its questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareWishes:
    """What the user has set."""

    cells: tuple[Cell, ...] = CELLS
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
            choice("cells", cell, CELLS)
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


QUICK = CompareWishes(minutes=3.0, seeds=1, tasks=("agreement", "copy"), hidden=96)
"""A first picture: one network of each cell, two tasks."""


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
class Plan:
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
