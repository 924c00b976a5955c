"""
Clamp a memory or a gate to a value while a model reads or generates text.

The equations stay those of `model.cells`: a clamp overrides the pre-activation of a
gate, and the memory that a step starts from.

Shapes: N samples, E inputs, H hidden units, G gate rows, V vocabulary.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lstm_textgen.config import GATES, Cell, ModelConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.inspect.gates import CELL_SIGNALS, check_unit
from lstm_textgen.model.cells import UPDATES, CellWeights, from_hidden, from_input
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.model.stack import walk
from lstm_textgen.sampling.batched import NetworkBackend


@dataclass(frozen=True, slots=True)
class Clamp:
    """One value that is held."""

    layer: int | None
    """From 0; None for all."""
    unit: int | None
    """From 0; None for all."""
    gate: str | None
    """A gate or `candidate`; None for the memory."""
    value: float


def parse_clamp(text: str, model: ModelConfig) -> Clamp:
    """
    Parse `0:17=2`, `forget=1`, `1:forget=0`, `0:17:input=0` or `memory=0`.

    Raises:
        ConfigError: The form is wrong, the model has no such unit or gate, or the
            value is out of range.
    """
    form = r"(?:([0-9]{1,6}):)?(?:([0-9]{1,6})(?::|(?==)))?([a-z]*)=(.*)"
    match = re.fullmatch(form, text.replace(" ", ""))
    layer_digits, unit_digits, name, number = (
        match.groups() if match else (None, None, "", "")
    )
    if not (unit_digits or name) or (unit_digits and not layer_digits):
        raise ConfigError(
            f"{text!r} holds nothing.",
            "Write 0:17=2 for a unit, forget=1 for a gate, 0:17:forget=1 for both.",
        )
    layer = None if layer_digits is None else int(layer_digits)
    unit = None if unit_digits is None else int(unit_digits)
    check_unit(layer, unit, model)
    gate = name or "memory"
    value = _parse_value(text, gate, number, model.cell)
    return Clamp(layer, unit, None if gate == "memory" else gate, value)


def _parse_value(text: str, gate: str, number: str, cell: Cell) -> float:
    """The value after the equals sign, if it is in the range of the signal."""
    gates, low, high = CELL_SIGNALS[cell].gates, -1.0, 1.0
    if gate in gates:
        low = 0.0
    elif gate == "memory" and cell == "lstm":
        low, high = -100.0, 100.0
    elif gate not in ("memory", "candidate"):
        names = ", ".join((*gates, "candidate", "memory"))
        problem = f"A cell of kind {cell} has no {gate!r}, as in {text!r}."
        raise ConfigError(problem, f"Name one of {names}.")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        signal = f"the {gate} gate" if gate in gates else f"the {gate}"
        problem = f"{text!r} holds {signal} at {number or 'nothing'}."
        raise ConfigError(problem, f"Set it to a number from {low:g} to {high:g}.")
    return value


class ClampedLayer:
    """
    A layer that is stepped with some of its values clamped.

    Args:
        cell: The kind of cell.
        weights: Its parameters.
        clamps: Those of this layer. Of two on one value the later one wins, and a
            memory wins over its gates.
    """

    def __init__(
        self, cell: Cell, weights: CellWeights, clamps: Sequence[Clamp] = ()
    ) -> None:
        self._update = UPDATES[cell]
        self._weights = weights
        blocks, hidden = GATES[cell], weights.recurrent.shape[1]
        # NaN where nothing is clamped: a row for each gate, and one for the memory
        *gate_rows, self._memory = weights.bias.new_full(
            (len(blocks) + 1, hidden), math.nan
        )
        for clamp in sorted(clamps, key=lambda clamp: clamp.gate is None):
            units = slice(None) if clamp.unit is None else clamp.unit
            if clamp.gate is None:
                self._memory[units] = clamp.value
                gates = CELL_SIGNALS[cell].holding_gates or {"candidate": clamp.value}
            else:
                gates = {clamp.gate: clamp.value}
            for gate, value in gates.items():
                gate_rows[blocks.index(gate)][units] = _pre_activation(gate, value)
        self._gates = torch.cat(gate_rows)
        self._is_gate, self._is_memory = ~self._gates.isnan(), ~self._memory.isnan()
        self._is_free = not clamps

    def project_input(self, x: Float[Tensor, "N E"]) -> Float[Tensor, "N G"]:
        """What the input contributes to every gate; all of it where one is clamped."""
        a = from_input(x, self._weights)
        return a if self._is_free else torch.where(self._is_gate, self._gates, a)

    def step(
        self, a: Float[Tensor, "N G"], state: LayerState
    ) -> tuple[Float[Tensor, "N G"], LayerState]:
        """
        Advance by one character.

        Args:
            a: From `project_input`.
            state: The state before.

        Returns:
            What the state contributed to every gate, and the state after.
        """
        state = self._clamp_memory(state)
        m = from_hidden(state.hidden, self._weights)
        m = m if self._is_free else torch.where(self._is_gate, 0.0, m)
        return m, self._update(a, m, state)

    def _clamp_memory(self, state: LayerState) -> LayerState:
        if self._is_free:
            return state
        if state.cell is None:
            return LayerState(torch.where(self._is_memory, self._memory, state.hidden))
        cell = torch.where(self._is_memory, self._memory, state.cell)
        return LayerState(state.hidden, cell)


def clamped_layers(
    model: CharModel, clamps: Sequence[Clamp] = ()
) -> list[ClampedLayer]:
    """Every layer of a model, lowest first, with its clamps."""
    return [
        ClampedLayer(
            model.config.cell,
            cell_weights(layer),  # type: ignore[arg-type]
            [clamp for clamp in clamps if clamp.layer in (None, depth)],
        )
        for depth, layer in enumerate(model.layers)
    ]


class ClampedBackend(NetworkBackend):
    """
    A `sampling.backend.Backend` that generates with clamps.

    Args:
        model: It is not changed.
        clamps: They hold from the first character read. Without any, the logits are
            those of the model.
    """

    def __init__(self, model: CharModel, clamps: Sequence[Clamp]) -> None:
        super().__init__(model)
        self._layers = clamped_layers(model, clamps)

    @torch.inference_mode()
    def read(
        self, ids: Int64[Tensor, " T"], state: StackState
    ) -> tuple[Float[Tensor, "1 V"], StackState]:
        """Read a part of a prompt, at least 1 character."""
        for index in range(len(ids)):
            logits, state = self.step(ids[index : index + 1], state)
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
            _, after = layer.step(layer.project_input(x), before)
            return after.hidden, after

        x, after = walk(
            self._model.embedding(ids),
            state.layers,
            layer_step,
            residual=self._model.config.residual,
        )
        return self._model.head(x), StackState(after)


def _pre_activation(gate: str, value: float) -> Tensor:
    """What a gate's activation maps to *value*; infinite at the ends of its range."""
    exact = torch.tensor(value, dtype=torch.float64)
    return exact.atanh() if gate == "candidate" else exact.logit()
