"""
The loop: read a window of every stream, change the weights, tell about it.

Stateful truncated backpropagation through time: the memory goes from one window
to the next, the gradient does not. The trainer knows no files and no screen; it
yields events, and between two events it can be photographed and stopped.

Shapes: T steps, B streams.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_textgen.config import RunConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.perplexity import (
    Loss,
    count_characters,
    estimate,
    summed_loss,
)
from lstm_textgen.model.dropout import draw_noise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.streams import IGNORE, Streams
from lstm_textgen.training.budget import Meter
from lstm_textgen.training.events import Evaluated, StepDone, Stopped, StopReason
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.optimizer import Optimizer
from lstm_textgen.training.schedule import rate_factor

EVALUATIONS = 20
"""Times that a run looks at the held-out text, evenly over its budget."""

REPORT_EVERY_S = 0.5
"""How often losses are read back; on a GPU each reading makes the host wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a run is: with weights, moments, memory and noise all that resume needs."""

    step: int = 0
    epoch: int = 0
    tick: int = 0
    characters: int = 0
    evaluations: int = 0
    best_nats_per_char: float | None = None
    best_progress: float = 0.0
    spent_s: float = 0.0
    began: float | None = None
    """Progress at the first step: start-up is part of a budget in minutes, and of
    no schedule."""


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
        config: RunConfig,
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
        self.memory = model.zero_state(streams.streams)
        self.optimizer = Optimizer(model, config.optimizer)
        self.generator = torch.Generator(machine.device).manual_seed(config.seed)
        self._parameters = list(model.parameters())
        self.asked_to_stop: StopReason | None = None
        self._forget_sums()

    def stop(self, reason: StopReason) -> None:
        """Ask the run to end after the step that is under way."""
        self.asked_to_stop = reason

    def fit(self) -> Iterator[StepDone | Evaluated | Stopped]:
        """
        Run until the budget is used, the best is old, or `stop` was called.

        Raises:
            DivergedError: The loss is no longer a number.
        """
        while (reason := self._stop_reason()) is None:
            progress = self.meter.progress(self.position.step)
            due = int(progress * EVALUATIONS) > self.position.evaluations
            if due and self.position.step > 0:
                if self._loss_characters:
                    yield self.read_losses(progress)
                yield self._evaluate(progress)
                self._read_at_s = time.monotonic()  # saving is no training
            self._step(progress)
            if time.monotonic() - self._read_at_s >= REPORT_EVERY_S:
                yield self.read_losses(progress)
        progress = self.meter.progress(self.position.step)
        if self._loss_characters:
            yield self.read_losses(progress)
        if reason in ("budget", "no improvement"):
            yield self._evaluate(progress)
        yield Stopped(
            step=self.position.step,
            reason=reason,
            epochs=self.position.characters / len(self.streams.ids),
            elapsed_s=self.meter.elapsed_s(),
            characters=self.position.characters,
        )

    def read_losses(self, progress: float) -> StepDone:
        """
        Sum up the steps since the last reading, and see that all is finite.

        Raises:
            DivergedError: The loss or the gradient is no longer a number.
        """
        now_s = time.monotonic()
        loss = Loss(float(self._loss_nats), self._loss_characters)
        norm = float(self._gradient_norm)
        if not (math.isfinite(loss.nats) and math.isfinite(norm)):
            found = f"The loss is {loss.nats:.4g} and the gradient {norm:.4g}"
            raise self._ran_away(found)
        record = StepDone(
            step=self.position.step,
            epoch=self.position.epoch,
            progress=progress,
            loss=loss,
            learning_rate=self.optimizer.rate,
            gradient_norm=norm,
            elapsed_s=self.meter.elapsed_s(),
            characters_per_second=loss.characters / max(now_s - self._read_at_s, 1e-9),
        )
        self._forget_sums()
        return record

    def _stop_reason(self) -> StopReason | None:
        if self.asked_to_stop is not None:
            return self.asked_to_stop
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

    def _step(self, progress: float) -> None:
        """Read one window and change the weights once."""
        settings, at = self.config.optimizer, self.position
        inputs, targets = self.streams.window_at(at.epoch, at.tick)
        characters = int((targets != IGNORE).sum())
        noise = draw_noise(
            self.model.config,
            self.streams.streams,
            dropout=settings.dropout,
            weight_drop=settings.weight_drop,
            generator=self.generator,
        )
        device = self.machine.device
        with self.machine.autocast():
            logits, memory = self.model(
                torch.from_numpy(inputs).to(device), self.memory, noise
            )
            nats = summed_loss(logits, torch.from_numpy(targets).to(device))
        torch.autograd.backward(nats / characters)
        norm = torch.nn.utils.clip_grad_norm_(
            self._parameters, settings.clip or math.inf
        )
        factor = rate_factor(self._share(progress), settings.warm_up)
        self.optimizer.rate = factor * settings.learning_rate
        self.optimizer.step()
        self._loss_nats += nats.detach().double()
        self._loss_characters += count_characters(targets, self.begins)
        self._gradient_norm = norm
        self.memory = memory.map(lambda tensor: tensor.detach().to(norm.dtype))
        self._advance(characters, progress)

    def _share(self, progress: float) -> float:
        """How much of the time between first and last step is over, 0 to 1."""
        began = progress if self.position.began is None else self.position.began
        middle = self.meter.progress(self.position.step + 0.5)
        return max(0.0, middle - began) / max(1 - began, 1e-9)

    def _advance(self, characters: int, progress: float) -> None:
        at = self.position
        last = at.tick + 1 == self.streams.ticks
        self.position = replace(
            at,
            step=at.step + 1,
            began=progress if at.began is None else at.began,
            epoch=at.epoch + last,
            tick=0 if last else at.tick + 1,
            characters=at.characters + characters,
        )
        if last:  # the next epoch starts elsewhere: what is remembered is not before it
            self.memory = self.model.zero_state(self.streams.streams)

    def _evaluate(self, progress: float) -> Evaluated:
        """Estimate the loss of the held-out text; a run without one counts as best."""
        loss = Loss(0.0, 0)
        if len(self.held_out) >= 2:
            with self.machine.autocast():
                loss = estimate(
                    self.model,
                    self.held_out,
                    characters=self.sample,
                    begins=self.begins,
                )
            if not math.isfinite(loss.nats):  # else the first would count as the best
                raise self._ran_away(f"The loss of the held-out text is {loss.nats}")
        best_so_far = self.position.best_nats_per_char
        best = best_so_far is None or loss.nats_per_char < best_so_far
        self.position = replace(self.position, evaluations=int(progress * EVALUATIONS))
        if best and loss.characters:
            self.position = replace(
                self.position,
                best_nats_per_char=loss.nats_per_char,
                best_progress=progress,
            )
        self._read_at_s = time.monotonic()
        return Evaluated(
            step=self.position.step,
            progress=progress,
            loss=loss,
            best=best,
            elapsed_s=self.meter.elapsed_s(),
        )

    def _ran_away(self, found: str) -> DivergedError:
        return DivergedError(
            f"{found} at step {self.position.step}: training ran away.",
            f"Lower --lr; it was {self.config.optimizer.learning_rate:g}.",
        )

    def _forget_sums(self) -> None:
        self._loss_nats: Tensor = torch.zeros(
            (), dtype=torch.float64, device=self.machine.device
        )
        self._loss_characters = 0
        self._gradient_norm = torch.zeros(())
        self._read_at_s = time.monotonic()
