"""Equal terms: how many units a cell may have for as many weights as another."""

from dataclasses import replace

from lstm_textgen.config import Cell, ModelConfig
from lstm_textgen.model.cells import GATES

MOST_UNITS = 8192
"""The most that a network may have."""


def recurrent_parameters(config: ModelConfig) -> int:
    """Weights and biases of the recurrent layers; embedding and head not counted."""
    rows = GATES[config.cell] * config.hidden
    read = config.embedding + (config.layers - 1) * config.hidden
    return rows * (read + config.layers * (config.hidden + 2))


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
