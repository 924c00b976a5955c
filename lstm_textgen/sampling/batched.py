"""
One step per character, for writing: no call of a module, no autograd.

A call of `nn.LSTM` for a single character spends its time on laying out weights.
Here they lie ready: what a character contributes to the first layer is a row of a
table, and each layer costs one product of a matrix and what it reads and remembers.
The cells are those of `model.cells`. The products alone may be in bfloat16, which for
many samples is faster where the processor has it.

Shapes: N samples, V vocabulary, G gate rows, E inputs, H hidden units.

The step on a GPU as one captured graph.

A step is some twenty small operations, and a GPU waits longer for each to be launched
than it takes. Recorded once, they are launched together; what a graph reads and writes
lies always at the same places, so that characters and memory are copied in and out.

Shapes: N samples, V vocabulary.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lstm_textgen.model.cells import UPDATES, CellWeights, from_input
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.model.stack import walk


class BatchedBackend:
    """
    Advances several samples by one character each.

    It equals `CharModel` step by step: to 1e-9 in float64, and to about 1e-5 in
    float32, where sums are added in another order. With products in bfloat16 logits
    and memory stay within 0.05 of the equations for ten steps: what goes into a
    product and what comes out of it is rounded to 8 bits, and nothing else is.

    Args:
        model: It reads prompts. For writing its weights are copied, so that later
            changes of it are not seen.
        products: The type in which matrices are kept and multiplied,
            `torch.bfloat16` or that of the model, which is None. All else stays in
            the type of the model.
    """

    @torch.inference_mode()
    def __init__(
        self, model: CharModel, *, products: torch.dtype | None = None
    ) -> None:
        self._model = model
        self._residual = model.config.residual
        self._update = UPDATES[model.config.cell]
        self._apart = model.config.cell == "gru"
        self._products = products or model.head.weight.dtype
        weights = [cell_weights(layer) for layer in model.layers]  # type: ignore[arg-type]
        first = weights[0]
        self._table = from_input(model.embedding.weight, first)  # (V, G)
        if not self._apart:
            self._table = self._table + first.recurrent_bias
        self._first = self._kept(first.recurrent), first.recurrent_bias.clone()
        self._upper = [self._laid_out(each) for each in weights[1:]]
        self._head = self._kept(model.head.weight)
        self._head_bias = model.head.bias.clone()
        self._nothing = torch.zeros_like(self._table[:1])

    def empty(self) -> StackState:
        """The memory of one sample that has read nothing."""
        return self._model.initial_state(1)

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

        def layer_step(
            depth: int, x: Tensor, before: LayerState
        ) -> tuple[Tensor, LayerState]:
            a, m = self._sums(depth, x, before.hidden)
            after = self._update(a, m, before)
            return after.hidden, after

        ids = ids.to(self._table.device)
        x, after = walk(ids, state.layers, layer_step, residual=self._residual)
        return _product(self._head_bias, self._head, x), StackState(after)

    def _sums(
        self,
        depth: int,
        x: Int64[Tensor, " N"] | Float[Tensor, "N E"],
        hidden: Float[Tensor, "N H"],
    ) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N G"]]:
        """
        What comes from input and memory.

        The GRU needs them apart; for the other cells they are one product, and the
        second one is nothing.

        Args:
            depth: The layer; 0 looks its input up in the table.
            x: Ids for layer 0, the output of the layer below for the others.
            hidden: The hidden state before.
        """
        nothing = self._nothing.expand(len(x), -1)
        if depth == 0:
            a, (recurrent, bias) = self._table[x], self._first
            if self._apart:
                return a, _product(bias, recurrent, hidden)
            return _product(a, recurrent, hidden), nothing
        inputs, input_bias, recurrent, bias = self._upper[depth - 1]
        if self._apart:
            return _product(input_bias, inputs, x), _product(bias, recurrent, hidden)
        both = torch.cat([x, hidden], dim=1)
        return _product(bias, recurrent, both), nothing

    def _laid_out(self, weights: CellWeights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Matrices and biases of an upper layer: apart, or all in the last two."""
        if self._apart:
            return (
                *(self._kept(weights.inputs), weights.bias.clone()),
                *(self._kept(weights.recurrent), weights.recurrent_bias.clone()),
            )
        both = torch.cat([weights.inputs, weights.recurrent], dim=1)
        bias = weights.bias + weights.recurrent_bias
        return both[:0], bias[:0], self._kept(both), bias

    def _kept(
        self, matrix: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "rows columns"]:
        """A copy, row after row; `contiguous` would share a single row or column."""
        return matrix.to(
            self._products, copy=True, memory_format=torch.contiguous_format
        )


