"""
What a cell has to show: the names of its gates, its memory and what it gives out.

Layers and units are counted from 0, as in the names of the weights.
"""

import re

from lstm_textgen.config import Cell, ModelConfig
from lstm_textgen.errors import ConfigError

GATED: dict[Cell, tuple[str, ...]] = {
    "lstm": ("forget", "input", "output"),
    "gru": ("reset", "update"),
    "rnn": (),
}
"""The gates of each cell, 0 to 1."""

SIGNALS: dict[Cell, tuple[str, ...]] = {
    "lstm": ("forget", "input", "output", "candidate", "memory", "hidden"),
    "gru": ("reset", "update", "candidate", "hidden"),
    "rnn": ("hidden",),
}
"""
Everything that can be looked at, in the order in which it is shown.

`candidate` is what would be noted, -1 to 1; `memory` the LSTM's cell, of any size;
`hidden` what a unit gives out, -1 to 1, and for GRU and RNN also what it remembers.
"""

MEMORY: dict[Cell, str] = {"lstm": "memory", "gru": "hidden", "rnn": "hidden"}
"""Which of them is carried from one character to the next."""

KEEPER: dict[Cell, str] = {"lstm": "forget", "gru": "update"}
"""The gate that says which share of the memory stays. The RNN has none."""

Unit = tuple[int, int]
"""Layer and unit, both from 0."""


def parse_unit(text: str, model: ModelConfig) -> Unit:
    """
    The unit that a person means by `layer:unit`.

    Raises:
        ConfigError: It is not written so, or the model has no such unit.
    """
    found = re.fullmatch(r"([0-9]{1,6}):([0-9]{1,6})", text.strip())
    if found is None:
        problem = f"{text!r} names no unit."
        raise ConfigError(problem, "Write layer:unit, both from 0, such as 0:17.")
    unit = int(found[1]), int(found[2])
    check_place(*unit, model)
    return unit


def check_place(layer: int | None, unit: int | None, model: ModelConfig) -> None:
    """
    Refuse a layer or a unit that a model does not have.

    Raises:
        ConfigError: There is no such layer or unit.
    """
    for name, place, count in (
        ("layer", layer, model.layers),
        ("unit", unit, model.hidden),
    ):
        if place is not None and not 0 <= place < count:
            raise ConfigError(
                f"There is no {name} {place}: the model has {count} {name}s, from 0.",
                f"Name a {name} from 0 to {count - 1}.",
            )


def named(unit: Unit) -> str:
    """The way back from `parse_unit`."""
    return f"{unit[0]}:{unit[1]}"
