"""
The signals of a cell by name: its gates, its memory and its output.

A unit's `memory` is what it carries from one character to the next: the cell state of
an LSTM, the hidden state of a GRU or an RNN. Layers and units are counted from 0, as in
the names of the weights.
"""

import re

from lstm_textgen.config import Cell, ModelConfig
from lstm_textgen.errors import ConfigError

GATE_NAMES: dict[Cell, tuple[str, ...]] = {
    "lstm": ("forget", "input", "output"),
    "gru": ("reset", "update"),
    "rnn": (),
}
"""The gates of each cell, 0 to 1."""

SIGNAL_NAMES: dict[Cell, tuple[str, ...]] = {
    "lstm": ("forget", "input", "output", "candidate", "memory", "hidden"),
    "gru": ("reset", "update", "candidate", "hidden"),
    "rnn": ("hidden",),
}
"""
Everything that can be inspected, in display order.

`candidate` is what the cell would write, -1 to 1; `memory` the LSTM's cell state, of
any size; `hidden` the output of a unit, -1 to 1.
"""

MEMORY_SIGNAL: dict[Cell, str] = {"lstm": "memory", "gru": "hidden", "rnn": "hidden"}
"""The signal that is carried from one character to the next."""

RETENTION_GATE: dict[Cell, str] = {"lstm": "forget", "gru": "update"}
"""The gate that says how much of the memory is kept. The RNN has none."""

Unit = tuple[int, int]
"""Layer and unit, both from 0."""


def parse_unit(text: str, model: ModelConfig) -> Unit:
    """
    Parse `layer:unit`.

    Raises:
        ConfigError: The form is wrong, or the model has no such unit.
    """
    match = re.fullmatch(r"([0-9]{1,6}):([0-9]{1,6})", text.strip())
    if match is None:
        problem = f"{text!r} names no unit."
        raise ConfigError(problem, "Write layer:unit, both from 0, such as 0:17.")
    layer, unit = int(match[1]), int(match[2])
    check_unit(layer, unit, model)
    return layer, unit


def check_unit(layer: int | None, unit: int | None, model: ModelConfig) -> None:
    """
    Check that a model has a layer and a unit; None stands for all.

    Raises:
        ConfigError: It has not.
    """
    for name, index, count in (
        ("layer", layer, model.layers),
        ("unit", unit, model.hidden),
    ):
        if index is not None and not 0 <= index < count:
            raise ConfigError(
                f"There is no {name} {index}: the model has {count} {name}s, from 0.",
                f"Name a {name} from 0 to {count - 1}.",
            )


def unit_name(unit: Unit) -> str:
    """The inverse of `parse_unit`."""
    return f"{unit[0]}:{unit[1]}"
