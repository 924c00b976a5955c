"""
Hold a unit or a gate at a value while a model reads or writes.

The equations stay those of `model.cells`: what is held is put into the sums that a
step adds up, and into the memory before it.

Shapes: N samples, E inputs, H hidden units, G gate rows, V vocabulary.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lstm_textgen.config import BLOCKS, Cell, ModelConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.inspect.gates import GATED, check_place
from lstm_textgen.model.cells import UPDATES, CellWeights, from_input, from_memory
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.model.stack import walk

STAYS: dict[Cell, dict[str, float]] = {
    "lstm": {"forget": 1.0, "input": 0.0},
    "gru": {"update": 1.0},
    "rnn": {},
}
"""Gates at which a memory stays what it is. The RNN writes its memory anew."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """One thing that is held."""

    layer: int | None
    """From 0; None for all."""
    unit: int | None
    """From 0; None for all."""
    gate: str | None
    """A gate or `candidate`; None for the memory."""
    value: float


def parse_clamp(text: str, model: ModelConfig) -> Clamp:
    """
    What is to be held: `0:17=2`, `forget=1`, `1:forget=0`, `0:17:input=0`, `memory=0`.

    Raises:
        ConfigError: It is not written so, the model has no such place or gate, or
            the value is none that it can take.
    """
    form = r"(?:([0-9]{1,6}):)?(?:([0-9]{1,6})(?::|(?==)))?([a-z]*)=(.*)"
    found = re.fullmatch(form, text.replace(" ", ""))
    layer, unit, name, number = found.groups() if found else (None, None, "", "")
    if not (unit or name) or (unit and not layer):
        raise ConfigError(
            f"{text!r} holds nothing.",
            "Write 0:17=2 for a unit, forget=1 for a gate, 0:17:forget=1 for both.",
        )
    gate = name or "memory"
    at_layer = None if layer is None else int(layer)
    at_unit = None if unit is None else int(unit)
    check_place(at_layer, at_unit, model)
    value = _value(text, gate, number, model.cell)
    return Clamp(at_layer, at_unit, None if gate == "memory" else gate, value)


def _value(text: str, gate: str, number: str, cell: Cell) -> float:
    """The number, if what is held can take it."""
    gates, least, most = GATED[cell], -1.0, 1.0
    if gate in gates:
        least = 0.0
    elif gate == "memory" and cell == "lstm":
        least, most = -100.0, 100.0
    elif gate not in ("memory", "candidate"):
        names = ", ".join((*gates, "candidate", "memory"))
        problem = f"A cell of kind {cell} has no {gate!r}, as in {text!r}."
        raise ConfigError(problem, f"Name one of {names}.")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        what = f"the {gate} gate" if gate in gates else f"the {gate}"
        problem = f"{text!r} holds {what} at {number or 'nothing'}."
        raise ConfigError(problem, f"Set it to a number from {least:g} to {most:g}.")
    return value


class Held:
    """
    What is held in one layer, and a step of that layer under it.

    Args:
        cell: The kind of cell.
        weights: Of the layer.
        clamps: Those that act on this layer. Where two meet, the later one wins, and
            a memory wins over its gates.
    """

    def __init__(
        self, cell: Cell, weights: CellWeights, clamps: Sequence[Clamp] = ()
    ) -> None:
        self._update = UPDATES[cell]
        self._weights = weights
        names, hidden = BLOCKS[cell], weights.recurrent.shape[1]
        nothing = weights.bias.new_full((len(names) + 1, hidden), math.nan)
        *sums, self._values = nothing
        for clamp in sorted(clamps, key=lambda clamp: clamp.gate is None):
            units = slice(None) if clamp.unit is None else clamp.unit
            gates = {clamp.gate: clamp.value}
            if clamp.gate is None:
                self._values[units] = clamp.value
                gates = STAYS[cell] or {"candidate": clamp.value}  # type: ignore[assignment]
            for gate, value in gates.items():
                assert gate is not None, "the memory was turned into gates"
                sums[names.index(gate)][units] = _sum(gate, value)
        self._sums = torch.cat(sums)
        self._rows, self._units = ~self._sums.isnan(), ~self._values.isnan()
        self._free = not clamps

    def inputs(self, x: Float[Tensor, "N E"]) -> Float[Tensor, "N G"]:
        """What the input contributes to every gate."""
        a = from_input(x, self._weights)
        return a if self._free else torch.where(self._rows, self._sums, a)

    def step(
        self, a: Float[Tensor, "N G"], state: LayerState
    ) -> tuple[Float[Tensor, "N G"], LayerState]:
        """
        One step of the layer.

        Args:
            a: From `inputs`.
            state: The memory before.

        Returns:
            What the memory contributed to every gate, and the memory after.
        """
        state = self._set(state)
        m = from_memory(state.hidden, self._weights)
        m = m if self._free else torch.where(self._rows, 0.0, m)
        return m, self._update(a, m, state)

    def _set(self, state: LayerState) -> LayerState:
        if self._free:
            return state
        if state.cell is None:
            return LayerState(torch.where(self._units, self._values, state.hidden))
        cell = torch.where(self._units, self._values, state.cell)
        return LayerState(state.hidden, cell)


def hold(model: CharModel, clamps: Sequence[Clamp] = ()) -> list[Held]:
    """Every layer of a model, lowest first, with what is held in it."""
    return [
        Held(
            model.config.cell,
            cell_weights(layer),  # type: ignore[arg-type]
            [clamp for clamp in clamps if clamp.layer in (None, depth)],
        )
        for depth, layer in enumerate(model.layers)
    ]


class ClampedStepper:
    """
    Writes with a model in which something is held; `sampling.engine.Stepper`.

    Args:
        model: It is not changed.
        clamps: From the first character read. Without any it equals the model.
    """

    def __init__(self, model: CharModel, clamps: Sequence[Clamp]) -> None:
        self._model = model
        self._layers = hold(model, clamps)

    def empty(self) -> StackState:
        """The memory of one sample that has read nothing."""
        return self._model.initial_state(1)

    @torch.inference_mode()
    def read(
        self, ids: Int64[Tensor, " T"], state: StackState
    ) -> tuple[Float[Tensor, "1 V"], StackState]:
        """Read a part of a prompt, at least 1 character."""
        for place in range(len(ids)):
            logits, state = self.step(ids[place : place + 1], state)
        return logits, state

    @torch.inference_mode()
    def step(
        self, ids: Int64[Tensor, " N"], state: StackState
    ) -> tuple[Float[Tensor, "N V"], StackState]:
        """Read one character per sample."""

        def layer_step(
            depth: int, x: Tensor, before: LayerState
        ) -> tuple[Tensor, LayerState]:
            layer = self._layers[depth]
            _, after = layer.step(layer.inputs(x), before)
            return after.hidden, after

        x, after = walk(
            self._model.embedding(ids),
            state.layers,
            layer_step,
            residual=self._model.config.residual,
        )
        return self._model.head(x), StackState(after)


def _sum(gate: str, value: float) -> Tensor:
    """The sum at which a gate has a value; infinite at its ends."""
    exact = torch.tensor(value, dtype=torch.float64)
    return exact.atanh() if gate == "candidate" else exact.logit()
