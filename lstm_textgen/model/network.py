"""
The network: embedding, stacked recurrent layers, linear head.

Shapes: T steps, B streams, V vocabulary, E embedding, H hidden units.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lstm_textgen.config import GATE_COUNT, ModelConfig
from lstm_textgen.model.dropout import NoiseMasks
from lstm_textgen.model.layers import MODULES, cell_weights, run_layer
from lstm_textgen.model.recurrent import LayerState, StackState, zero_state
from lstm_textgen.model.stack import walk


class CharModel(nn.Module):
    """
    Predicts every next character of a text from all characters before it.

    It has no training mode: dropout masks are an argument, and the recurrent state goes
    in and comes out.

    Args:
        config: The shape of the network.
        vocabulary: How many different characters there are.
    """

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        sizes = [config.embedding] + [config.hidden] * (config.layers - 1)
        module = MODULES[config.cell]
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.layers = nn.ModuleList(module(size, config.hidden) for size in sizes)
        self.head = nn.Linear(config.hidden, vocabulary)
        if config.initial_state == "learned":
            self.initial = nn.ModuleList(_InitialState(config) for _ in sizes)

    def forward(
        self,
        ids: Int64[Tensor, "T B"],
        state: StackState,
        noise: NoiseMasks | None = None,
    ) -> tuple[Float[Tensor, "T B V"], StackState]:
        """
        Read a window of every stream.

        Args:
            ids: The characters, time first.
            state: The state of the B streams before the window.
            noise: The dropout masks of this window; None for no dropout.

        Returns:
            After each character the logits of the next one, in nats up to a
            constant, and the state after the window.
        """
        outputs, after = self.read(ids, state, noise)
        return self.head(outputs), after

    def read(
        self,
        ids: Int64[Tensor, "T B"],
        state: StackState,
        noise: NoiseMasks | None = None,
    ) -> tuple[Float[Tensor, "T B H"], StackState]:
        """The same without the head: the output of the highest layer."""
        assert len(state.layers) == self.config.layers, "a state of another network"

        def layer_step(
            depth: int, x: Tensor, before: LayerState
        ) -> tuple[Tensor, LayerState]:
            weight_mask = noise.recurrent[depth] if noise else None
            output_mask = noise.outputs[depth] if noise else None
            layer = self.layers[depth]
            outputs, after = run_layer(layer, x, before, weight_mask)  # type: ignore[arg-type]
            return outputs if output_mask is None else outputs * output_mask, after

        x, after = walk(
            self.embedding(ids), state.layers, layer_step, residual=self.config.residual
        )
        return x, StackState(after)

    def initial_state(self, streams: int) -> StackState:
        """The state of *streams* streams before the first character of each."""
        if self.config.initial_state == "learned":
            learned = self.initial.named_parameters()
            return StackState.from_tensors(
                {name: part.expand(streams, -1).clone() for name, part in learned}
            )
        weight = self.head.weight
        return zero_state(
            self.config, streams, device=weight.device, dtype=weight.dtype
        )

    def parameter_count(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


class _InitialState(nn.Module):
    """The learned initial state of a layer, under the names of `LayerState`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hidden = nn.Parameter(torch.zeros(config.hidden))
        if config.cell == "lstm":
            self.cell = nn.Parameter(torch.zeros(config.hidden))


@torch.no_grad()
def initialize(model: CharModel, generator: torch.Generator) -> None:
    """
    Draw the first weights.

    - Embedding: standard normal, so that each character starts as a direction.
    - Input matrices and head: uniform by fan-in and fan-out, which preserves the
      variance of activations and gradients.
    - Recurrent matrices: orthogonal for each gate, so that the matrix alone neither
      shrinks nor amplifies the hidden state.
    - Biases: zero, but 1 for the forget gate of an LSTM, which starts out remembering.

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
    H, gates = model.config.hidden, GATE_COUNT[model.config.cell]

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
