"""Photograph a run between two steps, and put it back as it was."""

import dataclasses
from typing import Any

from torch import Tensor

from lstm_textgen.config import from_json
from lstm_textgen.errors import CheckpointError, ConfigError
from lstm_textgen.model.state import StackState
from lstm_textgen.training.trainer import Position, Trainer

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps for every parameter."""


def snapshot(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """
    Everything that an exact resume needs; going on does not change it.

    Returns:
        Copies of all tensors under names with a prefix each (`model.`, `optimizer.`,
        `memory.`, `generator`), and the position as plain JSON.
    """
    tensors = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    for name, parameter in trainer.model.named_parameters():
        moments = trainer.optimizer.state.get(parameter, {})
        tensors |= {f"optimizer.{name}.{key}": moments[key] for key in moments}
    tensors |= {f"memory.{k}": v for k, v in trainer.memory.tensors().items()}
    tensors["generator"] = trainer.generator.get_state()
    position = dataclasses.replace(trainer.position, spent_s=trainer.meter.elapsed_s())
    copies = {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}
    return copies, {"position": dataclasses.asdict(position)}


def restore(
    trainer: Trainer, tensors: dict[str, Tensor], progress: dict[str, Any]
) -> None:
    """
    Put a freshly built trainer where another one stood.

    Raises:
        CheckpointError: The state is that of another model or another batch.
    """
    try:
        trainer.model.load_state_dict(_under("model.", tensors))
        _restore_moments(trainer, tensors)
        trainer.memory = _memory_like(trainer.memory, _under("memory.", tensors))
        trainer.generator.set_state(tensors["generator"])
        trainer.position = from_json(Position, progress["position"], "position")
    except (KeyError, RuntimeError, TypeError, ValueError, ConfigError) as error:
        raise CheckpointError(
            f"The saved state does not fit these settings ({_first_line(error)}).",
            "Start a new run with -o under another name.",
        ) from error


def _restore_moments(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    for name, parameter in trainer.model.named_parameters():
        prefix = f"optimizer.{name}."
        if f"{prefix}step" not in tensors:
            continue  # photographed before the first step
        moments = {key: tensors[prefix + key] for key in MOMENTS}
        if any(moments[key].shape != parameter.shape for key in MOMENTS[1:]):
            raise ValueError(f"{name} has another shape")
        trainer.optimizer.state[parameter] = {  # the fused kernel changes them in place
            key: moment.to(parameter.device, copy=True)
            for key, moment in moments.items()
        }


def _memory_like(memory: StackState, tensors: dict[str, Tensor]) -> StackState:
    expected = memory.tensors()
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != {name: tuple(tensor.shape) for name, tensor in expected.items()}:
        raise ValueError("the memory has another shape")
    device = next(iter(expected.values())).device
    return StackState.from_tensors({k: v.to(device) for k, v in tensors.items()})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
