"""
The network: embedding, stacked recurrent layers, linear head.

Shapes: T steps, B streams, V vocabulary, E embedding, H hidden units.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lstm_textgen.config import ModelConfig
from lstm_textgen.model.dropout import Noise
from lstm_textgen.model.layers import MODULES, run_layer
from lstm_textgen.model.state import StackState, zero_state


class CharModel(nn.Module):
    """
    Predicts every next character of a text from all that came before.

    It has no training mode: the noise that training needs is an argument, and the
    memory goes in and comes out.

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
            self.initial = nn.ModuleList(_Initial(config) for _ in sizes)

    def forward(
        self, ids: Int64[Tensor, "T B"], state: StackState, noise: Noise | None = None
    ) -> tuple[Float[Tensor, "T B V"], StackState]:
        """
        Read a window of every stream.

        Args:
            ids: The characters, time first.
            state: The memory of the B streams before the window.
            noise: What rests in this window; None for none.

        Returns:
            After each character the logits of the next one, in nats up to a
            constant, and the memory after the window.
        """
        outputs, after = self.read(ids, state, noise)
        return self.head(outputs), after

    def read(
        self, ids: Int64[Tensor, "T B"], state: StackState, noise: Noise | None = None
    ) -> tuple[Float[Tensor, "T B H"], StackState]:
        """The same without the head: what the upper layer gives out."""
        x = self.embedding(ids)
        states = []
        for depth, (layer, before) in enumerate(
            zip(self.layers, state.layers, strict=True)
        ):
            rest = noise.recurrent[depth] if noise else None
            outputs, after = run_layer(layer, x, before, rest)  # type: ignore[arg-type]
            kept = noise.outputs[depth] if noise else None
            outputs = outputs if kept is None else outputs * kept
            x = x + outputs if depth > 0 and self.config.residual else outputs
            states.append(after)
        return x, StackState(tuple(states))

    def initial_state(self, streams: int) -> StackState:
        """The memory of *streams* streams before the first character of each."""
        if self.config.initial_state == "learned":
            learned = self.initial.named_parameters()
            return StackState.from_tensors(
                {name: one.expand(streams, -1).clone() for name, one in learned}
            )
        weight = self.head.weight
        return zero_state(
            self.config, streams, device=weight.device, dtype=weight.dtype
        )

    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(parameter.numel() for parameter in self.parameters())


class _Initial(nn.Module):
    """
    What a layer remembers before anything was read.

    Its names are those of `LayerState`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hidden = nn.Parameter(torch.zeros(config.hidden))
        if config.cell == "lstm":
            self.cell = nn.Parameter(torch.zeros(config.hidden))
