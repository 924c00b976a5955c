"""
What a run will be, decided before it starts: its size, its length, its end.

What the user has set stays. The rest follows from the text, the budget and the
measured speed of the machine; `docs/recipe.md` has the trials behind the rules.
"""

from dataclasses import dataclass, replace

import torch

from lstm_textgen.checkpoint.format import SIZE_CAP
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import (
    GATES,
    BudgetConfig,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
    TrainConfig,
)
from lstm_textgen.errors import ConfigError
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.training.loop import EVALUATIONS
from lstm_textgen.training.machine import Machine, explain_out_of_memory
from lstm_textgen.training.overrides import Overrides, with_preset
from lstm_textgen.training.recipe import (
    CHARACTERS_PER_PARAMETER,
    OPERATIONS,
    best_parameters,
    default_batch,
    default_budget,
    default_dropout,
    default_rate,
    default_unit,
    default_weight_drop,
    default_window,
    fitting_streams,
    size_for,
)
from lstm_textgen.training.speed import choose_precision, choose_threads, reading_speed

EVALUATION_SHARE = 0.01
"""Share of a run that its evaluations may take, the last one not counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A run as it will be."""

    config: TrainConfig
    machine: Machine
    parameters: int
    characters_per_second: float
    """Measured with real steps of this model on this machine."""
    characters_read_per_second: float
    """Measured with this model reading one stream, in float32."""
    characters: int
    """Expected to be read, all epochs together."""
    seconds: float
    """Expected to be taken."""
    sample: int
    """Held-out characters that an evaluation during the run counts."""
    chosen: tuple[str, ...]
    """What the plan chose by itself, for people."""


def make_plan(
    wishes: Overrides, *, characters: int, vocabulary: int, machine: Machine
) -> Plan:
    """
    Decide on everything that the user left open.

    Args:
        wishes: What the user has set.
        characters: Ids of the training part that steps read.
        vocabulary: Different characters.
        machine: Where to compute. Its precision is chosen here, and in a run of so
            many minutes its threads.

    Raises:
        ConfigError: An unknown preset, a setting out of range, or more than the
            memory holds.
        CorpusError: The training part is shorter than a window.
    """
    wishes = with_preset(wishes, machine)
    budget = wishes.budget or default_budget(characters, machine)
    optimizer = OptimizerConfig(**default_batch(machine) | dict(wishes.optimizer))
    usable = machine.threads
    if budget.minutes is None:  # it is to be the same each time
        machine = replace(machine, threads_open=False)
    machine, operations = _speed(wishes, optimizer, vocabulary, machine)
    model = _model(wishes, budget, optimizer, characters, operations, machine)
    optimizer = _fitting(optimizer, wishes, model.hidden, characters)
    with explain_out_of_memory(model, optimizer):
        network = _at_birth(model, vocabulary, machine)
        # a model smaller than the usual one may want fewer threads still
        machine, speed = choose_threads(
            machine, network, optimizer, _measuring_s(budget)
        )
    total = _total_characters(budget, optimizer, characters, speed)
    config = TrainConfig(
        text=TextConfig(**wishes.text),
        model=model,
        optimizer=_suited(optimizer, wishes, model.hidden, total / characters),
        budget=budget,
        seed=wishes.run.get("seed", 1),
        precision="float32" if machine.dtype == torch.float32 else "bfloat16",
    )
    return Plan(
        config=config,
        machine=machine,
        parameters=network.parameter_count(),
        characters_per_second=speed,
        characters_read_per_second=reading_speed(machine, network),
        characters=int(total),
        seconds=60 * budget.minutes if budget.minutes else total / speed,
        sample=_sample(total),
        chosen=_chosen(wishes) + (("threads",) if machine.threads < usable else ()),
    )


def check_parameters(parameters: int) -> None:
    """
    A model must fit into a checkpoint, and better be told so before it is trained.

    Raises:
        ConfigError: It does not.
    """
    if 4 * parameters > SIZE_CAP:
        raise ConfigError(
            f"The model has {parameters:,} parameters; a checkpoint holds at most "
            f"{SIZE_CAP // 4:,}.",
            "Set hidden or layers lower.",
        )


