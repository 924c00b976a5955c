"""
The fast step of one sample: that of `kernels`, with the weights laid out for it.

Needs numba, the extra `fast`. Prompts and several samples go through `fast`.
"""

import copy
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from lstm_textgen.model.cells import GATES, from_input
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.rounding import rounded_rows
from lstm_textgen.model.state import LayerState, StackState
from lstm_textgen.sampling import kernels
from lstm_textgen.sampling.fast import FastStepper

KINDS = {"lstm": kernels.LSTM, "gru": kernels.GRU, "rnn": kernels.RNN}
Matrix = tuple[np.ndarray, np.ndarray]
"""Weights, and what a weight of 1 stands for in each row."""


class CompiledStepper(FastStepper):
    """
    Advances one sample without leaving machine code; several as `FastStepper` does.

    It equals the cells in float64 to 1e-9, and to about 1e-5 in float32.

    Args:
        model: On the CPU. It reads prompts; for writing its weights are copied.
        int8: Keep the matrices of the layers in 8 bits, each row with a scale of its
            own: a quarter of the bytes to read. What that costs is measured in
            `benchmarks/README.md`.
    """

    def __init__(self, model: CharModel, *, int8: bool = False) -> None:
        # prompts and several samples then see the same weights
        super().__init__(rounded_model(copy.deepcopy(model)) if int8 else model)
        self._net = laid_out(model, int8=int8)
        self._rows = GATES[model.config.cell] * model.config.hidden
        self._hidden = model.config.hidden
        self._dtype = model.head.weight.detach().numpy().dtype

    def _room(self) -> tuple[Any, ...]:
        """What the kernels work in; anew each time, so that threads do not share it."""
        bits = np.empty(self._rows, f"i{self._dtype.itemsize}")
        sizes = (self._rows, self._rows, self._hidden)
        a, m, x = (np.empty(size, self._dtype) for size in sizes)
        known = kernels.constants(self._dtype)
        return a, m, x, (bits, bits.view(self._dtype), known)

    def step(
        self, ids: Int64[Tensor, " N"], state: StackState
    ) -> tuple[Float[Tensor, "N V"], StackState]:
        """Read one character per sample; see `FastStepper.step`."""
        if len(ids) != 1:
            return super().step(ids, state)
        hidden, cell = _unpacked(state)
        logits = np.empty(self._model.vocabulary, self._dtype)
        kernels.step(int(ids), self._net, hidden, cell, logits, self._room())
        return torch.from_numpy(logits).unsqueeze(0), _packed(state, hidden, cell)

    def write(
        self,
        logits: Float[Tensor, "1 V"],
        state: StackState,
        uniforms: Float64[np.ndarray, " N"],
        temperature: float,
    ) -> tuple[list[int], list[float], Float[Tensor, "1 V"], StackState]:
        """
        Draw as many characters as there are numbers.

        Args:
            logits: Of the first one.
            state: The memory of one sample; it is not changed.
            uniforms: At least 0 and below 1.
            temperature: Above 0.

        Returns:
            Ids, what the model itself would have paid for each in nats, and logits
            and memory after the last.
        """
        hidden, cell = _unpacked(state)
        after = logits[0].numpy().copy()
        ids = np.empty(len(uniforms), np.int64)
        nats = np.empty(len(uniforms))
        heat = self._dtype.type(max(temperature, np.finfo(self._dtype).tiny))
        memory = (hidden, cell, after, self._room())
        kernels.write(uniforms, heat, self._net, *memory, ids, nats)
        told = torch.from_numpy(after).unsqueeze(0)
        return ids.tolist(), nats.tolist(), told, _packed(state, hidden, cell)


@torch.inference_mode()
def laid_out(model: CharModel, *, int8: bool) -> tuple[Any, ...]:
    """The network as `kernels.step` takes it; all matrices row after row."""
    layers = [cell_weights(layer) for layer in model.layers]  # type: ignore[arg-type]
    matrix = _rounded if int8 else _as_it_is
    # the first layer's inputs lie in the table; a row of them keeps the place
    above = [matrix(layers[0].inputs[:1])]
    above += [matrix(weights.inputs) for weights in layers[1:]]
    return (
        KINDS[model.config.cell],
        model.config.residual,
        _array(from_input(model.embedding.weight, layers[0])),
        tuple(above),
        tuple(matrix(weights.recurrent) for weights in layers),
        tuple((_array(w.bias), _array(w.recurrent_bias)) for w in layers),
        _as_it_is(model.head.weight),
        _array(model.head.bias),
    )


def rounded_model(model: CharModel) -> CharModel:
    """*model* itself, with its weights rounded as for 8 bits: what does that cost?"""
    with torch.no_grad():
        for depth, layer in enumerate(model.layers):
            for name in ("weight_ih_l0", "weight_hh_l0")[depth == 0 :]:
                steps, scales = _rounded(layer.get_parameter(name))
                layer.get_parameter(name).copy_(
                    torch.from_numpy(steps * scales[:, None])
                )
    return model


def _as_it_is(weights: Float[Tensor, "G E"]) -> Matrix:
    array = _array(weights)
    return array, np.ones(len(array), array.dtype)


def _rounded(weights: Float[Tensor, "G E"]) -> Matrix:
    """To 127 steps on either side of zero, row by row."""
    return rounded_rows(_array(weights))


def _array(tensor: Tensor) -> np.ndarray:
    """A copy in the order of rows."""
    return np.ascontiguousarray(tensor.detach().numpy()).copy()


def _unpacked(state: StackState) -> tuple[np.ndarray, np.ndarray]:
    """A memory of one sample as two arrays of (L, H), copied."""
    hidden = torch.cat([layer.hidden for layer in state.layers]).numpy()
    cells = [layer.cell for layer in state.layers if layer.cell is not None]
    return hidden, torch.cat(cells).numpy() if cells else np.zeros_like(hidden)


def _packed(like: StackState, hidden: np.ndarray, cell: np.ndarray) -> StackState:
    """The way back."""
    layers = []
    for depth, layer in enumerate(like.layers):
        own = torch.from_numpy(hidden[depth : depth + 1])
        has_cell = layer.cell is not None
        notes = torch.from_numpy(cell[depth : depth + 1]) if has_cell else None
        layers.append(LayerState(own, notes))
    return StackState(tuple(layers))
