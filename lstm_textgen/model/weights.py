"""A checkpoint as a network, and back: NumPy arrays to torch tensors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lstm_textgen.checkpoint.container import BF16, Array
from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import StackState


def build_model(
    checkpoint: Checkpoint,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    requires_grad: bool = False,
) -> CharModel:
    """
    The network of a checkpoint, with a copy of its weights.

    Args:
        checkpoint: Settings, vocabulary and weights.
        device: The device of the network; None is the CPU.
        dtype: The type in which it computes.
        requires_grad: Whether it will be trained.
    """
    size = checkpoint.tokenizer.size
    model = skeleton(checkpoint.model, size, device or "cpu").to(dtype)
    model.load_state_dict(to_tensors(checkpoint.tensors))
    return model.requires_grad_(requires_grad).eval()


def with_initial_state(checkpoint: Checkpoint, state: StackState) -> Checkpoint:
    """
    The same model, with *state* as its learned initial state.

    Args:
        checkpoint: Its own initial state, if it has one, is replaced.
        state: The recurrent state of one stream.
    """
    all_bfloat16 = checkpoint.tensors["head.bias"].dtype == BF16
    learned = to_arrays(
        {f"initial.{name}": tensor[0] for name, tensor in state.tensors().items()},
        torch.bfloat16 if all_bfloat16 else torch.float32,
    )
    return replace(
        checkpoint,
        model=replace(checkpoint.model, initial_state="learned"),
        tensors=checkpoint.tensors | learned,
    )


def to_arrays(
    tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None
) -> dict[str, Array]:
    """
    Copies of tensors as arrays of a checkpoint; bfloat16 becomes its raw bits.

    Args:
        tensors: On any device.
        dtype: The number format to convert to; None keeps that of each tensor.
    """
    arrays = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().to("cpu", dtype or tensor.dtype, copy=True)
        is_bfloat16 = copy.dtype == torch.bfloat16
        arrays[name] = (copy.view(torch.uint16) if is_bfloat16 else copy).numpy()
    return arrays


def to_tensors(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """The inverse of `to_arrays`, without a copy: both share their memory."""
    return {name: _to_tensor(array) for name, array in arrays.items()}


def _to_tensor(array: Array) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if array.dtype == BF16 else tensor


def skeleton(
    model: ModelConfig, vocabulary: int, device: torch.device | str = "meta"
) -> CharModel:
    """
    The network without first weights: its shapes, and numbers that mean nothing.

    Args:
        model: The settings.
        vocabulary: How many different ids there are.
        device: Where memory is allocated; on `meta` none is.
    """
    with torch.device(device), _SkipInit():
        return CharModel(model, vocabulary)


class _SkipInit(TorchFunctionMode):
    """
    Keeps modules from drawing their first weights, which are about to be replaced.

    On the meta device drawing them imports torch's compiler, which takes longer than
    everything else that loading does.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))
