"""
Everything about a new run that the user left open: its size, its length, its noise.

What the user has set stays. The rest follows from the text, the budget and the
measured speed of the machine, by rules that the trials of `docs/recipe.md` left.
"""

import math
from dataclasses import dataclass, replace

import torch

from lstm_textgen.config import (
    CADENCE,
    GATE_COUNT,
    BudgetConfig,
    ModelConfig,
    OptimizerConfig,
    Precision,
    TrainConfig,
)
from lstm_textgen.errors import CorpusError
from lstm_textgen.model.machine import Machine, explain_out_of_memory
from lstm_textgen.training.overrides import Overrides, with_preset
from lstm_textgen.training.speed import (
    choose_precision,
    choose_threads,
    measuring_seconds,
    new_network,
    reading_speed,
)

EVALUATION_SHARE = 0.01
"""Share of a run that its evaluations may take, the last one not counted."""

LADDER = (
    *((2, hidden) for hidden in (96, 128, 160, 192, 224, 256, 320, 384, 512, 640)),
    *((3, hidden) for hidden in (640, 768, 1024)),
)
"""Layers and hidden units that a run without a preset or sizes chooses from."""

CHARACTERS_PER_PARAMETER = 3.1
"""Characters that a run reads for each parameter, the optimum; with more, a larger
model is better."""

WIDE_LAYER = 320
"""Units above which a window is twice as long: a step of the optimizer costs more."""

OPERATIONS = 6
"""Floating-point operations per parameter and character of a training step."""

PARAMETERS_PER_CHARACTER = 4.0
"""At most: a larger model would memorize the text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What was decided for a new run, and what it is expected to take."""

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
    """Expected duration."""
    evaluation_sample: int
    """Held-out characters that an evaluation during the run counts."""
    chosen: tuple[str, ...]
    """What the plan chose by itself, to be announced."""


def make_plan(
    overrides: Overrides, *, characters: int, vocabulary: int, machine: Machine
) -> Plan:
    """
    Decide on everything that the user left open.

    Args:
        overrides: What the user has set.
        characters: Ids of the training part that steps read.
        vocabulary: Different ids.
        machine: Where to compute. Its precision is chosen here, and with a budget in
            minutes its threads.

    Raises:
        ConfigError: An unknown preset, a setting out of range, a model that no
            checkpoint holds, or not enough memory.
        CorpusError: The training part is shorter than a window.
    """
    overrides = with_preset(overrides, machine)
    budget = overrides.budget or default_budget(characters, machine)
    settings = overrides.with_defaults(budget)
    optimizer = OptimizerConfig(**default_batch(machine) | dict(overrides.optimizer))
    usable = machine.threads
    if budget.minutes is None:  # the result must not depend on the clock
        machine = replace(machine, threads_open=False)
    machine, operations = _measured(
        machine, settings.precision, overrides, optimizer, vocabulary
    )
    model = _sized_model(overrides, budget, optimizer, characters, operations, machine)
    batched = _with_batch(optimizer, overrides, model.hidden, characters)
    with explain_out_of_memory(model, batched):
        network = new_network(model, vocabulary, machine)
        # a model smaller than the usual one may want fewer threads still
        machine, speed = choose_threads(
            machine, network, batched, measuring_seconds(budget)
        )
    total = _total_characters(budget, batched, characters, speed)
    config = replace(
        settings,
        model=model,
        optimizer=_with_rate_and_noise(
            batched, overrides, model.hidden, total / characters
        ),
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
        evaluation_sample=_evaluation_sample(total),
        chosen=_chosen(overrides) + (("threads",) if machine.threads < usable else ()),
    )


