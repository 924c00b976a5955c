"""Weights at birth, each choice with its source."""

import torch
from torch import Tensor, nn

from lstm_textgen.model.cells import GATES
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel


@torch.no_grad()
def initialise(model: CharModel, generator: torch.Generator) -> None:
    """
    Give every parameter its first value.

    - Embedding: standard normal, so that each character starts as a direction.
    - Input matrices and head: uniform by fan-in and fan-out, which keeps the
      variance of signals and gradients level.
    - Recurrent matrices: orthogonal per gate, so that the memory neither fades
      nor grows by the matrix alone.
    - Biases zero, but 1 for the LSTM's forget gate: it starts out remembering.

    Args:
        model: The network, changed in place.
        generator: On the CPU, whatever device the model is on, so that one seed
            gives one network everywhere.

    Source:
        Glorot and Bengio (2010), Understanding the difficulty of training deep
        feedforward neural networks.
        Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear
        dynamics of learning. https://arxiv.org/abs/1312.6120
        Jozefowicz, Zaremba and Sutskever (2015), An Empirical Exploration of
        Recurrent Network Architectures (forget bias), section 2.2.
    """
    H, gates = model.config.hidden, GATES[model.config.cell]

    def fill(target: Tensor, init: object, **options: float) -> None:
        drawn = torch.empty(target.shape, dtype=torch.float32)
        init(drawn, generator=generator, **options)  # type: ignore[operator]
        target.copy_(drawn)

    fill(model.embedding.weight, nn.init.normal_)
    for layer in model.layers:
        weights = cell_weights(layer)  # type: ignore[arg-type]
        for block in weights.inputs.chunk(gates):
            fill(block, nn.init.xavier_uniform_)
        for block in weights.recurrent.chunk(gates):
            fill(block, nn.init.orthogonal_)
        weights.bias.zero_()
        weights.recurrent_bias.zero_()
        if model.config.cell == "lstm":
            weights.bias[H : 2 * H] = 1.0
    fill(model.head.weight, nn.init.xavier_uniform_)
    model.head.bias.zero_()
