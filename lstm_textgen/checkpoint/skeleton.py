"""The network that settings imply, before it has any numbers."""

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from lstm_textgen.config import ModelConfig
from lstm_textgen.model.cells import GATES
from lstm_textgen.model.network import CharModel


def skeleton(
    model: ModelConfig, vocabulary: int, device: torch.device | str = "meta"
) -> CharModel:
    """
    The network with shapes and no numbers.

    Args:
        device: Where memory is taken; on `meta` none is.
    """
    with torch.device(device), _WithoutBirth():
        return CharModel(model, vocabulary)


def parameter_count(model: ModelConfig, vocabulary: int) -> int:
    """How many numbers a model has, without building it."""
    E, H, G = model.embedding, model.hidden, GATES[model.cell] * model.hidden
    first = G * (E + H + 2)
    above = G * (H + H + 2) * (model.layers - 1)
    remembered = 2 if model.cell == "lstm" else 1
    initial = model.layers * H * remembered * (model.initial_state == "learned")
    return vocabulary * E + first + above + vocabulary * (H + 1) + initial


class _WithoutBirth(TorchFunctionMode):
    """
    Lets modules leave their first weights undrawn.

    They are about to be replaced. And on the meta device the attempt to draw them
    imports torch's compiler, which takes longer than all the rest of loading.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))
