"""
The torch backend: any number of samples side by side, on the CPU or a GPU.

A call of `nn.LSTM` for a single character spends its time on laying out weights. Here
they are precomputed: the contribution of a character to the first layer is a row of a
table, and each layer costs one matrix product with its input and hidden state. The
cells are those of `model.cells`.

Shapes: T steps, N and M samples, V vocabulary, G gate rows, E inputs, H hidden units.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lstm_textgen.model.cells import UPDATES, CellWeights, from_input
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import LayerState, StackState
from lstm_textgen.model.stack import walk

Stepped = tuple[Float[Tensor, "N V"], StackState]
"""Logits of the next characters, and the state after a step."""


class NetworkBackend:
    """
    What the backends of a single network share: their state is a `StackState`.

    Args:
        model: The network.
    """

    def __init__(self, model: CharModel) -> None:
        self._model = model

    def initial(self) -> StackState:
        """The state of one sample before its first character."""
        return self._model.initial_state(1)

    def select(self, state: StackState, rows: Int64[Tensor, " M"]) -> StackState:
        """The state of the samples at these places; a place may come twice."""
        return state.select(rows)

    def where(
        self, rows: Bool[Tensor, " N"], state: StackState, other: StackState
    ) -> StackState:
        """*state* for marked samples, else *other*."""
        return state.where(rows.to(self._model.head.weight.device), other)


class BatchedBackend(NetworkBackend):
    """
    Advances samples by plain torch operations, without modules and autograd.

    It equals `CharModel` step by step: to 1e-9 in float64, and to about 1e-5 in
    float32, where sums are added in another order. With products in bfloat16 logits
    and state stay within 0.05 of the equations for ten steps: only what goes into a
    product and what comes out of it is rounded to 8 bits.

    Args:
        model: It reads prompts. For steps its weights are copied, so that later
            changes of it are not seen.
        products: The type in which matrices are kept and multiplied,
            `torch.bfloat16` or that of the model, which is None. Everything else
            stays in the type of the model.
    """

    @torch.inference_mode()
    def __init__(
        self, model: CharModel, *, products: torch.dtype | None = None
    ) -> None:
        super().__init__(model)
        self._products = products or model.head.weight.dtype
        self._update = UPDATES[model.config.cell]
        # The GRU's reset gate acts on the recurrent part alone. The other cells add
        # the two parts up, so that both are one product.
        self._keeps_parts = model.config.cell == "gru"
        first, *upper = [cell_weights(layer) for layer in model.layers]  # type: ignore[arg-type]
        self._table = from_input(model.embedding.weight, first)  # (V, G)
        if not self._keeps_parts:
            self._table = self._table + first.recurrent_bias
        self._zeros = torch.zeros_like(self._table[:1])
        if self._keeps_parts:
            self._inputs = [(w.bias.clone(), self._copy(w.inputs)) for w in upper]
            self._recurrent = [self._recurrent_part(w) for w in (first, *upper)]
        else:
            self._recurrent = [self._recurrent_part(first), *map(self._merged, upper)]
        self._head = model.head.bias.clone(), self._copy(model.head.weight)

    @torch.inference_mode()
    def read(
        self, ids: Int64[Tensor, " T"], state: StackState
    ) -> tuple[Float[Tensor, "1 V"], StackState]:
        """Read a part of a prompt, at least 1 character, through the fused layers."""
        column = ids.to(self._table.device).unsqueeze(1)
        logits, state = self._model(column, state)
        return logits[-1], state

    @torch.inference_mode()
    def step(self, ids: Int64[Tensor, " N"], state: StackState) -> Stepped:
        """Read one character per sample; *state* is not changed."""

        def layer_step(
            depth: int, x: Tensor, before: LayerState
        ) -> tuple[Tensor, LayerState]:
            a, m = self._sums(depth, x, before.hidden)
            after = self._update(a, m, before)
            return after.hidden, after

        ids = ids.to(self._table.device)
        residual = self._model.config.residual
        x, after = walk(ids, state.layers, layer_step, residual=residual)
        return _product(*self._head, x), StackState(after)

    def _sums(
        self,
        depth: int,
        x: Int64[Tensor, " N"] | Float[Tensor, "N E"],
        hidden: Float[Tensor, "N H"],
    ) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N G"]]:
        """
        What the input and the hidden state contribute to every gate.

        Where the cell adds both up, the first is their sum and the second is zero.

        Args:
            depth: The layer; 0 looks its input up in the table.
            x: Ids for layer 0, the output of the layer below for the others.
            hidden: The hidden state before.
        """
        bias, matrix = self._recurrent[depth]
        if self._keeps_parts:
            a = _product(*self._inputs[depth - 1], x) if depth else self._table[x]
            return a, _product(bias, matrix, hidden)
        zeros = self._zeros.expand(len(x), -1)
        if depth == 0:
            return _product(self._table[x], matrix, hidden), zeros
        return _product(bias, matrix, torch.cat([x, hidden], dim=1)), zeros

    def _recurrent_part(self, weights: CellWeights) -> tuple[Tensor, Tensor]:
        return weights.recurrent_bias.clone(), self._copy(weights.recurrent)

    def _merged(self, weights: CellWeights) -> tuple[Tensor, Tensor]:
        """Bias and matrix of an upper layer for input and hidden state in a row."""
        matrix = torch.cat([weights.inputs, weights.recurrent], dim=1)
        return weights.bias + weights.recurrent_bias, self._copy(matrix)

    def _copy(
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


# The step on a GPU as one captured graph. A step is some twenty small operations, and
# a GPU waits longer for each launch than for its result. Recorded once, they are
# launched together. A graph always reads and writes the same tensors, so ids, state and
# outputs are copied in and out.

Recorder = Callable[[Callable[[], Stepped]], tuple[Callable[[], None], Stepped]]
"""From a step to a function that repeats it, and to the outputs that it overwrites."""

WARM_UP = 3
"""Steps before recording, in which libraries choose their kernels."""

MAX_GRAPHS = 4
"""Graphs that are kept, one for each number of samples."""


def record_cuda(step: Callable[[], Stepped]) -> tuple[Callable[[], None], Stepped]:
    """
    Capture *step* as a CUDA graph.

    Source:
        https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # only this thread must keep to what a graph may do: training may run beside it
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = step()
    return graph.replay, outputs


