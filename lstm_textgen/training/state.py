"""
What a run has learned and where it stands, as one value: exactly `state.safetensors`.

A state is never changed: each function here makes the next one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from lstm_textgen.checkpoint.container import Array
from lstm_textgen.config import from_json
from lstm_textgen.errors import CheckpointError, ConfigError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.model.recurrent import StackState, zero_state
from lstm_textgen.model.weights import skeleton, to_tensors
from lstm_textgen.signals import StopReason
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.schedule import end_of_text_at, windows_ahead
from lstm_textgen.training.spec import REMEDY, RunSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a run stands in the text, in its budget and among its evaluations."""

    step: int = 0
    epoch: int = 0
    tick: int = 0
    end_at: float | None = None
    """When this epoch reads the end of the text, as for `Streams.window_at`."""
    characters: int = 0
    evaluations: int = 0
    best_nats_per_char: float | None = None
    best_progress: float = 0.0
    spent_s: float = 0.0
    began: float | None = None
    """Progress at the first step: start-up is part of a budget in minutes, but not
    of the schedule."""
    skipped: int = 0
    """Steps in a row, up to now, whose loss or gradient was not finite."""
    setbacks: int = 0
    """Times that the run diverged and was set back; each halves the learning rate."""
    over: StopReason | None = None
    """Why the run has ended, once its last evaluation is made."""
    final_nats: float | None = None
    """Loss of the finished model on all held-out text: nothing is left to do."""
    final_characters: int = 0
    """How many characters these nats are the sum over."""

    def reduced_rate(self, learning_rate: float) -> float:
        """A learning rate, halved by each setback."""
        return learning_rate * 0.5**self.setbacks

    def after_window(
        self, characters: int, *, progress: float, applied: bool, ticks: int
    ) -> "Position":
        """
        The position one step later.

        Args:
            characters: Targets of the window.
            progress: Share of the budget that was used before it.
            applied: Whether the step changed the weights.
            ticks: Windows of an epoch.
        """
        last = self.tick + 1 == ticks
        began = progress if self.began is None else self.began
        ahead = windows_ahead(self.epoch * ticks + self.tick, began, progress) - 1
        return replace(
            self,
            step=self.step + 1,
            began=began,
            epoch=self.epoch + last,
            tick=0 if last else self.tick + 1,
            end_at=end_of_text_at(max(0.0, ahead / ticks)) if last else self.end_at,
            characters=self.characters + characters,
            skipped=0 if applied else self.skipped + 1,
        )

    def after_evaluation(
        self, loss: Loss, progress: float, *, evaluations: int, over: StopReason | None
    ) -> tuple["Position", bool]:
        """
        The position after the held-out text was read.

        Args:
            loss: Has no characters if nothing is held out; then every evaluation is
                the best.
            progress: Share of the budget that is used.
            evaluations: How many evaluations are due by now.
            over: Why the run ends with this evaluation, if it does. Recorded together
                with the loss: a new best alone would restart the patience.

        Returns:
            The position, and whether no earlier loss was as low.
        """
        after = replace(self, evaluations=evaluations, over=over)
        best = self.best_nats_per_char
        if best is not None and loss.nats_per_char >= best:
            return after, False
        if not loss.characters:
            return after, True
        nats = loss.nats_per_char
        return replace(after, best_nats_per_char=nats, best_progress=progress), True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RunState:
    """Everything that an exact resume needs. All tensors are on the CPU."""

    weights: Mapping[str, Tensor]
    """By their names in the network. Their type is that of the computation."""

    optimizer: Mapping[str, Tensor]
    """As `Optimizer.tensors`: the moments of every weight, and the steps."""

    recurrent: StackState
    """Of all streams, before the next window."""

    noise: UInt8[Tensor, " n"]
    """State of the generator that draws the noise masks."""

    position: Position

    environment: Mapping[str, str | int]
    """As `Machine.environment`: what the last bits of a run depend on."""

    log_lines: int | None
    """Lines of the metrics at this moment; None where that is not known."""

    run: str
    """Identity of the run that the state belongs to."""

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """
        The content of `state.safetensors`.

        Returns:
            All tensors, not copied, under names that begin with `model.`, `optimizer.`
            or `recurrent.`, or are `generator`; and the rest as plain JSON.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.weights.items()}
        tensors |= {f"optimizer.{name}": t for name, t in self.optimizer.items()}
        tensors |= {f"recurrent.{n}": t for n, t in self.recurrent.tensors().items()}
        tensors["generator"] = self.noise
        return {name: tensor.numpy() for name, tensor in tensors.items()}, {
            "position": asdict(self.position),
            "environment": dict(self.environment),
            "log_lines": self.log_lines,
            "run": self.run,
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Array],
        metadata: Mapping[str, Any],
        spec: RunSpec,
        *,
        vocabulary: int,
    ) -> "RunState":
        """
        The inverse of `to_arrays`; memory is shared.

        Raises:
            CheckpointError: It is the state of another run, or not whole.
        """
        tensors = to_tensors(arrays)
        try:
            _check_fit(tensors, metadata, spec, vocabulary)
            lines = metadata["log_lines"]
            return cls(
                weights=_under("model.", tensors),
                optimizer=_under("optimizer.", tensors),
                recurrent=StackState.from_tensors(_under("recurrent.", tensors)),
                noise=tensors["generator"],
                position=from_json(Position, metadata["position"], "position"),
                environment=dict(metadata["environment"]),
                log_lines=lines if type(lines) is int and lines >= 0 else None,
                run=metadata["run"],
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise _unfit(error) from error


def start(spec: RunSpec, *, vocabulary: int, machine: Machine) -> RunState:
    """The state before the first step: the same settings and seed, the same weights."""
    config = spec.config
    network = CharModel(config.model, vocabulary)
    initialize(network, torch.Generator().manual_seed(config.seed))
    noise = torch.Generator(machine.device).manual_seed(config.seed)
    return RunState(
        weights={name: t.detach() for name, t in network.state_dict().items()},
        optimizer=Optimizer(network, config.optimizer).tensors(),
        recurrent=network.initial_state(config.optimizer.streams),
        noise=noise.get_state(),
        position=Position(end_at=end_of_text_at(spec.expected_epochs)),
        environment=machine.environment(),
        log_lines=0,
        run=spec.identity(),
    )


def resumed(
    spec: RunSpec, state: RunState, machine: Machine
) -> tuple[RunState, list[str]]:
    """
    A saved state, ready to continue on *machine*.

    A generator of random numbers cannot continue on another kind of device: there the
    noise begins anew, from the seed and the step.

    Returns:
        The state, and what differs from where it was saved and moves the last bits. A
        run by minutes chooses its threads each time: its steps are those of the clock.

    Raises:
        CheckpointError: The state of the generator is not one.
    """
    now, then = machine.environment(), state.environment
    differences = [
        f"{name} {value}, not {then.get(name)}"
        for name, value in now.items()
        if value != then.get(name)
        and (name != "threads" or spec.config.budget.minutes is None)
    ]
    generator = torch.Generator(machine.device)
    if now["device"] != then.get("device"):
        words = np.random.SeedSequence([spec.config.seed, state.position.step])
        generator.manual_seed(int(words.generate_state(1, np.uint64)[0] >> 1))
    else:
        try:
            generator.set_state(state.noise)
        except (RuntimeError, TypeError) as error:
            raise _unfit(error) from error
    noise, environment = generator.get_state(), machine.environment()
    return replace(state, noise=noise, environment=environment), differences


def set_back(state: RunState, failed: Position) -> RunState:
    """The saved *state* to continue from at half the rate, after *failed* diverged."""
    position = replace(state.position, setbacks=failed.setbacks + 1)
    return replace(state, position=position)


def change_text(spec: RunSpec, state: RunState) -> RunState:
    """
    The state from which a run continues on another text.

    A new epoch begins, and no loss on the old text is left to beat. Positions and
    recurrent state belong to the text that was read; weights and moments do not.
    """
    position = replace(
        state.position,
        epoch=state.position.epoch + 1,
        tick=0,
        end_at=None,
        best_nats_per_char=None,
        over=None,
        final_nats=None,
        final_characters=0,
    )
    dtype = state.weights["head.weight"].dtype
    streams = spec.config.optimizer.streams
    recurrent = zero_state(spec.config.model, streams, dtype=dtype)
    return replace(state, position=position, recurrent=recurrent)


def with_final_loss(state: RunState, loss: Loss) -> RunState:
    """The state of a run whose best model is finished: nothing is left to do."""
    position = replace(
        state.position, final_nats=loss.nats, final_characters=loss.characters
    )
    return replace(state, position=position)


def _check_fit(
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    spec: RunSpec,
    vocabulary: int,
) -> None:
    """
    Raises:
        ValueError: The state belongs to another run, or a tensor is missing, too many
            or of another shape.
    """
    if metadata["run"] != spec.identity():
        raise ValueError("it is that of another run")
    network = skeleton(spec.config.model, vocabulary)  # shapes only, no memory
    recurrent = network.initial_state(spec.config.optimizer.streams)
    expected = {
        "model.": network.state_dict(),
        "optimizer.": Optimizer(network, spec.config.optimizer).tensors(),
        "recurrent.": recurrent.tensors(),
    }
    shapes = {
        prefix + name: tensor.shape
        for prefix, group in expected.items()
        for name, tensor in group.items()
    }
    shapes["generator"] = tensors["generator"].shape  # its own for each kind of device
    for name in shapes.keys() | tensors.keys():
        found = tensors[name].shape if name in tensors else None
        if found != shapes.get(name):
            raise ValueError(f"{name} has another shape or is missing")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _unfit(error: Exception) -> CheckpointError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return CheckpointError(
        f"The saved state does not fit these settings ({reason}).", REMEDY
    )
