"""Which kernel a network really runs on: watched, not believed."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lstm_textgen.model.network import CharModel

FUSED = {
    "aten::mkldnn_rnn_layer": "oneDNN, fused",
    "aten::_cudnn_rnn": "cuDNN, fused",
    "aten::miopen_rnn": "MIOpen, fused",
}
"""Operations that read a whole window in one call, and whose they are."""

STEPWISE = "ATen, step by step"


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the name of every operation while it holds; the profiler prints."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.called: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.called.add(func.name())
        return func(*args, **(kwargs or {}))


def kernel_of(model: CharModel) -> str:
    """
    Read a short window as training does, and see which operations it called.

    Returns:
        For people: `oneDNN, fused`, or `ATen, step by step`, in which every step
        of a window is several operations of its own.
    """
    device = model.head.weight.device
    ids = torch.zeros(4, 2, dtype=torch.int64, device=device)
    with Watch() as watch:
        model(ids, model.initial_state(2))
    return next((name for op, name in FUSED.items() if op in watch.called), STEPWISE)
