"""
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

from lstm_textgen.model.network import CharModel
from lstm_textgen.model.state import StackState
from lstm_textgen.sampling.fast import FastStepper

Outputs = tuple[Float[Tensor, "N V"], StackState]
Step = Callable[[], Outputs]
Recorder = Callable[[Step], tuple[Callable[[], None], Outputs]]
"""From a step to what does it again, and to where its outputs then lie."""

WARM_UP = 3
"""Steps before recording, in which libraries choose their kernels."""

KEPT = 4
"""Graphs that are kept, one for each number of samples."""


def record_cuda(step: Step) -> tuple[Callable[[], None], Outputs]:
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


class GraphStepper(FastStepper):
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
