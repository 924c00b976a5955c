"""
A run from a text to a finished model: prepared, announced, then run.

    prepared = prepare(source, wishes, machine)
    with open_session(prepared, started_s=time.monotonic()) as (session, warnings):
        for event in session.run():
            ...

Here the trainer meets the disk: what is best is saved as the model, now and then
everything is saved for resuming, and every event goes into the metrics.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.checkpoint.format import load_checkpoint, read_header
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.sampling.writer import Writer, first_line
from lstm_textgen.signals import BY_SIGNAL, polite_signals
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.streams import Split
from lstm_textgen.training.events import (
    Calibrated,
    Evaluated,
    Event,
    Sampled,
    Saved,
    SetBack,
    StepDone,
    Stopped,
    Warned,
)
from lstm_textgen.training.finish import check_weights, finish, to_model
from lstm_textgen.training.log import RunLog
from lstm_textgen.training.loop import REPORT_EVERY_S, Trainer
from lstm_textgen.training.machine import explain_out_of_memory
from lstm_textgen.training.plan import Plan
from lstm_textgen.training.resume import (
    begin_epoch,
    differences,
    go_back,
    restore,
    snapshot,
)

MOST_SETBACKS = 3
"""Times that a run which ran away goes back and tries with half the rate."""

PREVIEW = SampleConfig(temperature=0.7, seed=1)

PREVIEW_LENGTH = 70


class RunSession:
    """
    One run in its directory.

    Args:
        trainer: Ready to go on.
        text: The whole text.
        split: Which part of it trains, validates and tests.
        plan: What was decided.
        directory: Where everything goes.
        apart: Ids that no step reads, to calibrate the best model on; or none.
        save_every_s: How much work a crash may cost.
    """

    def __init__(
        self,
        trainer: Trainer,
        text: EncodedText,
        split: Split,
        plan: Plan,
        directory: RunDirectory,
        *,
        apart: NDArray[np.unsignedinteger[Any]],
        save_every_s: float = 30.0,
    ) -> None:
        self.trainer = trainer
        self.text = text
        self.split = split
        self.plan = plan
        self.directory = directory
        self.apart = apart
        self.save_every_s = save_every_s
        self._saved_at_s = time.monotonic()
        self._asked_to_save = False
        self.log = RunLog(directory.metrics_path)

    def run(self) -> Iterator[Event]:
        """
        Train until the budget is used or a signal comes; save on the way.

        Raises:
            DivergedError: Training ran away again and again; the best model is kept.
            ConfigError: There is not enough memory for these settings.
            StorageError: The disk is full or fails; what was saved before is whole.
        """
        if self._is_complete():
            yield from self._judged()
            yield from self.trainer.fit()  # which says why it ended
            return
        config = self.plan.config
        with (
            polite_signals(self.trainer.stop, self._ask_to_save),
            explain_out_of_memory(config.model, config.optimizer),
        ):
            for event in self._events():
                warning = self.log.add(event)
                yield event
                if warning is not None:
                    yield Warned(step=self.trainer.position.step, text=warning)

    def resume(self) -> list[str]:
        """Go on where the directory's state is. Returns warnings."""
        warnings = []
        loaded = self.directory.load_state()
        progress: dict[str, Any] = {"log_lines": 0}
        if loaded is None:
            warnings.append("nothing was saved yet: starting from the beginning")
        else:
            tensors, progress, fell_back = loaded
            restore(self.trainer, tensors, progress)
            if fell_back:
                warnings.append(
                    "the newest state is damaged: going on from the one before"
                )
            if changed := differences(self.trainer, progress):
                warnings.append(
                    f"{'; '.join(changed)}: the end will be near that of a run "
                    "without a stop, but not bit for bit the same"
                )
        self._cut_log(progress)
        return warnings

    def turn_to(self, settings: dict[str, Any]) -> None:
        """
        Go on with another text, of which *settings* tell.

        Both states on disk then know of it: the one before has places in the old text.
        """
        begin_epoch(self.trainer)
        for _ in range(2):
            self._save_state()
        self.directory.save_settings(settings)

    def _ask_to_save(self) -> None:
        self._asked_to_save = True

    def _events(self) -> Iterator[Event]:
        if self.trainer.position.step == 0:
            yield self._save_state()  # tells at once whether the disk takes it
        while True:
            try:
                yield from self._train()
                return
            except DivergedError as error:
                yield from self._go_back(error)

    def _go_back(self, error: DivergedError) -> Iterator[Event]:
        """To the last state that was saved, with half the rate; not for ever."""
        at = self.trainer.position
        loaded = self.directory.load_state()
        if at.setbacks >= MOST_SETBACKS or loaded is None:
            raise self._given_up(error) from error
        tensors, progress, _ = loaded
        go_back(self.trainer, tensors, progress)
        now = self.trainer.position
        self._cut_log(progress)
        yield SetBack(
            step=now.step,
            from_step=at.step,
            learning_rate=self.plan.config.optimizer.learning_rate / 2**now.setbacks,
            reason=error.problem,
        )
        yield self._save_state()

    def _given_up(self, error: DivergedError) -> DivergedError:
        path = self.directory.model_path
        if not path.exists():
            return error
        remedy = f"{error.remedy} The best model so far is {path}."
        return DivergedError(error.problem, remedy)

    def _train(self) -> Iterator[Event]:
        for event in self.trainer.fit():
            if isinstance(event, Stopped):
                yield from self._finish(event)
                asked = self.trainer.asked_to_stop  # perhaps while it was judged
                yield dataclasses.replace(event, reason=asked or event.reason)
                return
            yield event
            if isinstance(event, Evaluated):
                if event.best:
                    yield self._save_model(event.loss)
                yield self._preview()
                if event.best:
                    yield self._save_state()  # which knows of this best
            # at other events a loss is summed up that no state knows of
            if isinstance(event, StepDone | Evaluated) and self._is_due():
                yield self._save_state()

    def _is_due(self) -> bool:
        """Whether later would be too late, or a signal has asked."""
        since_s = time.monotonic() - self._saved_at_s
        next_s = REPORT_EVERY_S
        trainer = self.trainer
        if trainer.is_to_evaluate(trainer.meter.progress(trainer.position.step)):
            next_s += trainer.evaluation_s
        return self._asked_to_save or since_s + next_s > self.save_every_s

    def _is_complete(self) -> bool:
        """Whether nothing is left to do, so that no file need change."""
        at = self.trainer.position
        return at.final_nats is not None and self.directory.model_path.exists()

    def _finish(self, stopped: Stopped) -> Iterator[Event]:
        """Save what is needed; after a whole run, judge the best model exactly."""
        if not self.directory.model_path.exists():
            yield self._save_model(Loss(0.0, 0))
        yield self._save_state()
        if stopped.reason not in BY_SIGNAL and self._judge():
            yield from self._judged()
            yield self._save_state()  # which knows that nothing is left

    def _judge(self) -> bool:
        """Finish and judge the best model, unless a signal comes meanwhile."""
        best = load_checkpoint(self.directory.model_path)
        try:
            model, loss = finish(
                best,
                self.trainer.streams,
                self.apart,
                self.trainer.held_out,
                device=self.trainer.machine.device,
                heed=self.trainer.heed,
            )
        except InterruptedError:  # all is saved; the run keeps its last estimate
            return False
        if model is not best:
            self.directory.save_model(model)
        self.trainer.position = dataclasses.replace(
            self.trainer.position,
            final_nats=loss.nats,
            final_characters=loss.characters,
        )
        return True

    def _judged(self) -> Iterator[Calibrated | Evaluated]:
        """Tell what was found when the run had ended."""
        at, best = (
            self.trainer.position,
            read_header(self.directory.model_path).training,
        )
        if best.temperature is not None:
            yield Calibrated(step=best.steps, temperature=best.temperature)
        if at.final_nats is not None and at.final_characters:
            yield Evaluated(
                step=best.steps,
                progress=1.0,
                loss=Loss(at.final_nats, at.final_characters),
                best=True,
                final=True,
                elapsed_s=self.trainer.meter.elapsed_s(),
            )

    def _save_model(self, loss: Loss) -> Saved:
        check_weights(self.trainer)
        model = to_model(self.trainer, self.text, self.split, loss)
        self.directory.save_model(model)
        step, path = self.trainer.position.step, self.directory.model_path
        return Saved(step=step, path=path, what="model")

    def _save_state(self) -> Saved:
        check_weights(self.trainer)
        self.log.sync()  # it is never behind the state
        tensors, progress = snapshot(self.trainer)
        self.directory.save_state(tensors, progress | {"log_lines": self.log.lines})
        asked, self._asked_to_save = self._asked_to_save, False
        self._saved_at_s = time.monotonic()
        step, path = self.trainer.position.step, self.directory.state_path
        return Saved(step=step, path=path, what="state", asked=asked)

    def _cut_log(self, progress: dict[str, Any]) -> None:
        """Forget in the log what came after a state was saved."""
        lines = progress.get("log_lines")  # old states have none
        known = type(lines) is int and lines >= 0
        self.log.go_back(self.trainer.position.step, lines if known else None)

    def _preview(self) -> Sampled:
        writer = Writer(self.trainer.model, self.text.tokenizer)
        line = first_line(writer, "", PREVIEW_LENGTH, PREVIEW)
        return Sampled(step=self.trainer.position.step, text=line)