def _measured(
    machine: Machine,
    precision: Precision,
    overrides: Overrides,
    optimizer: OptimizerConfig,
    vocabulary: int,
) -> tuple[Machine, float]:
    """
    The machine with precision and threads chosen at a usual size of the model.

    Returns:
        The machine, and its floating-point operations a second at that size.
    """
    config = ModelConfig(**{"layers": 2, "hidden": 256} | dict(overrides.model))
    with explain_out_of_memory(config, optimizer):
        network = new_network(config, vocabulary, machine)
        machine, speed = choose_precision(machine, precision, network, optimizer)
    weights = network.parameter_count() - network.embedding.weight.numel()
    return machine, OPERATIONS * weights * speed


def _sized_model(
    overrides: Overrides,
    budget: BudgetConfig,
    optimizer: OptimizerConfig,
    characters: int,
    operations: float,
    machine: Machine,
) -> ModelConfig:
    """The model with the size for the budget, by operations or by characters."""
    rows = GATE_COUNT[ModelConfig(**overrides.model).cell]

    def sized(available: float) -> ModelConfig:
        layers, hidden = size_for(
            best_parameters(available, characters), rows, default_unit(machine)
        )
        return ModelConfig(
            **{"layers": layers, "hidden": hidden} | dict(overrides.model)
        )

    if budget.minutes is not None:
        return sized(operations * 60 * budget.minutes)
    # as much arithmetic as the model that suits these characters takes
    total = _total_characters(budget, optimizer, characters, speed=0.0)
    model = sized(OPERATIONS * total**2 / CHARACTERS_PER_PARAMETER)
    # a wide one reads longer windows, so more in as many steps
    batched = _with_batch(optimizer, overrides, model.hidden, characters)
    total = _total_characters(budget, batched, characters, speed=0.0)
    return sized(OPERATIONS * total**2 / CHARACTERS_PER_PARAMETER)


def _with_batch(
    optimizer: OptimizerConfig, overrides: Overrides, hidden: int, characters: int
) -> OptimizerConfig:
    """A window that suits the width, and streams that the text is long enough for."""
    if "window" not in overrides.optimizer:
        window = default_window(optimizer.window, hidden, characters)
        optimizer = replace(optimizer, window=window)
    fixed = "streams" in overrides.optimizer
    streams = fitting_streams(characters, optimizer, fixed=fixed)
    return replace(optimizer, streams=streams)


def _with_rate_and_noise(
    optimizer: OptimizerConfig, overrides: Overrides, hidden: int, epochs: float
) -> OptimizerConfig:
    """
    The rate for this width and the noise for these epochs, unless they are set.

    Setting the dropout decides on all noise.
    """
    tuned = {"learning_rate": default_rate(optimizer.learning_rate, hidden)}
    if "dropout" not in overrides.optimizer:
        tuned["dropout"] = default_dropout(epochs)
        tuned["weight_drop"] = default_weight_drop(epochs)
    return replace(optimizer, **tuned | dict(overrides.optimizer))


def _total_characters(
    budget: BudgetConfig, optimizer: OptimizerConfig, characters: int, speed: float
) -> float:
    if budget.minutes is not None:
        return max(1.0, 60 * budget.minutes * speed)
    if budget.epochs is not None:
        return budget.epochs * characters
    assert budget.steps is not None, "BudgetConfig has exactly one"
    return float(budget.steps * optimizer.streams * optimizer.window)


def _evaluation_sample(total: float) -> int:
    """Characters of an evaluation: reading costs a third of what learning costs."""
    return max(4096, int(EVALUATION_SHARE * 3 * total / CADENCE.evaluations))


def _chosen(overrides: Overrides) -> tuple[str, ...]:
    sizes = {"layers", "hidden"} & set(overrides.model)
    chosen = [] if sizes else ["size"]
    chosen += [] if overrides.budget else ["budget"]
    chosen += [] if "dropout" in overrides.optimizer else ["dropout"]
    return tuple(chosen)


def default_budget(characters: int, machine: Machine) -> BudgetConfig:
    """A minute for 100,000 characters, from one to ten; a tenth of that on a GPU."""
    per_minute = 100_000 if machine.device.type == "cpu" else 1_000_000
    return BudgetConfig(minutes=float(min(10, max(1, round(characters / per_minute)))))


