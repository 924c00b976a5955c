"""
A training run as people see it: announced, followed, summed up. All on stderr.

On a terminal there is a bar and, above it, a line for each evaluation and for what the
model generates; elsewhere only such lines, now and then.
"""

import sys
from datetime import datetime, timedelta
from typing import Any

from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import ModelConfig
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.signals import BY_SIGNAL, StopReason
from lstm_textgen.training.events import (
    Calibrated,
    Evaluated,
    Event,
    Resumed,
    Sampled,
    Saved,
    SetBack,
    StepDone,
    StepSkipped,
    Stopped,
    Warned,
)
from lstm_textgen.training.overrides import in_words
from lstm_textgen.training.prepare import Run
from lstm_textgen.ui.model_facts import CELL_NAMES, clock, meaning
from lstm_textgen.ui.progress import RunBar
from lstm_textgen.ui.terminal import sanitize, say, wants_color

MANY_CHARACTERS = 1000
"""Below this a vocabulary is no burden."""

DIM, PLAIN = "\x1b[2m", "\x1b[0m"


def announce(run: Run) -> None:
    """Say what the run will be, before it begins."""
    spec, plan, text = run.spec, run.plan, run.text
    config, model = spec.config, spec.config.model
    vocabulary = text.tokenizer.size
    parameters = parameter_count(model, vocabulary)
    for note in text.notes:
        say(f"note: {note}")
    if crowded := _crowded(model, vocabulary, parameters):
        say(f"note: {crowded}")
    unit = "bytes" if config.text.tokenizer == "byte" else "characters"
    held_out = spec.split.validation[1] - spec.split.validation[0]
    calibrating = spec.calibration[1] - spec.calibration[0]
    say(
        f"text     {text.name}: {len(text.ids):,} {unit}, {vocabulary} "
        f"different; the last {held_out:,} validate"
        + (f", {calibrating:,} calibrate" if calibrating else "")
    )
    layers = f"{model.layers} layer{'s' if model.layers > 1 else ''}"
    say(
        f"model    {CELL_NAMES[model.cell]}, {layers} of {model.hidden} units, "
        f"{parameters:,} parameters"
    )
    speed = (
        f"; about {plan.characters_per_second:,.0f} characters a second" if plan else ""
    )
    say(f"machine  {run.machine.describe()}{speed}")
    learning = config.optimizer
    say(
        f"learning {learning.streams} streams, windows of {learning.window}, "
        f"rate {learning.learning_rate:.3g}, dropout {learning.dropout:g}"
        + (f", weight drop {learning.weight_drop:g}" if learning.weight_drop else "")
    )
    chosen = (
        f" ({', '.join(plan.chosen)} chosen for you)" if plan and plan.chosen else ""
    )
    say(
        f"budget   {in_words(config.budget)}, about {spec.expected_epochs:.1f} epochs"
        f"{f'; done {_end(plan.seconds)}' if plan else ''}{chosen}"
    )
    say(f"run      {run.directory.path}{', which goes on' if run.resumes else ''}")


def _crowded(model: ModelConfig, vocabulary: int, parameters: int) -> str | None:
    """A note where the characters, not the layers, make the model large."""
    share = vocabulary * (model.embedding + model.hidden + 1) / parameters
    if share < 0.5 or vocabulary < MANY_CHARACTERS:
        return None
    return (
        f"{share:.0%} of the parameters belong to the {vocabulary:,} different "
        "characters; --min-count 5 folds rare ones, --tokenizer byte needs none"
    )


