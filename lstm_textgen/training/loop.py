"""
The training loop: the only code that changes what a run has learned.

Stateful truncated backpropagation through time: the recurrent state is carried from one
window to the next, the gradient is not. The loop knows neither files nor the screen. It
yields events; between two of them its state can be copied, and it can be stopped.

Shapes: T steps, B streams, V vocabulary.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lstm_textgen.checkpoint.schema import out_of_range
from lstm_textgen.config import CADENCE, Cadence
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.evaluation.perplexity import (
    count_target_characters,
    loss_during_run,
    summed_loss,
)
from lstm_textgen.model.dropout import draw_noise_masks
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import StackState
from lstm_textgen.model.weights import skeleton
from lstm_textgen.signals import BY_SIGNAL, StopReason
from lstm_textgen.text.streams import IGNORE
from lstm_textgen.training.data import TrainingData
from lstm_textgen.training.events import Evaluated, StepDone, StepSkipped, Stopped
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.schedule import Meter, rate_factor, share_since
from lstm_textgen.training.spec import RunSpec
from lstm_textgen.training.state import Position, RunState

MAX_SKIPPED = 5
"""Steps in a row that may be skipped because their gradient is not finite."""


class Control:
    """What a signal or a caller asks of a run; the run reads it between two steps."""

    def __init__(self) -> None:
        self.stop: StopReason | None = None
        self.save = False

    def ask_to_stop(self, reason: StopReason) -> None:
        """Stop after the current step."""
        self.stop = reason

    def ask_to_save(self) -> None:
        """Save a state after the current step."""
        self.save = True

    def take_save(self) -> bool:
        """Whether a save was asked for since this was last called."""
        asked, self.save = self.save, False
        return asked

    def check_interrupt(self, ids: int = 0) -> None:
        """
        Progress callback of everything that reads a text for long.

        Raises:
            InterruptedError: The run is to stop.
        """
        if self.stop is not None:
            raise InterruptedError


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """What the forward pass over one window gave."""

    nats: Tensor
    """Loss, summed over the window's targets."""
    recurrent: StackState
    """Of all streams after the window."""
    targets: Int64[np.ndarray, "T B"]

    @property
    def ids(self) -> int:
        """Targets that count."""
        return int((self.targets != IGNORE).sum())


