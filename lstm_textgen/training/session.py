"""
A run from a text to a finished model: prepared, announced, then run.

    prepared = prepare(source, wishes, machine)
    with open_session(prepared, started_s=time.monotonic()) as (session, warning):
        for event in session.run():
            ...

Here the trainer meets the disk: what is best is saved as the model, now and then
everything is saved for resuming, and every event goes into the metrics.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.checkpoint.format import (
    build_model,
    checkpoint_of,
    load_checkpoint,
)
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.perplexity import Loss, estimate, evaluate
from lstm_textgen.model.network import CharModel
from lstm_textgen.sampling.writer import Writer, first_line
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.text.streams import Split
from lstm_textgen.training.events import Evaluated, Event, Saved, Stopped, Wrote
from lstm_textgen.training.plan import Plan
from lstm_textgen.training.resume import restore, snapshot
from lstm_textgen.training.signals import polite_signals
from lstm_textgen.training.trainer import Trainer

EXACT_LIMIT = 300_000
"""Held-out characters that the last evaluation reads in one pass; beyond, side by
side in up to `MOST_STREAMS` streams of at least `LONG_STREAM`, each warmed up."""

LONG_STREAM = 16_384
MOST_STREAMS = 64
PREVIEW = SampleConfig(temperature=0.7, seed=1)
PREVIEW_LENGTH = 70


class Session:
    """
    One run in its directory.

    Args:
        trainer: Ready to go on.
        text: The whole text.
        split: Which part of it trains, validates and tests.
        plan: What was decided.
        directory: Where everything goes.
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
        save_every_s: float = 30.0,
    ) -> None:
        self.trainer = trainer
        self.text = text
        self.split = split
        self.plan = plan
        self.directory = directory
        self.save_every_s = save_every_s
        self._saved_at_s = time.monotonic()

    def run(self) -> Iterator[Event]:
        """
        Train until the budget is used or a signal comes; save on the way.

        Raises:
            DivergedError: Training ran away; the best model so far is kept.
            StorageError: The disk is full.
        """
        with polite_signals(self.trainer.stop):
            for event in self._events():
                self.directory.append_metrics([_record(event)])
                yield event

    def resume(self) -> str | None:
        """Go on where the directory's state is. Returns a warning, if there is one."""
        warning = None
        loaded = self.directory.load_state()
        if loaded is None:
            warning = "nothing was saved yet: starting from the beginning"
        else:
            tensors, progress, fell_back = loaded
            restore(self.trainer, tensors, progress)
            if fell_back:
                warning = "the newest state is damaged: going on from the one before"
        self.directory.truncate_metrics(self.trainer.position.step)
        return warning

    def _events(self) -> Iterator[Event]:
        try:
            yield from self._train()
        except DivergedError as error:
            if not self.directory.model_path.exists():
                raise
            path = self.directory.model_path
            remedy = f"{error.remedy} The best model so far is {path}."
            raise DivergedError(error.problem, remedy) from error

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
                    yield self._save_state()  # which knows of this best
                yield self._preview()
            if time.monotonic() - self._saved_at_s > self.save_every_s:
                yield self._save_state()

    def _finish(self, stopped: Stopped) -> Iterator[Event]:
        """Save what is needed; after a whole run, judge the best model exactly."""
        if not self.directory.model_path.exists():
            yield self._save_model(Loss(0.0, 0))
        yield self._save_state()
        if stopped.reason in ("interrupted", "terminated") or len(self.held_out) < 2:
            return
        checkpoint = load_checkpoint(self.directory.model_path)
        model = build_model(checkpoint, device=self.trainer.machine.device)
        try:
            loss = judge(model, self.held_out, self.text.tokenizer.begins, self._go_on)
        except InterruptedError:  # all is saved; the run keeps its last estimate
            return
        training = dataclasses.replace(
            checkpoint.training,
            validation_nats_per_char=loss.nats_per_char,
            validation_characters=loss.characters,
        )
        self.directory.save_model(dataclasses.replace(checkpoint, training=training))
        yield Evaluated(
            step=checkpoint.training.steps,
            progress=1.0,
            loss=loss,
            best=True,
            final=True,
            elapsed_s=self.trainer.meter.elapsed_s(),
        )

    def _go_on(self, characters: int) -> None:
        """Called while the model is judged: a signal is heard there too."""
        if self.trainer.asked_to_stop is not None:
            raise InterruptedError

    @property
    def held_out(self) -> NDArray[np.unsignedinteger[Any]]:
        """The ids that validate."""
        return self.trainer.held_out

    def _save_model(self, loss: Loss) -> Saved:
        at, text = self.trainer.position, self.text
        training = TrainingRecord(
            corpus=text.name,
            characters=len(text.ids),
            sha256=text.sha256,
            encoding=self.plan.config.text.encoding,
            train_start=self.split.train[0],
            train_stop=self.split.train[1],
            validation_start=self.split.validation[0],
            validation_stop=self.split.validation[1],
            test_start=self.split.test[0],
            test_stop=self.split.test[1],
            steps=at.step,
            epochs=at.characters / len(self.trainer.streams.ids),
            seconds=self.trainer.meter.elapsed_s(),
            seed=self.plan.config.seed,
            validation_nats_per_char=loss.nats_per_char if loss.characters else None,
            validation_characters=loss.characters,
        )
        self.directory.save_model(
            checkpoint_of(self.trainer.model, text.tokenizer, training)
        )
        return Saved(step=at.step, path=self.directory.model_path, what="model")

    def _save_state(self) -> Saved:
        self.directory.save_state(*snapshot(self.trainer))
        self._saved_at_s = time.monotonic()
        step = self.trainer.position.step
        return Saved(step=step, path=self.directory.state_path, what="state")

    def _preview(self) -> Wrote:
        writer = Writer(self.trainer.model, self.text.tokenizer)
        line = first_line(writer, "", PREVIEW_LENGTH, PREVIEW)
        return Wrote(step=self.trainer.position.step, text=line)


def judge(
    model: CharModel,
    held_out: NDArray[np.unsignedinteger[Any]],
    begins: NDArray[np.bool_] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loss:
    """The loss of a finished model: exact where that takes seconds."""
    if len(held_out) <= EXACT_LIMIT:
        return evaluate(model, held_out, begins=begins, progress=progress)
    streams = min(MOST_STREAMS, len(held_out) // LONG_STREAM)
    return estimate(model, held_out, streams=streams, warm_up=256, begins=begins)


def judging_seconds(characters: int, read_per_second: float) -> float:
    """
    How long `judge` will take, with a third to spare.

    Args:
        characters: Of the held-out text.
        read_per_second: Characters a second of a single stream; side by side, many
            streams are several times as fast, as little as three times on a CPU.
    """
    seconds = characters / read_per_second
    return (seconds if characters <= EXACT_LIMIT else seconds / 3) * 4 / 3


def _record(event: Event) -> dict[str, Any]:
    """An event as a line of the metrics."""
    record: dict[str, Any] = {"event": type(event).__name__}
    for name in (field.name for field in dataclasses.fields(event)):
        value = getattr(event, name)
        if isinstance(value, Loss):
            record["nats_per_char"] = value.nats_per_char
            record["characters"] = value.characters
        elif isinstance(value, Path):
            record[name] = value.name
        else:
            record[name] = value
    return record