class RunView(RunBar):
    """Follows a training run, event by event."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__("first step ...", quiet=quiet)

    def show(self, event: Event) -> None:
        """Draw one event."""
        first = not isinstance(event, StepSkipped) or event.in_a_row == 1
        if isinstance(event, StepSkipped | SetBack | Warned) and first:
            self.print_line(f"warning: {sanitize(_trouble(event))}")
        if self.quiet:
            return
        if isinstance(event, Resumed):
            self.print_line(
                f"{event.progress:4.0%}  step {event.step:,}: going on here"
            )
        if isinstance(event, StepDone):
            prefix = f"step {event.step:,}, "
            self.advance(event.progress, _step_text(event), prefix)
        if isinstance(event, Evaluated) and event.loss.characters:
            self.print_line(_evaluated(event))
        if isinstance(event, Calibrated):
            self.print_line(_calibrated(event))
        if isinstance(event, Sampled):
            self.print_line(f"        {_dim(sanitize(event.text))}")
        if isinstance(event, Saved) and event.asked:
            self.print_line(f"        saved at step {event.step:,}, as asked")


def _dim(text: str) -> str:
    return f"{DIM}{text}{PLAIN}" if wants_color(sys.stderr) else text


class RunSummary:
    """What is left to say of a run when it is over."""

    def __init__(self, run: Run) -> None:
        self.model_path = run.directory.model_path
        self.loss: Loss | None = None
        self.stopped: Stopped | None = None

    def add(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, Evaluated) and event.best and event.loss.characters:
            self.loss = event.loss
        if isinstance(event, Stopped):
            self.stopped = event

    @property
    def stopped_by(self) -> StopReason | None:
        return self.stopped.reason if self.stopped else None

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` promises."""
        stopped = self.stopped
        assert stopped is not None, "a run that ended tells how"
        return {
            "checkpoint": str(self.model_path),
            "validation_nats_per_char": self.loss and self.loss.nats_per_char,
            "characters_per_second": stopped.characters / stopped.elapsed_s,
            "elapsed_s": stopped.elapsed_s,
            "steps": stopped.step,
            "epochs": stopped.epochs,
            "stopped_by": stopped.reason,
        }


def sum_up(run: Run, summary: RunSummary) -> None:
    """Say how it went, what the loss means, and what to do next."""
    path, stopped, loss = run.directory.path, summary.stopped, summary.loss
    if stopped is None:
        return
    if stopped.reason in BY_SIGNAL:
        say(f"Stopped at step {stopped.step:,}; everything is saved in {path}.")
        say(f"Go on: run the same command with -o {path} --resume")
        return
    if stopped.reason == "no improvement":
        say("Stopped early: the held-out text has long stopped getting easier.")
    if loss is not None:
        say(meaning(loss, run.text.tokenizer.size))
    say(f"Let it write: textgen sample {path}")


def _end(seconds: float) -> str:
    """When that will be: the time of a near day, else how many days from now."""
    days = seconds / 86_400
    if days > 300:
        return f"in about {days:,.0f} days"
    end = datetime.now() + timedelta(seconds=seconds)
    today = end.date() == datetime.now().date()
    return f"at about {end:%H:%M}" if today else f"at about {end:%H:%M on %d %B}"


def _step_text(event: StepDone) -> str:
    left_s = event.elapsed_s / max(event.progress, 1e-6) - event.elapsed_s
    left = f", {clock(left_s)} left" if event.progress > 0.01 else ""
    return (
        f"loss {event.loss.nats_per_char:.3f} nats "
        f"({event.loss.bits_per_char:.2f} bits), "
        f"{event.characters_per_second:,.0f} characters/s{left}"
    )


def _trouble(event: StepSkipped | SetBack | Warned) -> str:
    """What went wrong, and what was done about it."""
    if isinstance(event, Warned):
        return event.text
    if isinstance(event, StepSkipped):
        return f"step {event.step:,} gave no finite gradient and was not applied"
    return (
        f"{event.reason} Going on from step {event.step:,} with half the rate, "
        f"{event.learning_rate:.3g}."
    )


def _evaluated(event: Evaluated) -> str:
    loss = f"{event.loss.nats_per_char:.4f} nats ({event.loss.bits_per_char:.3f} bits)"
    if event.final:
        return f"100%  the best model on all held-out text: {loss} per character"
    mark = "best so far" if event.best else "not better"
    return f"{event.progress:4.0%}  step {event.step:,}: held-out {loss}, {mark}"


def _calibrated(event: Calibrated) -> str:
    unsure = event.temperature < 1
    more = "as" if abs(event.temperature - 1) < 0.005 else "less" if unsure else "more"
    than = "as" if more == "as" else "than"
    divided = f"logits divided by {event.temperature:.3f}"
    return f"100%  the best model was {more} sure {than} it was right: {divided}"
