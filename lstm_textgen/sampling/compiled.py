"""
One sample as compiled code, through numba: the fastest backend on a CPU.

What `batched` does in a dozen calls of torch for each character is one function here,
from logits over the draw to the next logits, without an allocation. The equations are
those of `model.cells`. Needs numba, the extra `fast`.

Shapes: N samples, V vocabulary, K characters of a block, L layers, G gate rows, E
inputs, H hidden units.
"""

import copy
from typing import Any, no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from lstm_textgen.checkpoint.container import rounded_rows
from lstm_textgen.config import GATE_COUNT
from lstm_textgen.model.cells import from_input
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.sampling.batched import BatchedBackend, Stepped

LSTM, GRU, RNN = range(3)

CELL_CODES = {"lstm": LSTM, "gru": GRU, "rnn": RNN}

Matrix = tuple[np.ndarray, np.ndarray]
"""Multiples and the scale of each row; of exact weights the scales are 1."""


class CompiledBackend(BatchedBackend):
    """
    Advances and draws one sample in compiled code, several as `BatchedBackend` does.

    It equals the cells in float64 to 1e-9, and to about 1e-5 in float32.

    Args:
        model: On the CPU. It reads prompts; for steps its weights are copied.
        int8: Keep the matrices of the layers in 8 bits, each row with a scale of its
            own: a quarter of the bytes to read. What that costs is measured in
            `benchmarks/README.md`.
    """

    def __init__(self, model: CharModel, *, int8: bool = False) -> None:
        # prompts and several samples then see the same weights
        super().__init__(round_weights(copy.deepcopy(model)) if int8 else model)
        self._weights = _kernel_weights(model, int8=int8)
        self._dtype = model.head.weight.detach().numpy().dtype

    def step(self, ids: Int64[Tensor, " N"], state: StackState) -> Stepped:
        """Read one character per sample; *state* is not changed."""
        if len(ids) != 1:
            return super().step(ids, state)
        hidden, cell = _to_arrays(state)
        logits = np.empty(self._model.vocabulary, self._dtype)
        kernel_step(int(ids), self._weights, hidden, cell, logits, self._workspace())
        return torch.from_numpy(logits).unsqueeze(0), _to_state(state, hidden, cell)

    def draw(
        self,
        logits: Float[Tensor, "1 V"],
        state: StackState,
        uniforms: Float64[np.ndarray, " K"],
        temperature: float,
    ) -> tuple[list[int], list[float], Float[Tensor, "1 V"], StackState]:
        """Draw one character for each random number; *state* is not changed."""
        hidden, cell = _to_arrays(state)
        after = logits[0].numpy().copy()
        ids = np.empty(len(uniforms), np.int64)
        nats = np.empty(len(uniforms))
        heat = self._dtype.type(max(temperature, np.finfo(self._dtype).tiny))
        work = self._workspace()
        kernel_draw(uniforms, heat, self._weights, hidden, cell, after, work, ids, nats)
        next_logits = torch.from_numpy(after).unsqueeze(0)
        next_state = _to_state(state, hidden, cell)
        return ids.tolist(), nats.tolist(), next_logits, next_state

    def _workspace(self) -> tuple[Any, ...]:
        """Scratch arrays of the kernels, new each time: threads do not share them."""
        hidden = self._model.config.hidden
        rows = GATE_COUNT[self._model.config.cell] * hidden
        a, m, x = (np.empty(size, self._dtype) for size in (rows, rows, hidden))
        bits = np.empty(rows, f"i{self._dtype.itemsize}")
        constants = kernel_constants(self._dtype)
        return a, m, x, (bits, bits.view(self._dtype), constants)


@torch.inference_mode()
def _kernel_weights(model: CharModel, *, int8: bool) -> tuple[Any, ...]:
    """The network as `kernel_step` takes it; all matrices row after row."""
    layers = [cell_weights(layer) for layer in model.layers]  # type: ignore[arg-type]
    matrix = _rounded if int8 else _exact
    # the first layer's inputs lie in the table; a row of them keeps the place
    inputs = [layers[0].inputs[:1], *(weights.inputs for weights in layers[1:])]
    return (
        CELL_CODES[model.config.cell],
        model.config.residual,
        _array(from_input(model.embedding.weight, layers[0])),
        tuple(matrix(weights) for weights in inputs),
        tuple(matrix(weights.recurrent) for weights in layers),
        tuple((_array(w.bias), _array(w.recurrent_bias)) for w in layers),
        _exact(model.head.weight),
        _array(model.head.bias),
    )