def default_rate(highest: float, hidden: int) -> float:
    """
    The highest rate for layers of up to 256 units, less for wider ones.

    Source:
        Yang et al. (2021), Tensor Programs V: with Adam, the rate that suits a
        matrix falls as one over its width. https://arxiv.org/abs/2203.03466
    """
    return highest * min(1.0, 256 / hidden)


def default_dropout(epochs: float) -> float:
    """
    0 up to 2.2 epochs, 0.1 more with every doubling from there, up to 0.15.

    From 15 epochs on, as short texts have, 0.13 more with every doubling, up to 0.5.
    """
    few = _noise(epochs, zero_until=2.2, per_doubling=0.1, most=0.15)
    return max(few, _noise(epochs, zero_until=6.7, per_doubling=0.13, most=0.5))


def default_weight_drop(epochs: float) -> float:
    """0 up to 3 epochs, 0.14 more with every doubling from there, at most 0.3."""
    return _noise(epochs, zero_until=3.0, per_doubling=0.14, most=0.3)


def _noise(
    epochs: float, *, zero_until: float, per_doubling: float, most: float
) -> float:
    doublings = math.log2(max(epochs / zero_until, 1.0))
    return round(min(most, per_doubling * doublings), 2)


def fitting_streams(
    characters: int, optimizer: OptimizerConfig, *, fixed: bool = False
) -> int:
    """
    The configured streams, or fewer if the text is too short.

    Args:
        characters: Ids of the training part.
        optimizer: Streams and window.
        fixed: The user has set this number.

    Raises:
        CorpusError: Not even one stream has a whole window.
    """
    if characters <= optimizer.window:
        raise CorpusError(
            f"The text has {characters:,} characters to train on, "
            f"and a window is {optimizer.window}.",
            f"Give a longer text, or take --window {max(1, characters // 4)}.",
        )
    if fixed:
        return optimizer.streams
    return max(1, min(optimizer.streams, characters // optimizer.window))


def best_parameters(operations: float, characters: int) -> float:
    """
    The best number of parameters for a compute budget.

    Args:
        operations: Floating-point operations that there is time for.
        characters: Ids of the training part.
    """
    fed = OPERATIONS * CHARACTERS_PER_PARAMETER
    return min(math.sqrt(operations / fed), PARAMETERS_PER_CHARACTER * characters)


def default_unit(machine: Machine) -> int:
    """
    The multiple to which hidden units are restricted: on a GPU, by its fastest kernel.

    Source:
        NVIDIA, cuDNN developer guide: the persistent kernels of recurrent layers.
    """
    return 1 if machine.device.type == "cpu" else 128


def size_for(parameters: float, cell_rows: int, unit: int = 1) -> tuple[int, int]:
    """
    The rung of the ladder whose recurrent layers come closest to *parameters*.

    Embedding and head, which the vocabulary decides, are not counted.

    Args:
        parameters: More than 0.
        cell_rows: Gates of a cell.
        unit: Rungs whose hidden units are not a multiple of it are left out.
    """

    def distance(rung: tuple[int, int]) -> float:
        layers, hidden = rung
        weights = cell_rows * hidden * (hidden + 64 + (layers - 1) * 2 * hidden)
        return abs(math.log(weights / max(parameters, 1.0)))

    return min((rung for rung in LADDER if rung[1] % unit == 0), key=distance)


def default_batch(machine: Machine) -> dict[str, int]:
    """Streams and window: small steps where they cost nothing, large on a GPU."""
    if machine.device.type != "cpu":
        return {"streams": 64, "window": 128}
    return {}


def default_window(window: int, hidden: int, characters: int) -> int:
    """Twice the window for wide layers, if the text is long enough for that."""
    if hidden <= WIDE_LAYER:
        return window
    return min(2 * window, max(window, characters // 2))