def _at_birth(config: ModelConfig, vocabulary: int, machine: Machine) -> CharModel:
    """A network to measure with."""
    check_parameters(parameter_count(config, vocabulary))
    network = CharModel(config, vocabulary).to(machine.device)
    initialize(network, torch.Generator().manual_seed(0))
    return network


def _speed(
    wishes: Overrides, optimizer: OptimizerConfig, vocabulary: int, machine: Machine
) -> tuple[Machine, float]:
    """Choose precision and threads by steps of a usual size; operations a second."""
    config = ModelConfig(**{"layers": 2, "hidden": 256} | dict(wishes.model))
    precision = wishes.run.get("precision", "auto")
    with explain_out_of_memory(config, optimizer):
        network = _at_birth(config, vocabulary, machine)
        machine, speed = choose_precision(machine, precision, network, optimizer)
    weights = network.parameter_count() - network.embedding.weight.numel()
    return machine, OPERATIONS * weights * speed


def _model(
    wishes: Overrides,
    budget: BudgetConfig,
    optimizer: OptimizerConfig,
    characters: int,
    operations: float,
    machine: Machine,
) -> ModelConfig:
    rows = GATES[wishes.model.get("cell", "lstm")]

    def sized(available: float) -> ModelConfig:
        layers, hidden = size_for(
            best_parameters(available, characters), rows, default_unit(machine)
        )
        return ModelConfig(**{"layers": layers, "hidden": hidden} | dict(wishes.model))

    if budget.minutes is not None:
        return sized(operations * 60 * budget.minutes)
    # as much as the model that suits these characters takes
    total = _total_characters(budget, optimizer, characters, speed=0.0)
    model = sized(OPERATIONS * total**2 / CHARACTERS_PER_PARAMETER)
    # a wide one reads longer windows, so more in as many steps
    fitting = _fitting(optimizer, wishes, model.hidden, characters)
    total = _total_characters(budget, fitting, characters, speed=0.0)
    return sized(OPERATIONS * total**2 / CHARACTERS_PER_PARAMETER)


def _fitting(
    optimizer: OptimizerConfig, wishes: Overrides, hidden: int, characters: int
) -> OptimizerConfig:
    """A window that suits the width, and streams that the text is long enough for."""
    if "window" not in wishes.optimizer:
        window = default_window(optimizer.window, hidden, characters)
        optimizer = replace(optimizer, window=window)
    fixed = "streams" in wishes.optimizer
    streams = fitting_streams(characters, optimizer, fixed=fixed)
    return replace(optimizer, streams=streams)


def _suited(
    optimizer: OptimizerConfig, wishes: Overrides, hidden: int, epochs: float
) -> OptimizerConfig:
    """
    The rate for this width and the noise for these epochs, unless wished.

    Who sets the dropout decides on all noise.
    """
    suited = {"learning_rate": default_rate(optimizer.learning_rate, hidden)}
    if "dropout" not in wishes.optimizer:
        suited["dropout"] = default_dropout(epochs)
        suited["weight_drop"] = default_weight_drop(epochs)
    return replace(optimizer, **suited | dict(wishes.optimizer))


def _total_characters(
    budget: BudgetConfig, optimizer: OptimizerConfig, characters: int, speed: float
) -> float:
    if budget.minutes is not None:
        return max(1.0, 60 * budget.minutes * speed)
    if budget.epochs is not None:
        return budget.epochs * characters
    assert budget.steps is not None, "BudgetConfig has exactly one"
    return float(budget.steps * optimizer.streams * optimizer.window)


def _measuring_s(budget: BudgetConfig) -> float:
    """How long to measure: what is decided for an hour is worth three seconds."""
    return min(3.0, max(0.4, 0.2 * (budget.minutes or 0.0)))


def _sample(total: float) -> int:
    """Characters of an evaluation: reading costs a third of what learning costs."""
    return max(4096, int(EVALUATION_SHARE * 3 * total / EVALUATIONS))


def _chosen(wishes: Overrides) -> tuple[str, ...]:
    sizes = {"layers", "hidden"} & set(wishes.model)
    chosen = [] if sizes else ["size"]
    chosen += [] if wishes.budget else ["budget"]
    chosen += [] if "dropout" in wishes.optimizer else ["dropout"]
    return tuple(chosen)