def round_weights(model: CharModel) -> CharModel:
    """*model* itself, its weights changed to what 8 bits make of them."""
    with torch.no_grad():
        for depth, layer in enumerate(model.layers):
            for name in ("weight_ih_l0", "weight_hh_l0")[depth == 0 :]:
                multiples, scales = _rounded(layer.get_parameter(name))
                layer.get_parameter(name).copy_(
                    torch.from_numpy(multiples * scales[:, None])
                )
    return model


def _exact(weights: Float[Tensor, "G E"]) -> Matrix:
    array = _array(weights)
    return array, np.ones(len(array), array.dtype)


def _rounded(weights: Float[Tensor, "G E"]) -> Matrix:
    """In 8 bits: multiples, and the scale of each row."""
    return rounded_rows(_array(weights))


def _array(tensor: Tensor) -> np.ndarray:
    """A copy in the order of rows."""
    return np.ascontiguousarray(tensor.detach().numpy()).copy()


def _to_arrays(state: StackState) -> tuple[np.ndarray, np.ndarray]:
    """The state of one sample as two arrays of (L, H), copied."""
    hidden = torch.cat([layer.hidden for layer in state.layers]).numpy()
    cells = [layer.cell for layer in state.layers if layer.cell is not None]
    return hidden, torch.cat(cells).numpy() if cells else np.zeros_like(hidden)


def _to_state(like: StackState, hidden: np.ndarray, cell: np.ndarray) -> StackState:
    """The way back from `_to_arrays`, for a network with states like *like*."""
    layers = []
    for depth, layer in enumerate(like.layers):
        rows = slice(depth, depth + 1)
        has_cell = layer.cell is not None
        layers.append(
            LayerState(
                torch.from_numpy(hidden[rows]),
                torch.from_numpy(cell[rows]) if has_cell else None,
            )
        )
    return StackState(tuple(layers))


REORDERED_SUMS = {"reassoc", "contract", "arcp", "nsz"}
"""Products may be summed in any order, so that vector instructions can be used."""

LN2 = float(np.log(2.0))

LN2_HIGH = 0.693145751953125
"""The first bits of ln 2, few enough that small multiples of it are exact."""

TERMS = 14
"""Of the exponential series: enough for float64 and half a factor of two."""


def kernel_constants(dtype: "np.dtype[Any]") -> np.ndarray:
    """1 / ln 2, ln 2 in two parts, and 1 / n! in the order of Horner's rule."""
    factorials = np.cumprod([1.0, *range(1, TERMS)])
    head = [1 / LN2, LN2_HIGH, LN2 - LN2_HIGH]
    return np.array([*head, *(1 / factorials[::-1])], dtype)


@numba.njit(cache=True, fastmath=REORDERED_SUMS, nogil=True)
@no_type_check
def add_product(weights, scales, x, out):
    """
    out += scales * (weights x)

    Args:
        weights: (G, E), of the type of *x* or int8.
        scales: (G,) the value of a weight of 1.
        x: (E,)
        out: (G,)
    """
    for row in range(weights.shape[0]):
        total = x.dtype.type(0)
        for column in range(weights.shape[1]):
            total += x.dtype.type(weights[row, column]) * x[column]
        out[row] += scales[row] * total


@numba.njit(cache=True, fastmath={"contract"}, nogil=True)
@no_type_check
def exponentials(x, bits, powers, constants):
    """
    x = exp(x), number by number, for -80 <= x <= 80; beyond, as at the border.

        exp(x) = 2^k exp(r)   with k = round(x / ln 2), |r| <= ln 2 / 2

    Args:
        x: (N,) changed in place.
        bits: (N,) scratch integers.
        powers: (N,) the same bytes, seen as the type of *x*.
        constants: From `kernel_constants`.
    """
    wide = x.itemsize == 8
    shift = np.int32(52 if wide else 23)
    bias = np.int32(1023 if wide else 127)
    for n in range(x.size):
        value = min(max(x[n], x.dtype.type(-80)), x.dtype.type(80))
        k = np.floor(value * constants[0] + x.dtype.type(0.5))
        r = value - k * constants[1] - k * constants[2]
        series = constants[3]
        for term in range(4, 3 + TERMS):
            series = series * r + constants[term]
        x[n] = series
        bits[n] = (np.int32(k) + bias) << shift
    for n in range(x.size):
        x[n] *= powers[n]


@numba.njit(cache=True, nogil=True)
@no_type_check
def sigmoids(x, work):
    """x = 1 / (1 + exp(-x)), number by number."""
    one = x.dtype.type(1)
    for n in range(x.size):
        x[n] = -x[n]
    exponentials(x, work[0], work[1], work[2])
    for n in range(x.size):
        x[n] = one / (one + x[n])


