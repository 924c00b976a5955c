"""The cells: equations held to torch's own cells, to calculus and to pen and paper."""

import math
from dataclasses import fields

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from lstm_textgen.config import GATE_COUNT, GATES
from lstm_textgen.model.cells import (
    CellWeights,
    GRUGates,
    LSTMGates,
    cell_step,
)
from lstm_textgen.model.recurrent import LayerState

CELLS = ["lstm", "gru", "rnn"]
TORCH = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
B, E, H = 2, 3, 2
LN2, LN3 = math.log(2), math.log(3)


def random(*shape):
    """Numbers about as large as those of a network, that ask for a gradient."""
    return torch.randn(shape, dtype=torch.float64).mul_(0.5).requires_grad_()


def case(cell):
    """What goes into a step: input, hidden, for the LSTM its cell, and W, U, b, d."""
    torch.manual_seed(7)
    G = GATE_COUNT[cell] * H
    memory = [random(B, H) for _ in range(2 if cell == "lstm" else 1)]
    return [random(B, E), *memory, random(G, E), random(G, H), random(G), random(G)]


def step_flat(cell, x, *tensors):
    """`step`, tensors in and tensors out."""
    state = LayerState(*tensors[:-4])
    after = cell_step(cell, x, state, CellWeights(*tensors[-4:]))
    return (after.hidden,) if after.cell is None else (after.hidden, after.cell)


def column(*numbers):
    """Gate by gate, for a layer of a single unit that reads a single number."""
    return torch.tensor(numbers, dtype=torch.float64).unsqueeze(-1)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_finite_differences(cell):
    """Moving any input, memory or weight a little moves the step as calculus says."""
    assert gradcheck(lambda *tensors: step_flat(cell, *tensors), case(cell))


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_that_of_torch(cell):
    """Outputs and all gradients equal `nn.LSTMCell`, `nn.GRUCell` and `nn.RNNCell`."""
    tensors = case(cell)
    x, memory, weights = tensors[0], tensors[1:-4], tensors[-4:]
    theirs = TORCH[cell](E, H, dtype=torch.float64)
    with torch.no_grad():
        for parameter, weight in zip(theirs.parameters(), weights, strict=True):
            parameter.copy_(weight)

    found = step_flat(cell, *tensors)
    expected = theirs(x, tuple(memory) if cell == "lstm" else memory[0])
    expected = expected if cell == "lstm" else (expected,)
    slopes = [random(B, H).detach() for _ in found]
    found_grads = torch.autograd.grad(found, tensors, slopes)
    asked = [x, *memory, *theirs.parameters()]
    expected_grads = torch.autograd.grad(expected, asked, slopes)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_grads, expected_grads)


def test_an_lstm_step_by_hand():
    """
    One unit, worked out on paper.

    sigmoid(ln 3) = 3/4 and tanh(ln 2) = 3/5. The gates come to i = 1/2, f = 3/4,
    g = 3/5, o = 1/4. With c = 4/3 (ln 2 - 3/10) the new cell is ln 2, and the
    output 1/4 tanh(ln 2) = 3/20.
    """
    weights = CellWeights(
        inputs=column(0.5, LN3, 0.0, 0.0),
        recurrent=column(1.0, LN3, -LN2, 0.0),
        bias=column(0.0, 0.0, 0.0, -LN3)[:, 0],
        recurrent_bias=column(0.0, 0.0, 0.0, 0.0)[:, 0],
    )
    state = LayerState(column(-1.0), column(4 / 3 * (LN2 - 0.3)))

    after = cell_step("lstm", column(2.0), state, weights)

    assert after.cell.item() == pytest.approx(LN2, abs=1e-15)
    assert after.hidden.item() == pytest.approx(3 / 20, abs=1e-15)


def test_blocks_are_named_as_the_gates():
    """The rows of the weights lie in the order in which the gates are named."""
    for cell, kind in (("lstm", LSTMGates), ("gru", GRUGates)):
        assert GATES[cell] == tuple(field.name for field in fields(kind))
        assert GATE_COUNT[cell] == len(GATES[cell])


def test_a_gru_step_by_hand():
    """
    One unit, worked out on paper.

    r = 3/4, z = 1/4, and the reset gate acts after the matrix: 3/4 of 4/3 ln 2 is
    ln 2, so n = 3/5 and h' = 3/4 x 3/5 + 1/4 x -1 = 1/5.
    """
    weights = CellWeights(
        inputs=column(LN3, 0.0, 0.0),
        recurrent=column(0.0, LN3, -LN2 / 3),
        bias=column(0.0, 0.0, 0.0)[:, 0],
        recurrent_bias=column(0.0, 0.0, LN2)[:, 0],
    )

    after = cell_step("gru", column(1.0), LayerState(column(-1.0)), weights)

    assert after.cell is None
    assert after.hidden.item() == pytest.approx(1 / 5, abs=1e-15)


def test_an_rnn_step_by_hand():
    """tanh(1/2 ln 2 x 3 - 1/2 ln 2 x 1) = tanh(ln 2) = 3/5."""
    zero = torch.zeros(1, dtype=torch.float64)
    weights = CellWeights(column(LN2 / 2), column(-LN2 / 2), zero, zero)

    after = cell_step("rnn", column(3.0), LayerState(column(1.0)), weights)

    assert after.hidden.item() == pytest.approx(3 / 5, abs=1e-15)


def test_a_closed_forget_gate_forgets():
    """With f at 0 and i at 1, nothing of the old cell is left, however large."""
    weights = CellWeights(
        inputs=column(0.0, 0.0, 1.0, 0.0),
        recurrent=column(0.0, 0.0, 0.0, 0.0),
        bias=column(1000.0, -1000.0, 0.0, 1000.0)[:, 0],
        recurrent_bias=column(0.0, 0.0, 0.0, 0.0)[:, 0],
    )
    state = LayerState(column(1.0), column(1e6))

    after = cell_step("lstm", column(LN2), state, weights)

    assert after.cell.item() == pytest.approx(3 / 5)
