"""
A prepared run, trained: opened in its folder, saved, resumed, finished.

    run = prepare_run(source, overrides, machine)
    with open_run(run, started_s=time.monotonic()) as events:
        for event in events:
            ...

Here the loop meets the disk: the best model is saved, a state for resuming is saved
every now and then, and every event goes into the metrics.
"""

import contextlib
import dataclasses
import time
from collections.abc import Generator, Iterator

from lstm_textgen.checkpoint.format import load_checkpoint, read_header
from lstm_textgen.config import CADENCE, Cadence, SampleConfig
from lstm_textgen.errors import DivergedError
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.model.machine import explain_out_of_memory
from lstm_textgen.runs.metrics import MetricsLog
from lstm_textgen.sampling.writer import Writer, single_line
from lstm_textgen.signals import BY_SIGNAL, polite_signals
from lstm_textgen.training.events import (
    Calibrated,
    Evaluated,
    Event,
    Resumed,
    Sampled,
    Saved,
    SetBack,
    StepDone,
    Stopped,
    Warned,
    to_record,
)
from lstm_textgen.training.finish import checkpoint_of, finish, reserved_seconds
from lstm_textgen.training.loop import Control, Loop, stopped
from lstm_textgen.training.prepare import Run
from lstm_textgen.training.schedule import Meter
from lstm_textgen.training.state import (
    Position,
    RunState,
    change_text,
    resumed,
    set_back,
    start,
    with_final_loss,
)

MAX_SETBACKS = 3
"""Times that a run that diverged is set back and tried at half the rate."""

PREVIEW = SampleConfig(temperature=0.7, seed=1)

PREVIEW_LENGTH = 70


@contextlib.contextmanager
def open_run(
    run: Run,
    *,
    started_s: float,
    cadence: Cadence = CADENCE,
    control: Control | None = None,
) -> Iterator[Iterator[Event]]:
    """
    Lock the folder of a run, making it for a new one, and load the saved state.

    Args:
        run: From `prepare_run`.
        started_s: When the clock of this process began to count, by `time.monotonic`.
        cadence: How often to report, evaluate and save.
        control: Requests to stop or to save, besides those of signals.

    Yields:
        The run's events; taking them trains it. They raise

        - DivergedError: training diverged again and again; the best model is kept;
        - ConfigError: there is not enough memory for these settings;
        - StorageError: the disk is full or fails; what was saved before is whole.

    Raises:
        BusyError: Another process trains in this folder.
        OutputError: It cannot be created.
        CheckpointError: No saved state is whole, or it is that of another run.
        ConfigError: There is not enough memory for the first state.
    """
    with run.directory.lock():
        if not run.resumes:
            run.directory.begin(run.spec.to_json())
        log = MetricsLog(run.directory.metrics_path)
        state, warnings = _first_state(run, log)
        meter = Meter(
            run.spec.config.budget,
            ticks=run.data.streams.ticks,
            started_s=started_s,
            spent_s=state.position.spent_s,
            reserve_s=reserved_seconds(run.spec),
        )
        training = _Training(run, meter, log, cadence, control or Control())
        with contextlib.closing(training.events(state, warnings)) as events:
            yield events


def _first_state(run: Run, log: MetricsLog) -> tuple[RunState, list[str]]:
    """The state that the run begins or resumes from, and warnings."""
    loaded = _load_state(run) if run.resumes else None
    if loaded is None:
        config, vocabulary = run.spec.config, run.text.tokenizer.size
        with explain_out_of_memory(config.model, config.optimizer):
            state = start(run.spec, vocabulary=vocabulary, machine=run.machine)
        warnings = ["nothing was saved yet: starting from the beginning"] * run.resumes
    else:
        state, warnings = loaded
    if run.resumes:
        log.truncate(state.position.step, state.log_lines)
    if run.changes_text:
        warnings.append(
            "the text is another one: a new epoch of it begins, and the best model "
            "so far will be replaced"
        )
        state = change_text(run.spec, state)
        for _ in range(2):  # the previous state has positions in the old text
            run.directory.save_state(*state.to_arrays())
        run.directory.save_settings(run.spec.to_json())
    return state, warnings