@numba.njit(cache=True, nogil=True)
@no_type_check
def tangents(x, work):
    """x = tanh(x) = 2 sigmoid(2 x) - 1, number by number."""
    one, two = x.dtype.type(1), x.dtype.type(2)
    for n in range(x.size):
        x[n] *= two
    sigmoids(x, work)
    for n in range(x.size):
        x[n] = two * x[n] - one


@numba.njit(cache=True, nogil=True)
@no_type_check
def kernel_update(kind, a, m, hidden, cell, work):
    """
    Advance one layer by one character.

    Args:
        kind: LSTM, GRU or RNN.
        a: (G,) from the input; for LSTM and RNN from the hidden state too. Overwritten.
        m: (G,) from the hidden state, for the GRU alone. Overwritten.
        hidden: (H,) hidden state, changed in place.
        cell: (H,) cell state of an LSTM, changed in place.
        work: Scratch arrays of `exponentials`.
    """
    size, one = hidden.size, a.dtype.type(1)
    if kind == LSTM:
        sigmoids(a[: 2 * size], work)
        tangents(a[2 * size : 3 * size], work)
        sigmoids(a[3 * size :], work)
        for n in range(size):
            cell[n] = a[size + n] * cell[n] + a[n] * a[2 * size + n]
            hidden[n] = cell[n]
        tangents(hidden, work)
        for n in range(size):
            hidden[n] *= a[3 * size + n]
    elif kind == GRU:
        for n in range(2 * size):
            a[n] += m[n]
        sigmoids(a[: 2 * size], work)
        for n in range(size):
            a[2 * size + n] += a[n] * m[2 * size + n]
        tangents(a[2 * size :], work)
        for n in range(size):
            kept = a[size + n]
            hidden[n] = (one - kept) * a[2 * size + n] + kept * hidden[n]
    else:
        for n in range(size):
            hidden[n] = a[n]
        tangents(hidden, work)


@numba.njit(cache=True, nogil=True)
@no_type_check
def kernel_step(id, weights, hidden, cell, logits, work):
    """
    Read a character.

    Args:
        id: The character.
        weights: From `_kernel_weights`.
        hidden: (L, H) hidden state, changed in place.
        cell: (L, H) cell state of an LSTM, changed in place.
        logits: (V,) written to.
        work: Scratch arrays.
    """
    kind, residual, table, inputs, recurrent, biases, head, head_bias = weights
    a, m, x, room = work
    for depth in range(hidden.shape[0]):
        bias, recurrent_bias = biases[depth]
        if depth == 0:
            a[:] = table[id]
        else:
            a[:] = bias
            add_product(inputs[depth][0], inputs[depth][1], x, a)
        if kind == GRU:
            m[:] = recurrent_bias
            add_product(recurrent[depth][0], recurrent[depth][1], hidden[depth], m)
        else:
            for n in range(a.size):
                a[n] += recurrent_bias[n]
            add_product(recurrent[depth][0], recurrent[depth][1], hidden[depth], a)
        kernel_update(kind, a, m, hidden[depth], cell[depth], room)
        if depth > 0 and residual:
            for n in range(x.size):
                x[n] += hidden[depth, n]
        else:
            x[:] = hidden[depth]
    logits[:] = head_bias
    add_product(head[0], head[1], x, logits)


@numba.njit(cache=True, nogil=True)
@no_type_check
def kernel_draw(uniforms, temperature, weights, hidden, cell, logits, work, ids, nats):
    """
    Draw a character, read it, and so on, as often as there are numbers.

    Args:
        uniforms: (K,) at least 0 and below 1.
        temperature: Of the type of *logits*, above 0.
        weights: From `_kernel_weights`.
        hidden: (L, H) hidden state, changed in place.
        cell: (L, H) cell state of an LSTM, changed in place.
        logits: (V,) of the first character; afterwards, of the one after the last.
        work: Scratch arrays.
        ids: (K,) written to.
        nats: (K,) surprise of each at temperature 1, written to.
    """
    mass = np.empty(logits.size)
    for n in range(uniforms.size):
        highest = logits.max()
        total, whole = 0.0, 0.0
        for v in range(logits.size):
            above = logits[v] - highest
            whole += np.exp(float(above))
            total += np.exp(float(above / temperature))
            mass[v] = total
        target = uniforms[n] * total
        id = 0
        while mass[id] <= target:
            id += 1
        ids[n] = id
        nats[n] = np.log(whole) - (logits[id] - highest)
        kernel_step(id, weights, hidden, cell, logits, work)