class GraphBackend(BatchedBackend):
    """
    `BatchedBackend` with its step recorded: the same operations, so the same numbers.

    Args:
        model: As for `BatchedBackend`.
        products: As for `BatchedBackend`.
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
        self._recorded: dict[int, _RecordedStep] = {}

    @torch.inference_mode()
    def step(self, ids: Int64[Tensor, " N"], state: StackState) -> Stepped:
        """Read one character per sample; *state* is not changed."""
        samples = len(ids)
        recorded = self._recorded.pop(samples, None)
        if recorded is None:
            blank = torch.zeros(samples, dtype=torch.int64, device=self._table.device)
            recorded = _RecordedStep(super().step, blank, state, self._record)
        self._recorded[samples] = recorded  # the last used comes last
        if len(self._recorded) > MAX_GRAPHS:
            del self._recorded[next(iter(self._recorded))]
        return recorded(ids, state)


class _RecordedStep:
    """A step for one number of samples, with the tensors that it reads and writes."""

    def __init__(
        self,
        step: Callable[[Tensor, StackState], Stepped],
        ids: Int64[Tensor, " N"],
        state: StackState,
        record: Recorder,
    ) -> None:
        self._ids = ids
        self._before = state.map(Tensor.clone)
        self._replay, self._outputs = record(lambda: step(self._ids, self._before))

    def __call__(self, ids: Int64[Tensor, " N"], state: StackState) -> Stepped:
        self._ids.copy_(ids)
        given = state.tensors()
        for name, tensor in self._before.tensors().items():
            tensor.copy_(given[name])
        self._replay()
        logits, after = self._outputs
        return logits.clone(), after.map(Tensor.clone)
