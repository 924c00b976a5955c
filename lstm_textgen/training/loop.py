"""
The loop: read a window of every stream, change the weights, tell about it.

Stateful truncated backpropagation through time: the memory goes from one window
to the next, the gradient does not. The trainer knows no files and no screen; it
yields events, and between two events it can be photographed and stopped.

Shapes: T steps, B streams.

The losses of the steps since they were last told.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.config import TrainConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.evaluation.perplexity import (
    count_target_characters,
    estimate_loss,
    summed_loss,
)
from lstm_textgen.model.dropout import draw_noise_masks
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.recurrent import StackState
from lstm_textgen.signals import BY_SIGNAL, StopReason
from lstm_textgen.text.streams import IGNORE, Streams
from lstm_textgen.training.events import Evaluated, StepDone, StepSkipped, Stopped
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.position import Position
from lstm_textgen.training.schedule import Meter, rate_factor, share_since

EVALUATIONS = 20
"""Times that a run looks at the held-out text, evenly over its budget."""

REPORT_EVERY_S = 0.5
"""How often losses are read back; on a GPU each reading makes the host wait."""

MOST_SKIPPED = 5
"""Steps in a row that may be skipped because their gradient is no number."""

Window = Int64[np.ndarray, "T B"]


class Trainer:
    """
    Trains a model on streams until its budget is used.

    Args:
        model: Changed in place; on the machine's device.
        streams: The text that it learns from.
        held_out: Ids that it is judged by; fewer than 2 for none.
        config: The settings of the run.
        machine: Where and in which precision to compute.
        meter: How much of the budget is used.
        sample: How many held-out characters an evaluation during the run counts.
        begins: Which ids begin a character, as `Tokenizer.begins`.
    """

    def __init__(
        self,
        model: CharModel,
        streams: Streams,
        held_out: NDArray[np.unsignedinteger],
        config: TrainConfig,
        *,
        machine: Machine,
        meter: Meter,
        sample: int,
        begins: NDArray[np.bool_] | None = None,
    ) -> None:
        self.model = model
        self.streams = streams
        self.held_out = held_out
        self.config = config
        self.machine = machine
        self.meter = meter
        self.sample = sample
        self.begins = begins
        self.position = Position()
        self.memory = model.initial_state(streams.streams)
        self.optimizer = Optimizer(model, config.optimizer)
        self.generator = torch.Generator(machine.device).manual_seed(config.seed)
        self.asked_to_stop: StopReason | None = None
        self.tally = LossSum(machine.device)
        self.evaluation_s = 0.0

    def stop(self, reason: StopReason) -> None:
        """Ask the run to end after the step that is under way."""
        self.asked_to_stop = reason

    def fit(self) -> Iterator[StepDone | StepSkipped | Evaluated | Stopped]:
        """
        Run until the budget is used, the best is old, or `stop` was called.

        Raises:
            DivergedError: The loss is no longer a number. The weights may not be
                either, so that only a restored trainer can go on.
        """
        self.tally.clear()
        while (reason := self._stop_reason()) is None:
            progress = self.meter.progress(self.position.step)
            if self.is_to_evaluate(progress):
                yield from self._losses(progress)
                yield from self._evaluate(progress)
                self.tally.wait()  # saving is no training
                if self.asked_to_stop is not None:
                    continue
            if not self._step(progress):
                yield self._skipped()
            if self.tally.seconds() >= REPORT_EVERY_S:
                yield from self._losses(progress)
        progress = self.meter.progress(self.position.step)
        yield from self._losses(progress)
        if reason not in BY_SIGNAL and self.position.over is None:
            yield from self._evaluate(progress, over=reason)
            reason = self.position.over or self.asked_to_stop or reason
        yield Stopped(
            step=self.position.step,
            reason=reason,
            epochs=self.position.characters / self.streams.characters,
            elapsed_s=self.meter.elapsed_s(),
            characters=self.position.characters,
        )

    def _losses(self, progress: float) -> Iterator[StepDone]:
        """
        Sum up the steps since the last reading, if any, and see that all is finite.

        Raises:
            DivergedError: The loss or the gradient is no longer a number.
        """
        if not self.tally.characters:
            return
        loss, norm = self.tally.loss(), self.tally.norm()
        if not (math.isfinite(loss.nats) and math.isfinite(norm)):
            found = f"The loss is {loss.nats:.4g} and the gradient {norm:.4g}"
            raise self.ran_away(found)
        told = StepDone(
            step=self.position.step,
            epoch=self.position.epoch,
            progress=progress,
            loss=loss,
            learning_rate=self.optimizer.rate,
            gradient_norm=norm,
            elapsed_s=self.meter.elapsed_s(),
            characters_per_second=loss.characters / max(self.tally.seconds(), 1e-9),
        )
        self.tally.clear()
        yield told

    def _stop_reason(self) -> StopReason | None:
        if self.asked_to_stop is not None:
            return self.asked_to_stop
        if self.position.over is not None:
            return self.position.over
        progress = self.meter.progress(self.position.step)
        if progress >= 1 and self.position.step > 0:
            return "budget"
        best_age = progress - self.position.best_progress
        if (
            self.position.best_nats_per_char is not None
            and best_age > self.config.optimizer.patience
        ):
            return "no improvement"
        return None

    def _step(self, progress: float) -> bool:
        """Read one window and change the weights once, unless it gave no number."""
        at = self.position
        inputs, targets = self.streams.window_at(at.epoch, at.tick, end_at=at.end_at)
        characters = int((targets != IGNORE).sum())
        nats, memory = self._read(inputs, targets)
        torch.autograd.backward(nats / characters)
        norm = torch.nn.utils.clip_grad_norm_(
            self.optimizer.parameters.values(), self.config.optimizer.clip or math.inf
        )
        applied = self._is_number(nats, norm)
        if applied:
            self.optimizer.rate = self._rate(progress)
            self.optimizer.step()
            self.tally.add(nats, count_target_characters(targets, self.begins), norm)
            self.memory = memory.map(lambda tensor: tensor.detach().to(norm.dtype))
        else:
            self.optimizer.forget_gradients()
        self.position = at.after_window(
            characters, progress=progress, applied=applied, ticks=self.streams.ticks
        )
        if self.position.tick == 0:  # what is remembered is not before the next epoch
            self.memory = self.model.initial_state(self.streams.streams)
        return applied

    def _read(self, inputs: Window, targets: Window) -> tuple[Tensor, StackState]:
        """The loss of a window, in nats, and the memory after it."""
        settings, device = self.config.optimizer, self.machine.device
        noise = draw_noise_masks(
            self.model.config,
            self.streams.streams,
            dropout=settings.dropout,
            weight_drop=settings.weight_drop,
            generator=self.generator,
        )
        with self.machine.autocast():
            logits, memory = self.model(
                torch.from_numpy(inputs).to(device), self.memory, noise
            )
            nats = summed_loss(logits, torch.from_numpy(targets).to(device))
        return nats, memory

    def _is_number(self, nats: Tensor, norm: Tensor) -> bool:
        """
        Whether loss and gradient are finite; a GPU, which would wait, is not asked.

        There `_losses` finds it, twice a second.
        """
        if norm.device.type != "cpu":
            return True
        return math.isfinite(float(nats.detach())) and math.isfinite(float(norm))

    def _rate(self, progress: float) -> float:
        settings, at = self.config.optimizer, self.position
        began = progress if at.began is None else at.began
        share = share_since(began, self.meter.progress(at.step + 0.5))
        factor = rate_factor(share, settings.warm_up)
        return factor * settings.learning_rate * 0.5**at.setbacks

    def _skipped(self) -> StepSkipped:
        """
        Tell of a step that was not applied.

        Raises:
            DivergedError: It was one too many in a row.
        """
        at = self.position
        if at.skipped >= MOST_SKIPPED:
            found = f"The gradient of {at.skipped} steps in a row is no number"
            raise self.ran_away(found)
        return StepSkipped(step=at.step, in_a_row=at.skipped)

    def is_to_evaluate(self, progress: float) -> bool:
        """Whether the held-out text is to be read before the next step."""
        due = int(progress * EVALUATIONS) > self.position.evaluations
        return due and self.position.step > 0

    def heed(self, characters: int) -> None:
        """Called while a text is read: a signal is heard there too."""
        if self.asked_to_stop is not None:
            raise InterruptedError

    def _evaluate(
        self, progress: float, over: StopReason | None = None
    ) -> Iterator[Evaluated]:
        """
        Estimate the loss of the held-out text; a run without one counts as best.

        A signal ends it and nothing has changed: it is made again by who goes on.

        Args:
            progress: Share of the budget that is used.
            over: Why the run ends with it. A new best would have patience again.
        """
        began_s = time.monotonic()
        try:
            with self.machine.autocast():
                loss = estimate_loss(
                    self.model, self.held_out, self.sample, self.begins, self.heed
                )
        except InterruptedError:
            return
        self.evaluation_s = time.monotonic() - began_s
        if not math.isfinite(loss.nats):  # else the first would count as the best
            raise self.ran_away(f"The loss of the held-out text is {loss.nats}")
        position, best = self.position.after_look(loss, progress)
        evaluations = int(progress * EVALUATIONS)
        self.position = replace(position, evaluations=evaluations, over=over)
        yield Evaluated(
            step=self.position.step,
            progress=progress,
            loss=loss,
            best=best,
            elapsed_s=self.meter.elapsed_s(),
        )

    def ran_away(self, found: str) -> DivergedError:
        return DivergedError(
            f"{found} at step {self.position.step}: training ran away.",
            f"Lower --lr; it was {self.config.optimizer.learning_rate:g}.",
        )


class LossSum:
    """
    Sums that stay on the device until they are read: reading makes a GPU wait.

    Args:
        device: Where the losses are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.clear()

    def clear(self) -> None:
        """Begin anew, now."""
        self.characters = 0
        self._nats = torch.zeros((), dtype=torch.float64, device=self._device)
        self._norm = torch.zeros(())
        self.wait()

    def wait(self) -> None:
        """Count the seconds from now on: what went before was no training."""
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
        """That of the last step."""
        return float(self._norm)

    def seconds(self) -> float:
        """Since the last `clear` or `wait`."""
        return time.monotonic() - self._began_s
