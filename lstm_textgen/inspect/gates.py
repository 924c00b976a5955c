"""
The signals of a cell by name: its gates, its memory and its output.

A unit's `memory` is what it carries from one character to the next: the cell state of
an LSTM, the hidden state of a GRU or an RNN. Layers and units are counted from 0, as in
the names of the weights.
"""

import re
from dataclasses import dataclass

from lstm_textgen.config import Cell, ModelConfig
from lstm_textgen.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class CellSignals:
    """What can be inspected in one kind of cell."""

    names: tuple[str, ...]
    """
    Every signal in display order.

    Gates are 0 to 1; `candidate` is what the cell would write, -1 to 1; `memory` the
    LSTM's cell state, of any size; `hidden` the output of a unit, -1 to 1.
    """

    gates: tuple[str, ...]
    memory: str
    """The signal that is carried from one character to the next."""

    retention_gate: str | None
    """The gate that says how much of the memory is kept. The RNN has none."""

    holding_gates: dict[str, float]
    """Gates at which a step leaves the memory as it is. An RNN always overwrites it."""


CELL_SIGNALS: dict[Cell, CellSignals] = {
    "lstm": CellSignals(
        names=("forget", "input", "output", "candidate", "memory", "hidden"),
        gates=("forget", "input", "output"),
        memory="memory",
        retention_gate="forget",
        holding_gates={"forget": 1.0, "input": 0.0},
    ),
    "gru": CellSignals(
        names=("reset", "update", "candidate", "hidden"),
        gates=("reset", "update"),
        memory="hidden",
        retention_gate="update",
        holding_gates={"update": 1.0},
    ),
    "rnn": CellSignals(
        names=("hidden",),
        gates=(),
        memory="hidden",
        retention_gate=None,
        holding_gates={},
    ),
}

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