def _load_state(run: Run) -> tuple[RunState, list[str]] | None:
    """
    The saved state, and warnings; None if none is saved.

    Raises:
        CheckpointError: None is whole, or it is that of another run.
    """
    loaded = run.directory.load_state()
    if loaded is None:
        return None
    arrays, metadata, fell_back = loaded
    vocabulary = run.text.tokenizer.size
    saved = RunState.from_arrays(arrays, metadata, run.spec, vocabulary=vocabulary)
    state, differences = resumed(run.spec, saved, run.machine)
    warnings = []
    if fell_back:
        warnings.append("the newest state is damaged: going on from the one before")
    if differences:
        warnings.append(
            f"{'; '.join(differences)}: the end will be near that of a run "
            "without a stop, but not bit for bit the same"
        )
    return state, warnings


class _Training:
    """
    A run whose folder is locked: drives the loop, saves, and writes the metrics.

    Four generators of events stand one around the other: `Loop.events` trains,
    `_with_saves` saves models and states and adds samples, `_with_setbacks` starts the
    loop again where it diverges, and `events` adds warnings, handles signals and
    writes the metrics.
    """

    def __init__(
        self,
        run: Run,
        meter: Meter,
        log: MetricsLog,
        cadence: Cadence,
        control: Control,
    ) -> None:
        self._run = run
        self._meter = meter
        self._log = log
        self._cadence = cadence
        self._control = control
        self._saved_at_s = time.monotonic()

    def events(self, state: RunState, warnings: list[str]) -> Generator[Event]:
        """Train until the budget is used or a signal comes, and save."""
        run, at = self._run, state.position
        progress = self._meter.progress(at.step)
        if progress >= 1 and not run.resumes:
            warnings.append(
                "the start took all of the budget, so that nothing can be learned; "
                "give it more --minutes"
            )
        for text in warnings:
            yield Warned(step=at.step, text=text)
        if at.final_nats is not None and run.directory.model_path.exists():
            # nothing is left to do: no network is built and no file changes
            yield from self._finished(at)
            yield stopped(at, at.over or "budget", run.data, self._meter)
            return
        if run.resumes:
            yield Resumed(step=at.step, progress=progress)
        config = run.spec.config
        with (
            polite_signals(self._control.ask_to_stop, self._control.ask_to_save),
            explain_out_of_memory(config.model, config.optimizer),
        ):
            for event in self._with_setbacks(state):
                warning = self._log.add(to_record(event))
                yield event
                if warning is not None:
                    yield Warned(step=event.step, text=warning)

    def _with_setbacks(self, state: RunState) -> Iterator[Event]:
        """Follow the loop to its end; set it back where it diverges."""
        loop = self._loop(state)
        if loop.position.step == 0:
            yield self._save_state(self._state(loop))  # does the disk take it?
        while True:
            try:
                yield from self._with_saves(loop)
                return
            except DivergedError as error:
                failed = loop.position
                loop = self._loop(self._set_back(failed, error))
                at = loop.position
                peak_rate = self._run.spec.config.optimizer.learning_rate
                yield SetBack(
                    step=at.step,
                    from_step=failed.step,
                    learning_rate=at.reduced_rate(peak_rate),
                    reason=error.problem,
                )
                yield self._save_state(self._state(loop))

    def _loop(self, state: RunState) -> Loop:
        return Loop(
            self._run.spec,
            state,
            self._run.data,
            self._run.machine,
            meter=self._meter,
            control=self._control,
            cadence=self._cadence,
        )

    def _set_back(self, failed: Position, error: DivergedError) -> RunState:
        """
        The last saved state, to continue from at half the rate.

        Raises:
            DivergedError: No state is saved, or the run was set back too often.
        """
        loaded = _load_state(self._run)
        if failed.setbacks >= MAX_SETBACKS or loaded is None:
            path = self._run.directory.model_path
            if not path.exists():
                raise error
            remedy = f"{error.remedy} The best model so far is {path}."
            raise DivergedError(error.problem, remedy) from error
        state = set_back(loaded[0], failed)
        self._log.truncate(state.position.step, state.log_lines)
        return state

    def _with_saves(self, loop: Loop) -> Iterator[Event]:
        """Train, and save what is to be saved after each event."""
        for event in loop.events():
            if isinstance(event, Stopped):
                yield from self._end(loop, event)
                asked = self._control.stop  # perhaps while the model was finished
                yield dataclasses.replace(event, reason=asked or event.reason)
                return
            yield event
            if isinstance(event, Evaluated):
                if event.best:
                    yield self._save_model(self._state(loop), event.loss)
                yield self._sample(loop)
                if event.best:
                    yield self._save_state(self._state(loop))  # knows of this best
            # after other events a loss is in a sum that no state knows of
            if isinstance(event, StepDone | Evaluated) and self._is_due(loop):
                yield self._save_state(self._state(loop))

    def _is_due(self, loop: Loop) -> bool:
        """Whether to save a state now: asked for, or the next chance is too late."""
        next_s = time.monotonic() - self._saved_at_s + loop.seconds_to_next_report()
        return self._control.save or next_s > self._cadence.save_every_s

    def _end(self, loop: Loop, event: Stopped) -> Iterator[Event]:
        """Save what is left; after a whole run, finish the best model."""
        directory, data = self._run.directory, self._run.data
        if not directory.model_path.exists():
            yield self._save_model(self._state(loop), Loss(0.0, 0))
        yield self._save_state(self._state(loop))
        if event.reason in BY_SIGNAL:
            return
        best = load_checkpoint(directory.model_path)
        try:
            model, loss = finish(
                best,
                data,
                device=self._run.machine.device,
                check_interrupt=self._control.check_interrupt,
            )
        except InterruptedError:  # all is saved; the run keeps its last estimate
            return
        if model is not best:
            directory.save_model(model)
        state = with_final_loss(self._state(loop), loss)
        yield from self._finished(state.position)
        yield self._save_state(state)  # which knows that nothing is left

    def _finished(self, at: Position) -> Iterator[Calibrated | Evaluated]:
        """Report what the finished model came to."""
        best = read_header(self._run.directory.model_path).training
        if best.temperature is not None:
            yield Calibrated(step=best.steps, temperature=best.temperature)
        if at.final_nats is not None and at.final_characters:
            yield Evaluated(
                step=best.steps,
                progress=1.0,
                loss=Loss(at.final_nats, at.final_characters),
                best=True,
                final=True,
                elapsed_s=self._meter.elapsed_s(),
            )

    def _state(self, loop: Loop) -> RunState:
        return loop.state(log_lines=self._log.lines)

    def _save_model(self, state: RunState, loss: Loss) -> Saved:
        run, path = self._run, self._run.directory.model_path
        run.directory.save_model(checkpoint_of(run.spec, state, run.text, loss))
        return Saved(step=state.position.step, path=path, what="model")

    def _save_state(self, state: RunState) -> Saved:
        self._log.sync()  # it is never behind the state
        directory = self._run.directory
        directory.save_state(*state.to_arrays())
        self._saved_at_s = time.monotonic()
        step, asked = state.position.step, self._control.take_save()
        return Saved(step=step, path=directory.state_path, what="state", asked=asked)

    def _sample(self, loop: Loop) -> Sampled:
        writer = Writer(loop.network, self._run.text.tokenizer)
        line = single_line(writer, "", PREVIEW_LENGTH, PREVIEW)
        return Sampled(step=loop.position.step, text=line)
