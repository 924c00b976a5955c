"""
A layer over time, by the fused kernels of torch.

Shapes: T steps, B streams, E inputs, H hidden units, G gate rows.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lstm_textgen.config import Cell
from lstm_textgen.model.cells import CellWeights
from lstm_textgen.model.recurrent import LayerState

MODULES: dict[Cell, Callable[[int, int], nn.RNNBase]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}

KERNELS = {"gru": torch.gru, "rnn": torch.rnn_tanh}


def cell_weights(layer: nn.RNNBase) -> CellWeights:
    """The parameters of a one-layer torch module, by the names of the equations."""
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
    mask: Float[Tensor, "G H"] | None = None,
) -> tuple[Float[Tensor, "T B H"], LayerState]:
    """
    Run a layer over a window with the fused kernel.

    Args:
        layer: A one-layer, one-directional `nn.LSTM`, `nn.GRU` or `nn.RNN`. The kernel
            uses its weights in place; only with weight drop it gets a changed copy of
            the recurrent matrix.
        x: The input of the layer.
        state: Its state before the window.
        mask: Factors on the recurrent matrix, from `dropout.draw_noise_masks`.

    Returns:
        The output at every step, and the state after the last.
    """
    weights = cell_weights(layer)
    recurrent = weights.recurrent if mask is None else weights.recurrent * mask
    flat = [weights.inputs, recurrent, weights.bias, weights.recurrent_bias]
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    options = (True, 1, 0.0, torch.is_grad_enabled(), False, False)
    hidden = state.hidden.unsqueeze(0)
    if state.cell is None:
        kernel = KERNELS["gru" if isinstance(layer, nn.GRU) else "rnn"]
        outputs, hidden = kernel(x, hidden, flat, *options)
        return outputs, LayerState(hidden[0])
    before = (hidden, state.cell.unsqueeze(0))
    outputs, hidden, cell = torch.lstm(x, before, flat, *options)
    return outputs, LayerState(hidden[0], cell[0])
