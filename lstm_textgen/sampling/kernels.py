"""
The step of a single sample as machine code, through numba.

What `fast` does in a dozen calls of torch for each character is one function here,
from logits over the draw to the next logits, without an allocation. The equations are
those of `model.cells`, to which tests hold this.

Shapes: V vocabulary, L layers, G gate rows, E inputs, H hidden units.
"""

from typing import Any, no_type_check

import numba
import numpy as np

SUMS = {"reassoc", "contract", "arcp", "nsz"}
"""Products may be summed in any order, as a vector unit wants it."""

LSTM, GRU, RNN = range(3)

LN2 = float(np.log(2.0))
LN2_HIGH = 0.693145751953125
"""The first bits of ln 2, few enough that small multiples of it are exact."""

TERMS = 14
"""Of the exponential series: enough for float64 and half a factor of two."""


def constants(dtype: "np.dtype[Any]") -> np.ndarray:
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
def update(kind, a, m, hidden, cell, work):
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
def step(id, net, hidden, cell, logits, work):
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
        update(kind, a, m, hidden[depth], cell[depth], room)
        if depth > 0 and residual:
            for n in range(x.size):
                x[n] += hidden[depth, n]
        else:
            x[:] = hidden[depth]
    logits[:] = head_bias
    add_product(head[0], head[1], x, logits)


@numba.njit(cache=True, nogil=True)
@no_type_check
def write(uniforms, temperature, net, hidden, cell, logits, work, ids, nats):
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
        step(id, net, hidden, cell, logits, work)
