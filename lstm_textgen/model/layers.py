"""
A layer over time: torch's fused kernel, and the slow loop that it is held to.

Shapes: T steps, B streams, E inputs, H hidden units, G gate rows.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lstm_textgen.config import Cell
from lstm_textgen.model.cells import CellWeights, cell_step
from lstm_textgen.model.recurrent import LayerState

MODULES: dict[Cell, Callable[[int, int], nn.RNNBase]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}

KERNELS = {"gru": torch.gru, "rnn": torch.rnn_tanh}


def cell_weights(layer: nn.RNNBase) -> CellWeights:
    """The parameters of a one-layer torch module, under the names of the equations."""
    return CellWeights(
        inputs=layer.get_parameter("weight_ih_l0"),
        recurrent=layer.get_parameter("weight_hh_l0"),
        bias=layer.get_parameter("bias_ih_l0"),
        recurrent_bias=layer.get_parameter("bias_hh_l0"),
    )


def run_layer(
    layer: nn.RNNBase,
    x: Float[Tensor, "T B E"],
    state: LayerState,
    rest: Float[Tensor, "G H"] | None = None,
) -> tuple[Float[Tensor, "T B H"], LayerState]:
    """
    Read a window with the fused kernel.

    Args:
        layer: A one-layer, one-directional `nn.LSTM`, `nn.GRU` or `nn.RNN`. Its
            weights stay where the kernel wants them; only a window with weight
            drop hands over a changed copy of one matrix.
        x: What the layer reads.
        state: What it remembers from before.
        rest: Factors on the recurrent matrix, from `dropout.draw_noise`.

    Returns:
        The output at every step, and the memory after the last.
    """
    weights = cell_weights(layer)
    recurrent = weights.recurrent if rest is None else weights.recurrent * rest
    flat = [weights.inputs, recurrent, weights.bias, weights.recurrent_bias]
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    options = (True, 1, 0.0, torch.is_grad_enabled(), False, False)
    hidden = state.hidden.unsqueeze(0)
    if state.cell is None:
        kernel = KERNELS["gru" if isinstance(layer, nn.GRU) else "rnn"]
        outputs, hidden = kernel(x, hidden, flat, *options)
        return outputs, LayerState(hidden[0])
    memory = (hidden, state.cell.unsqueeze(0))
    outputs, hidden, cell = torch.lstm(x, memory, flat, *options)
    return outputs, LayerState(hidden[0], cell[0])


def run_layer_slowly(
    cell: Cell, weights: CellWeights, x: Float[Tensor, "T B E"], state: LayerState
) -> tuple[Float[Tensor, "T B H"], LayerState]:
    """Read a window step by step with the equations: what `run_layer` must equal."""
    outputs = []
    for x_now in x:
        state = cell_step(cell, x_now, state, weights)
        outputs.append(state.hidden)
    return torch.stack(outputs), state
