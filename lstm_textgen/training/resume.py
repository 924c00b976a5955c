"""Photograph a run between two steps, and put it back as it was, or nearly so."""

import dataclasses
from typing import Any

import numpy as np
from torch import Tensor

from lstm_textgen.checkpoint.container import Array
from lstm_textgen.config import from_json
from lstm_textgen.errors import CheckpointError, ConfigError
from lstm_textgen.model.recurrent import StackState
from lstm_textgen.model.weights import to_arrays, to_tensors
from lstm_textgen.training.loop import Trainer
from lstm_textgen.training.position import Position


def snapshot(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """
    Everything that an exact resume needs; going on does not change it.

    Returns:
        Copies of all tensors under names with a prefix each (`model.`, `optimizer.`,
        `memory.`, `generator`), and the position and the circumstances as plain
        JSON.
    """
    tensors = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    tensors |= {f"optimizer.{k}": v for k, v in trainer.optimizer.tensors().items()}
    tensors |= {f"memory.{k}": v for k, v in trainer.memory.tensors().items()}
    tensors["generator"] = trainer.generator.get_state()
    position = dataclasses.replace(trainer.position, spent_s=trainer.meter.elapsed_s())
    return to_arrays(tensors), {
        "position": dataclasses.asdict(position),
        "circumstances": trainer.machine.circumstances(),
    }


def restore(
    trainer: Trainer, arrays: dict[str, Array], progress: dict[str, Any]
) -> None:
    """
    Put a freshly built trainer where another one stood.

    A generator of random numbers cannot go on on another kind of device: there the
    noise begins anew, from the seed and the step.

    Raises:
        CheckpointError: The state is that of another model or another batch.
    """
    tensors = to_tensors(arrays)
    try:
        trainer.model.load_state_dict(_under("model.", tensors))
        trainer.optimizer.load(_under("optimizer.", tensors))
        trainer.memory = _memory_like(trainer.memory, _under("memory.", tensors))
        trainer.position = from_json(Position, progress["position"], "position")
        if _was_elsewhere(trainer, progress):
            _begin_noise(trainer)
        else:
            trainer.generator.set_state(tensors["generator"])
    except (KeyError, RuntimeError, TypeError, ValueError, ConfigError) as error:
        raise CheckpointError(
            f"The saved state does not fit these settings ({_first_line(error)}).",
            "Start a new run with -o under another name.",
        ) from error


def go_back(
    trainer: Trainer, arrays: dict[str, Array], progress: dict[str, Any]
) -> None:
    """
    Put a trainer that ran away to where it was, with half the rate from now on.

    Raises:
        CheckpointError: As for `restore`.
    """
    setbacks = trainer.position.setbacks + 1
    restore(trainer, arrays, progress)
    trainer.position = dataclasses.replace(trainer.position, setbacks=setbacks)


def begin_epoch(trainer: Trainer) -> None:
    """
    Turn to another text: a new epoch, and no figure of the old one to beat.

    Places and memory belong to the text that was read; weights and moments do not.
    """
    at = trainer.position
    trainer.position = dataclasses.replace(
        at,
        epoch=at.epoch + 1,
        tick=0,
        end_at=None,
        best_nats_per_char=None,
        over=None,
        final_nats=None,
    )
    trainer.memory = trainer.model.initial_state(trainer.streams.streams)


def differences(trainer: Trainer, progress: dict[str, Any]) -> list[str]:
    """
    What differs from when *progress* was saved, and moves the last bits.

    A run by minutes chooses its threads each time: its steps are those of the clock.
    """
    now = trainer.machine.circumstances()
    if trainer.config.budget.minutes is not None:
        del now["threads"]
    then = progress.get("circumstances")
    if not isinstance(then, dict):
        return []
    return [
        f"{name} {now[name]}, not {then[name]}"
        for name in now
        if name in then and now[name] != then[name]  # old states know less
    ]


def _was_elsewhere(trainer: Trainer, progress: dict[str, Any]) -> bool:
    """Whether a state was saved on another kind of device."""
    then = progress.get("circumstances")
    device = then.get("device") if isinstance(then, dict) else None
    return device not in (None, trainer.machine.device.type)


def _begin_noise(trainer: Trainer) -> None:
    words = np.random.SeedSequence([trainer.config.seed, trainer.position.step])
    trainer.generator.manual_seed(int(words.generate_state(1, np.uint64)[0] >> 1))


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