class Loop:
    """
    Trains until the budget is used, no better model has appeared within the patience,
    or it is asked to stop.

    Args:
        spec: The run.
        state: Where to begin; copied.
        data: The text.
        machine: Where and in which precision to compute.
        meter: Share of the budget that is used.
        control: Requests to stop, read between two steps.
        cadence: How often to report and evaluate.
    """

    def __init__(
        self,
        spec: RunSpec,
        state: RunState,
        data: TrainingData,
        machine: Machine,
        *,
        meter: Meter,
        control: Control,
        cadence: Cadence = CADENCE,
    ) -> None:
        self._spec = spec
        self._data = data
        self._machine = machine
        self._meter = meter
        self._control = control
        self._cadence = cadence
        self._settings = spec.config.optimizer
        weight = state.weights["head.weight"]
        self._network = skeleton(spec.config.model, len(weight), machine.device)
        self._network.to(weight.dtype).load_state_dict(state.weights)
        self._optimizer = Optimizer(self._network, self._settings, state.optimizer)
        self._recurrent = state.recurrent.map(lambda t: t.to(machine.device))
        self._generator = torch.Generator(machine.device)
        self._generator.set_state(state.noise)
        self._position = state.position
        self._rate = 0.0
        self._sum = LossSum(machine.device)
        self._evaluation_s = 0.0

    @property
    def position(self) -> Position:
        """Where the run stands; seconds are those when the loop was built."""
        return self._position

    @property
    def network(self) -> CharModel:
        """The network that is being trained: read it, and change nothing."""
        return self._network

    def state(self, *, log_lines: int | None = None) -> RunState:
        """
        A copy of everything that an exact resume needs.

        Args:
            log_lines: Lines of the metrics at this moment.

        Raises:
            DivergedError: A weight is not finite, or larger than a checkpoint holds.
        """
        weights = {n: _copy(t) for n, t in self._network.state_dict().items()}
        problem = out_of_range({name: t.numpy() for name, t in weights.items()})
        if problem is not None:
            raise self._diverged(f"A weight is {problem}")
        return RunState(
            weights=weights,
            optimizer={n: _copy(t) for n, t in self._optimizer.tensors().items()},
            recurrent=self._recurrent.map(_copy),
            noise=self._generator.get_state(),
            position=replace(self._position, spent_s=self._meter.elapsed_s()),
            environment=self._machine.environment(),
            log_lines=log_lines,
            run=self._spec.identity(),
        )

    def seconds_to_next_report(self) -> float:
        """How long it takes to the next event after which a state can be saved."""
        progress = self._meter.progress(self._position.step)
        evaluation_s = self._evaluation_s if self._is_to_evaluate(progress) else 0.0
        return self._cadence.report_every_s + evaluation_s

    def events(self) -> Iterator[StepDone | StepSkipped | Evaluated | Stopped]:
        """
        Train, and report.

        Raises:
            DivergedError: The loss is no longer finite. The weights may not be either:
                only a new loop, from an earlier state, can continue.
        """
        self._sum = LossSum(self._machine.device)
        while (reason := self._stop_reason()) is None:
            progress = self._meter.progress(self._position.step)
            if self._is_to_evaluate(progress):
                yield from self._report(progress)
                yield from self._evaluate(progress)
                self._sum.restart_clock()  # saving is not training
                if self._control.stop is not None:
                    continue
            if not self._step(progress):
                yield self._skipped()
            if self._sum.seconds() >= self._cadence.report_every_s:
                yield from self._report(progress)
        progress = self._meter.progress(self._position.step)
        yield from self._report(progress)
        if reason not in BY_SIGNAL and self._position.over is None:
            yield from self._evaluate(progress, over=reason)
            reason = self._position.over or self._control.stop or reason
        yield stopped(self._position, reason, self._data, self._meter)

    def _stop_reason(self) -> StopReason | None:
        if self._control.stop is not None:
            return self._control.stop
        at = self._position
        if at.over is not None:
            return at.over
        progress = self._meter.progress(at.step)
        if progress >= 1 and at.step > 0:
            return "budget"
        best_age = progress - at.best_progress
        if at.best_nats_per_char is not None and best_age > self._settings.patience:
            return "no improvement"
        return None

    def _step(self, progress: float) -> bool:
        """Train on one window. Returns whether the weights have changed."""
        window = self._read()
        norm = self._reduce()
        applied = self._apply(window, norm, progress)
        self._advance(window, progress, applied=applied)
        return applied

    def _read(self) -> _Window:
        """Forward and backward through the next window of every stream."""
        at, device = self._position, self._machine.device
        inputs, targets = self._data.streams.window_at(
            at.epoch, at.tick, end_at=at.end_at
        )
        masks = draw_noise_masks(
            self._network.config,
            self._settings.streams,
            dropout=self._settings.dropout,
            weight_drop=self._settings.weight_drop,
            generator=self._generator,
        )
        with self._machine.autocast():
            logits, recurrent = self._network(
                torch.from_numpy(inputs).to(device), self._recurrent, masks
            )
            nats = summed_loss(logits, torch.from_numpy(targets).to(device))
        window = _Window(nats, recurrent, targets)
        torch.autograd.backward(nats / window.ids)
        return window

    def _reduce(self) -> Tensor:
        """
        Bring the gradient to its final size; several processes would add theirs first.

        Returns:
            Its global norm before clipping.
        """
        norm = torch.nn.utils.clip_grad_norm_(
            self._optimizer.parameters.values(), self._settings.clip or math.inf
        )
        return norm

    def _apply(self, window: _Window, norm: Tensor, progress: float) -> bool:
        """Change the weights, unless loss or gradient is not finite."""
        if not self._is_finite(window.nats, norm):
            self._optimizer.clear_gradients()
            return False
        self._rate = self._learning_rate(progress)
        self._optimizer.step(self._rate)
        characters = count_target_characters(window.targets, self._data.begins)
        self._sum.add(window.nats, characters, norm)
        return True

    def _advance(self, window: _Window, progress: float, *, applied: bool) -> None:
        """Move to the next window; an epoch begins without recurrent state."""
        ticks = self._data.streams.ticks
        if applied:  # a skipped window leaves no trace but its place in the text
            dtype = self._network.head.weight.dtype  # bfloat16 products give another
            self._recurrent = window.recurrent.map(lambda t: t.detach().to(dtype))
        self._position = self._position.after_window(
            window.ids, progress=progress, applied=applied, ticks=ticks
        )
        if self._position.tick == 0:
            self._recurrent = self._network.initial_state(self._settings.streams)

    def _is_finite(self, nats: Tensor, norm: Tensor) -> bool:
        """
        Whether loss and gradient are finite. On a GPU that is not asked at each step,
        because the host would wait; there `_report` notices.
        """
        if norm.device.type != "cpu":
            return True
        return math.isfinite(float(nats.detach())) and math.isfinite(float(norm))

    def _learning_rate(self, progress: float) -> float:
        """The rate for the middle of the step."""
        at = self._position
        began = progress if at.began is None else at.began
        share = share_since(began, self._meter.progress(at.step + 0.5))
        factor = rate_factor(share, self._settings.warm_up)
        return factor * at.reduced_rate(self._settings.learning_rate)

    def _skipped(self) -> StepSkipped:
        """
        Report a step that was not applied.

        Raises:
            DivergedError: It was one too many in a row.
        """
        at = self._position
        if at.skipped >= MAX_SKIPPED:
            problem = f"The gradient of {at.skipped} steps in a row is no number"
            raise self._diverged(problem)
        return StepSkipped(step=at.step, in_a_row=at.skipped)

    def _report(self, progress: float) -> Iterator[StepDone]:
        """
        Report the steps since the last report, if there are any.

        Raises:
            DivergedError: The loss or the gradient is not finite.
        """
        if not self._sum.characters:
            return
        loss, norm = self._sum.loss(), self._sum.norm()
        if not (math.isfinite(loss.nats) and math.isfinite(norm)):
            problem = f"The loss is {loss.nats:.4g} and the gradient {norm:.4g}"
            raise self._diverged(problem)
        done = StepDone(
            step=self._position.step,
            epoch=self._position.epoch,
            progress=progress,
            loss=loss,
            learning_rate=self._rate,
            gradient_norm=norm,
            elapsed_s=self._meter.elapsed_s(),
            characters_per_second=loss.characters / max(self._sum.seconds(), 1e-9),
        )
        self._sum = LossSum(self._machine.device)
        yield done

    def _is_to_evaluate(self, progress: float) -> bool:
        """Whether the held-out text is to be read before the next step."""
        due = int(progress * self._cadence.evaluations) > self._position.evaluations
        return due and self._position.step > 0

    def _evaluate(
        self, progress: float, over: StopReason | None = None
    ) -> Iterator[Evaluated]:
        """
        Estimate the loss of the held-out text.

        A signal interrupts it, and nothing has changed: a resumed run repeats it.

        Args:
            progress: Share of the budget that is used.
            over: Why the run ends with this evaluation, if it does.

        Raises:
            DivergedError: The loss is not finite; it would count as the best.
        """
        began_s = time.monotonic()
        try:
            with self._machine.autocast():
                loss = loss_during_run(
                    self._network,
                    self._data.held_out,
                    self._spec.evaluation_sample,
                    self._data.begins,
                    self._control.check_interrupt,
                )
        except InterruptedError:
            return
        self._evaluation_s = time.monotonic() - began_s
        if not math.isfinite(loss.nats):
            raise self._diverged(f"The loss of the held-out text is {loss.nats}")
        self._position, best = self._position.after_evaluation(
            loss,
            progress,
            evaluations=int(progress * self._cadence.evaluations),
            over=over,
        )
        yield Evaluated(
            step=self._position.step,
            progress=progress,
            loss=loss,
            best=best,
            elapsed_s=self._meter.elapsed_s(),
        )

    def _diverged(self, problem: str) -> DivergedError:
        return DivergedError(
            f"{problem} at step {self._position.step}: training ran away.",
            f"Lower --lr; it was {self._settings.learning_rate:g}.",
        )


