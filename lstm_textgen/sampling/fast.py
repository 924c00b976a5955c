"""
One step per character, for writing: no call of a module, no autograd.

A call of `nn.LSTM` for a single character spends its time on laying out weights.
Here they lie ready: what a character contributes to the first layer is a row of a
table, and each layer costs one matrix product for its memory, and above the first
one for its input. The cells are those of `model.cells`.

Shapes: N samples, V vocabulary, G gate rows, H hidden units.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lstm_textgen.model.cells import UPDATES, CellWeights, from_input, from_memory
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.state import StackState


class FastStepper:
    """
    Advances several samples by one character each.

    It equals `CharModel` step by step: to 1e-9 in float64, and to about 1e-5 in
    float32, where sums are added in another order.

    Args:
        model: It reads prompts. For writing its weights are copied, so that later
            changes of it are not seen.
    """

    @torch.inference_mode()
    def __init__(self, model: CharModel) -> None:
        self._model = model
        self._residual = model.config.residual
        self._update = UPDATES[model.config.cell]
        self._layers = [
            _laid_out(cell_weights(layer))  # type: ignore[arg-type]
            for layer in model.layers
        ]
        self._table = from_input(model.embedding.weight, self._layers[0])  # (V, G)
        self._head = _in_order(model.head.weight.T)
        self._head_bias = model.head.bias.clone()

    def empty(self) -> StackState:
        """The memory of one sample that has read nothing."""
        return self._model.zero_state(1)

    @torch.inference_mode()
    def read(
        self, ids: Int64[Tensor, " T"], state: StackState
    ) -> tuple[Float[Tensor, "1 V"], StackState]:
        """
        Read a part of a prompt through the fused layers.

        Args:
            ids: At least 1 character.
            state: The memory of one sample before them.

        Returns:
            Logits of the character after the last, and the memory.
        """
        seen = ids.to(self._head.device).unsqueeze(1)
        logits, state = self._model(seen, state)
        return logits[-1], state

    @torch.inference_mode()
    def step(
        self, ids: Int64[Tensor, " N"], state: StackState
    ) -> tuple[Float[Tensor, "N V"], StackState]:
        """
        Read one character per sample.

        Args:
            ids: The characters.
            state: The memory before them; it is not changed.

        Returns:
            Logits of the next characters, and the memory after.
        """
        ids, x, states = ids.to(self._table.device), torch.empty(0), []
        for depth, (weights, before) in enumerate(
            zip(self._layers, state.layers, strict=True)
        ):
            a = self._table[ids] if depth == 0 else from_input(x, weights)
            after = self._update(a, from_memory(before.hidden, weights), before)
            skip = depth > 0 and self._residual
            x = x + after.hidden if skip else after.hidden
            states.append(after)
        logits = torch.addmm(self._head_bias, x, self._head)
        return logits, StackState(tuple(states))


def _laid_out(weights: CellWeights) -> CellWeights:
    """The same matrices, stored so that x @ W.T reads them in order."""
    return CellWeights(
        inputs=_in_order(weights.inputs.T).T,
        recurrent=_in_order(weights.recurrent.T).T,
        bias=weights.bias.clone(),
        recurrent_bias=weights.recurrent_bias.clone(),
    )


def _in_order(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """A copy, row after row; `contiguous` would share a single row or column."""
    return matrix.clone(memory_format=torch.contiguous_format)
