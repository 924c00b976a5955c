"""
The fast step of one sample: that of `kernels`, with the weights laid out for it.

Needs numba, the extra `fast`. Prompts and several samples go through `fast`.

The step of a single sample as machine code, through numba.

What `fast` does in a dozen calls of torch for each character is one function here,
from logits over the draw to the next logits, without an allocation. The equations are
those of `model.cells`, to which tests hold this.

Shapes: V vocabulary, L layers, G gate rows, E inputs, H hidden units.
"""

import copy
from typing import Any, no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from lstm_textgen.checkpoint.container import rounded_rows
from lstm_textgen.config import GATES
from lstm_textgen.model.cells import from_input
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.sampling.batched import BatchedBackend

LSTM, GRU, RNN = range(3)

KINDS = {"lstm": LSTM, "gru": GRU, "rnn": RNN}

Matrix = tuple[np.ndarray, np.ndarray]
"""Weights, and what a weight of 1 stands for in each row."""


class CompiledBackend(BatchedBackend):
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
        known = kernel_constants(self._dtype)
        return a, m, x, (bits, bits.view(self._dtype), known)

    def step(
        self, ids: Int64[Tensor, " N"], state: StackState
    ) -> tuple[Float[Tensor, "N V"], StackState]:
        """Read one character per sample; see `FastStepper.step`."""
        if len(ids) != 1:
            return super().step(ids, state)
        hidden, cell = _unpacked(state)
        logits = np.empty(self._model.vocabulary, self._dtype)
        kernel_step(int(ids), self._net, hidden, cell, logits, self._room())
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
        kernel_draw(uniforms, heat, self._net, *memory, ids, nats)
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


SUMS = {"reassoc", "contract", "arcp", "nsz"}
"""Products may be summed in any order, as a vector unit wants it."""

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


@numba.njit(cache=True, fastmath=SUMS, nogil=True)
@no_type_check
def add_product(weights, scales, x, out):
    """
    out += scales * (weights x)

    Args:
        weights: (G, E), of the type of *x* or int8.
        scales: (G,) what a weight of 1 stands for.
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
def exponentials(x, bits, powers, known):
    """
    x = exp(x), number by number, for -80 <= x <= 80; beyond, as at the border.

        exp(x) = 2^k exp(r)   with k = round(x / ln 2), |r| <= ln 2 / 2

    Args:
        x: (N,) changed in place.
        bits: (N,) whole numbers, for work.
        powers: (N,) the same memory, seen as the type of *x*.
        known: From `constants`.
    """
    wide = x.itemsize == 8
    shift = np.int32(52 if wide else 23)
    bias = np.int32(1023 if wide else 127)
    for n in range(x.size):
        value = min(max(x[n], x.dtype.type(-80)), x.dtype.type(80))
        k = np.floor(value * known[0] + x.dtype.type(0.5))
        r = value - k * known[1] - k * known[2]
        series = known[3]
        for term in range(4, 3 + TERMS):
            series = series * r + known[term]
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
    What a layer remembers next; *hidden* and *cell* (H,) are changed in place.

    Args:
        kind: LSTM, GRU or RNN.
        a: (G,) from the input; for LSTM and RNN from the memory too. Spoiled.
        m: (G,) from the memory, for the GRU alone. Spoiled.
        hidden: What it remembers.
        cell: The memory cell of an LSTM.
        work: For `exponentials`.
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
def kernel_step(id, net, hidden, cell, logits, work):
    """
    Read a character.

    Args:
        id: The character.
        net: From `compiled.laid_out`.
        hidden: (L, H) the memory, changed in place.
        cell: (L, H) that of an LSTM's cells.
        logits: (V,) written to.
        work: Room for sums, and for `exponentials`.
    """
    kind, residual, table, inputs, recurrent, biases, head, head_bias = net
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
def kernel_draw(uniforms, temperature, net, hidden, cell, logits, work, ids, nats):
    """
    Draw a character, read it, and so on, as often as there are numbers.

    Args:
        uniforms: (N,) at least 0 and below 1.
        temperature: Of the type of *logits*, above 0.
        net: From `compiled.laid_out`.
        hidden: (L, H) the memory, changed in place.
        cell: (L, H) that of an LSTM's cells.
        logits: (V,) of the first character; afterwards, of the one after the last.
        work: Room for sums, and for `exponentials`.
        ids: (N,) what was drawn, written to.
        nats: (N,) what the model would have paid at temperature 1, written to.
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
        kernel_step(id, net, hidden, cell, logits, work)