def stopped(
    at: Position, reason: StopReason, data: TrainingData, meter: Meter
) -> Stopped:
    """The last event of a run that stands *at* a position."""
    return Stopped(
        step=at.step,
        reason=reason,
        epochs=at.characters / data.streams.characters,
        elapsed_s=meter.elapsed_s(),
        characters=at.characters,
    )


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


class LossSum:
    """
    The losses since the last report, on the device: reading them makes a GPU wait.

    Args:
        device: Where the losses are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self.characters = 0
        self._nats = torch.zeros((), dtype=torch.float64, device=device)
        self._norm = torch.zeros(())
        self.restart_clock()

    def restart_clock(self) -> None:
        """Count seconds from now on."""
        self._began_s = time.monotonic()

    def add(self, nats: Tensor, characters: int, norm: Tensor) -> None:
        """
        Add a step.

        Args:
            nats: Its loss, summed over its characters.
            characters: How many these are.
            norm: Of the gradient, before clipping.
        """
        self._nats += nats.detach().double()
        self.characters += characters
        self._norm = norm

    def loss(self) -> Loss:
        """The sum."""
        return Loss(float(self._nats), self.characters)

    def norm(self) -> float:
        """The gradient norm of the last step."""
        return float(self._norm)

    def seconds(self) -> float:
        """Since it began, or since the last `restart_clock`."""
        return time.monotonic() - self._began_s
