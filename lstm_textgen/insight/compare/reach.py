"""
Gradient reach: how much an early character moves a late loss.

Shapes: T characters of a window, B windows, V vocabulary.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn import functional

from lstm_textgen.model.network import CharModel

AT_ONCE = 8
"""Windows that are followed side by side."""


def gradient_reach(
    model: CharModel,
    windows: Int64[Tensor, "T1 B"],
    go_on: Callable[[], None] = lambda: None,
) -> Float64[np.ndarray, " T"]:
    """
    The norm of d loss(t) / d input(t - k) for every k, averaged over windows.

    The loss is that of the last character of a window alone, the inputs are the
    embedded characters before it, the memory is empty before the first. Computed in
    float64: a gradient that vanishes leaves the range of float32.

    Args:
        model: Stays as it is.
        windows: T + 1 characters each, the last one to be predicted.
        go_on: Called every second or so; may raise to break off.

    Returns:
        At place k the mean norm for the input k characters before the last input.
    """
    model = copy.deepcopy(model).double()
    embedded: list[Tensor] = []
    hook = model.embedding.register_forward_hook(
        lambda module, arguments, output: embedded.append(output)
    )
    norms = []
    for first in range(0, windows.shape[1], AT_ONCE):
        go_on()
        some = windows[:, first : first + AT_ONCE]
        embedded.clear()
        outputs, _ = model.read(some[:-1], model.initial_state(some.shape[1]))
        logits = model.head(outputs[-1])
        nats = functional.cross_entropy(logits, some[-1], reduction="sum")
        [gradient] = torch.autograd.grad(nats, embedded)  # (T, B, E)
        norms.append(gradient.norm(dim=-1))
    hook.remove()
    mean: Float64[np.ndarray, " T"] = torch.cat(norms, 1).mean(dim=1).cpu().numpy()
    return mean[::-1].copy()


def reach_end(norms: Float64[np.ndarray, " T"], share: float = 0.01) -> int | None:
    """
    From how many characters back on the gradient stays under a share of k = 1.

    Args:
        norms: From `gradient_reach`.
        share: Of the norm at k = 1, above 0.

    Returns:
        The first such k; None if the last one of the window is not under it.
    """
    above = np.flatnonzero(norms >= share * norms[1])
    last = int(above[-1]) if len(above) else 0
    return None if last == len(norms) - 1 else last + 1
