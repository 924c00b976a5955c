"""Checkpoint tensors to a network and back."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from lstm_textgen.checkpoint.format import Checkpoint, versions
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import StackState
from lstm_textgen.text.tokenizer import Tokenizer


def to_checkpoint(
    model: CharModel,
    tokenizer: Tokenizer,
    training: TrainingRecord,
    *,
    licence: str = "",
    note: str = "",
    dtype: torch.dtype = torch.float32,
) -> Checkpoint:
    """
    Photograph a model: what is learned afterwards does not change the picture.

    Args:
        dtype: How the numbers are kept: float32, or bfloat16 for half the size.
    """
    return Checkpoint(
        model=model.config,
        tokenizer=tokenizer,
        training=training,
        tensors={
            name: tensor.detach().to("cpu", dtype, copy=True)
            for name, tensor in model.state_dict().items()
        },
        made_by=versions(),
        licence=licence,
        note=note,
    )


def build_model(
    checkpoint: Checkpoint,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    requires_grad: bool = False,
) -> CharModel:
    """
    The network with the weights of *checkpoint*, as a copy.

    Args:
        device: Where it shall be; None is the CPU.
        dtype: What it shall compute in.
        requires_grad: Whether it is to learn on.
    """
    size = checkpoint.tokenizer.size
    model = skeleton(checkpoint.model, size, device or "cpu").to(dtype)
    model.load_state_dict(checkpoint.tensors)
    return model.requires_grad_(requires_grad).eval()


def with_initial_state(checkpoint: Checkpoint, state: StackState) -> Checkpoint:
    """
    The same model, with *state* as the memory before the first character.

    Args:
        checkpoint: Its own initial state, if it has one, gives way.
        state: Of one stream.
    """
    kind = next(iter(checkpoint.tensors.values())).dtype
    learned = {
        f"initial.{name}": tensor[0].to("cpu", kind, copy=True)
        for name, tensor in state.tensors().items()
    }
    return replace(
        checkpoint,
        model=replace(checkpoint.model, initial_state="learned"),
        tensors=checkpoint.tensors | learned,
    )


def skeleton(
    model: ModelConfig, vocabulary: int, device: torch.device | str = "meta"
) -> CharModel:
    """
    The network with shapes and no numbers.

    Args:
        device: Where memory is taken; on `meta` none is.
    """
    with torch.device(device), _SkipInit():
        return CharModel(model, vocabulary)


class _SkipInit(TorchFunctionMode):
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