def _product(
    bias: Float[Tensor, "#N G"] | Float[Tensor, " G"],
    matrix: Float[Tensor, "G E"],
    x: Float[Tensor, "N E"],
) -> Float[Tensor, "N G"]:
    """bias + matrix x for every sample; for a single one without a matrix product."""
    if matrix.dtype != bias.dtype:  # the sum is of the type of the bias again
        return bias + x.to(matrix.dtype) @ matrix.T
    if len(x) == 1:
        return torch.addmv(bias.view(-1), matrix, x[0]).unsqueeze(0)
    return torch.addmm(bias, x, matrix.T)


Outputs = tuple[Float[Tensor, "N V"], StackState]

GraphedStep = Callable[[], Outputs]

Recorder = Callable[[GraphedStep], tuple[Callable[[], None], Outputs]]
"""From a step to what does it again, and to where its outputs then lie."""

WARM_UP = 3
"""Steps before recording, in which libraries choose their kernels."""

KEPT = 4
"""Graphs that are kept, one for each number of samples."""


def record_cuda(step: GraphedStep) -> tuple[Callable[[], None], Outputs]:
    """
    Capture *step* as a CUDA graph.

    Source:
        https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # only this thread must keep to what a graph may do: training may run beside it
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = step()
    return graph.replay, outputs


class GraphBackend(BatchedBackend):
    """
    `FastStepper` with its step recorded; the same operations, so the same numbers.

    Args:
        model: As for `FastStepper`.
        products: As for `FastStepper`.
        record: How a step is recorded.
    """

    def __init__(
        self,
        model: CharModel,
        *,
        products: torch.dtype | None = None,
        record: Recorder = record_cuda,
    ) -> None:
        super().__init__(model, products=products)
        self._record = record
        self._recorded: dict[int, _Recorded] = {}

    @torch.inference_mode()
    def step(
        self, ids: Int64[Tensor, " N"], state: StackState
    ) -> tuple[Float[Tensor, "N V"], StackState]:
        """Read one character per sample, as `FastStepper.step`."""
        samples = len(ids)
        recorded = self._recorded.pop(samples, None)
        if recorded is None:
            here = torch.zeros(samples, dtype=torch.int64, device=self._table.device)
            recorded = _Recorded(super().step, here, state, self._record)
        self._recorded[samples] = recorded  # last is the newest
        if len(self._recorded) > KEPT:
            del self._recorded[next(iter(self._recorded))]
        return recorded(ids, state)


class _Recorded:
    """A step for one number of samples, with the places that it reads and writes."""

    def __init__(
        self,
        step: Callable[[Tensor, StackState], Outputs],
        ids: Int64[Tensor, " N"],
        state: StackState,
        record: Recorder,
    ) -> None:
        self.ids = ids
        self.before = state.map(Tensor.clone)
        self.again, self.outputs = record(lambda: step(self.ids, self.before))

    def __call__(self, ids: Int64[Tensor, " N"], state: StackState) -> Outputs:
        self.ids.copy_(ids)
        given = state.tensors()
        for name, place in self.before.tensors().items():
            place.copy_(given[name])
        self.again()
        logits, after = self.outputs
        return logits.clone(), after.map(Tensor.clone)
