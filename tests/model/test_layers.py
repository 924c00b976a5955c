"""A layer over time: the fused kernel equals the equations, step by step."""

from dataclasses import replace

import pytest
import torch

from lstm_textgen.model.cells import cell_step
from lstm_textgen.model.layers import MODULES, cell_weights, run_layer
from lstm_textgen.model.recurrent import LayerState

T, B, E, H = 6, 3, 2, 4


def random(*shape):
    return torch.randn(shape, dtype=torch.float64).mul_(0.5).requires_grad_()


def case(cell):
    """A layer, what it reads and what it remembers, all asking for a gradient."""
    torch.manual_seed(7)
    layer = MODULES[cell](E, H).double()
    memory = random(B, H) if cell == "lstm" else None
    return layer, random(T, B, E), LayerState(random(B, H), memory)


def run_by_equations(cell, weights, x, state):
    """What `run_layer` must equal."""
    outputs = []
    for x_now in x:
        state = cell_step(cell, x_now, state, weights)
        outputs.append(state.hidden)
    return torch.stack(outputs), state


def tensors_of(outputs, state):
    return [t for t in (outputs, state.hidden, state.cell) if t is not None]


def gradients(found, layer, x, state):
    """Of a weighted sum of all that a layer gives, for all that went in."""
    torch.manual_seed(8)
    loss = sum((tensor * torch.randn_like(tensor)).sum() for tensor in found)
    return torch.autograd.grad(loss, [*tensors_of(x, state), *layer.parameters()])


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("cell", MODULES)
def test_the_kernel_equals_the_loop(cell, dropped):
    """Outputs, memory and every gradient agree, with and without weight drop."""
    layer, x, state = case(cell)
    weights = cell_weights(layer)
    mask = (torch.rand_like(weights.recurrent) > 0.5) * 2.0 if dropped else None
    slow_weights = weights
    if mask is not None:
        slow_weights = replace(weights, recurrent=weights.recurrent * mask)

    fast = tensors_of(*run_layer(layer, x, state, mask))
    slow = tensors_of(*run_by_equations(cell, slow_weights, x, state))

    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(
        gradients(fast, layer, x, state), gradients(slow, layer, x, state)
    )


@pytest.mark.parametrize("cell", MODULES)
def test_without_gradient_the_numbers_are_the_same(cell):
    """The kernel may choose another path for inference, not another result."""
    layer, x, state = case(cell)

    learning = tensors_of(*run_layer(layer, x, state))
    with torch.inference_mode():
        reading = tensors_of(*run_layer(layer, x, state))

    torch.testing.assert_close([t.detach() for t in learning], reading)
    assert not any(tensor.requires_grad for tensor in reading)


@pytest.mark.parametrize("cell", MODULES)
def test_weights_that_rest_learn_nothing(cell):
    """A recurrent weight at rest has gradient 0, and the matrix itself stays."""
    layer, x, state = case(cell)
    recurrent = cell_weights(layer).recurrent
    before = recurrent.detach().clone()
    mask = (torch.rand_like(before) > 0.5) * 2.0

    outputs, _ = run_layer(layer, x, state, mask)
    (slopes,) = torch.autograd.grad(outputs.sum(), [recurrent])

    assert (slopes[mask == 0] == 0).all()
    assert (slopes[mask > 0] != 0).all()
    assert torch.equal(recurrent, before)
