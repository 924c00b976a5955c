"""A comparison while it goes on: announced, followed, on stderr."""

import sys
import time
from typing import NoReturn

from tqdm import tqdm

from lstm_textgen.compare.design import StudyDesign
from lstm_textgen.compare.study import PieceDone, StudyText
from lstm_textgen.ui.model_facts import CELL_NAMES, clock
from lstm_textgen.ui.run_view import LINE_EVERY_S
from lstm_textgen.ui.terminal import say

BAR = "{percentage:3.0f}%|{bar:10}| {desc}"


def announce_study(plan: StudyDesign, subject: StudyText, seconds: float) -> None:
    """Say what will be trained, on which terms, and how long it takes."""
    say(
        f"text     {subject.name}: {subject.characters:,} characters; the last "
        f"{len(subject.material.held_out):,} judge"
    )
    for each in plan.cells:
        say(
            f"{each.cell:8} {each.text.hidden} units, {each.recurrent_parameters:,} "
            f"recurrent parameters; {each.kernel}; {each.text_speed:,.0f} "
            "characters a second"
        )
    seeds = "1 seed" if plan.seeds == 1 else f"{plan.seeds} seeds"
    tasks = ", ".join(f"{task.name} {task.steps:,}" for task in plan.tasks)
    rates = "3 to 5 learning rates tried"
    say(f"terms    {rates}, {seeds}, {plan.text_steps:,} steps on the text")
    if tasks:
        say(f"tasks    steps: {tasks}")
    say(
        f"time     about {_about(seconds)} on {plan.workers} "
        f"core{'s' if plan.workers > 1 else ''}; Ctrl-C keeps what is done"
    )


def _about(seconds: float) -> str:
    if seconds < 100:
        return f"{max(2, round(seconds))} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


class StudyProgress:
    """Follows a comparison, piece by piece. Use it as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: tqdm[NoReturn] | None = None
        self._line_at_s = -LINE_EVERY_S

    def __enter__(self) -> "StudyProgress":
        if sys.stderr.isatty() and not self._quiet:
            self._bar = tqdm(
                total=1.0, bar_format=BAR, dynamic_ncols=True, file=sys.stderr
            )
            self._bar.set_description_str("first network ...")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, event: PieceDone) -> None:
        """Draw one piece."""
        if self._quiet:
            return
        words = f"{_named(event.label)}, {clock(event.left_s)} left"
        if self._bar is not None:
            self._bar.n = round(event.progress, 4)
            self._bar.set_description_str(words)
        elif time.monotonic() - self._line_at_s >= LINE_EVERY_S:
            self._line_at_s = time.monotonic()
            say(f"{event.progress:4.0%}  {words}")


def _named(label: str) -> str:
    """`text-lstm-rate0.003-seed1` in words."""
    subject, cell, rate, seed = label.split("-", 3)
    return (
        f"{subject}, {CELL_NAMES[cell]}, rate {rate.removeprefix('rate')}, "
        f"seed {seed.removeprefix('seed')}"
    )
