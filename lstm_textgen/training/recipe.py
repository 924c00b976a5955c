"""
What to do for a text and a budget: the rules that the trials of `docs/recipe.md` left.

Each takes numbers and gives numbers; `training.plan` puts them together.
"""

import math

from lstm_textgen.config import BudgetConfig, OptimizerConfig
from lstm_textgen.errors import CorpusError
from lstm_textgen.training.machine import Machine

LADDER = (
    *((2, hidden) for hidden in (96, 128, 160, 192, 224, 256, 320, 384, 512, 640)),
    *((3, hidden) for hidden in (640, 768, 1024)),
)
"""Layers and hidden units among which a run without a preset chooses."""

CHARACTERS_PER_PARAMETER = 3.1
"""How often a model should be fed in a run: more wants a larger model."""

WIDE = 320
"""Units above which a window is twice as long: a step of the optimiser costs more."""

OPERATIONS = 6
"""Floating-point operations for each parameter and character that is learned from."""

PARAMETERS_PER_CHARACTER = 4.0
"""Recurrent weights to aim for at most: a larger model would learn a text by heart."""


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
    None up to 2.2 epochs, 0.1 more with every doubling from there, up to 0.15.

    From 15 epochs on, as short texts have, 0.13 more with each doubling, up to 0.5.
    """
    few = _noise(epochs, none_until=2.2, per_doubling=0.1, most=0.15)
    return max(few, _noise(epochs, none_until=6.7, per_doubling=0.13, most=0.5))


def default_weight_drop(epochs: float) -> float:
    """None up to 3 epochs, 0.14 more with every doubling from there, at most 0.3."""
    return _noise(epochs, none_until=3.0, per_doubling=0.14, most=0.3)


def _noise(
    epochs: float, *, none_until: float, per_doubling: float, most: float
) -> float:
    doublings = math.log2(max(epochs / none_until, 1.0))
    return round(min(most, per_doubling * doublings), 2)


def fitting_streams(
    characters: int, optimizer: OptimizerConfig, *, fixed: bool = False
) -> int:
    """
    As many streams as were asked for, fewer where the text is too short for them.

    Args:
        characters: Ids of the training part.
        optimizer: Streams and window.
        fixed: The user wants just this many.

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
    How large a model makes the best of an amount of arithmetic.

    Args:
        operations: Floating-point operations that there is time for.
        characters: Ids of the training part.
    """
    fed = OPERATIONS * CHARACTERS_PER_PARAMETER
    return min(math.sqrt(operations / fed), PARAMETERS_PER_CHARACTER * characters)


def default_unit(machine: Machine) -> int:
    """
    Of what hidden units are a multiple: on a GPU of what its fastest kernel takes.

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
        unit: Rungs whose hidden units are no multiple of it are left out.
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
    if hidden <= WIDE:
        return window
    return min(2 * window, max(window, characters // 2))
