"""Which charts a comparison becomes."""

from lstm_textgen.insight.compare.results import (
    CellOnTask,
    CellOnText,
    Comparison,
    Curve,
    OnTask,
)
from lstm_textgen.report.compare.chart import Chart, Line
from lstm_textgen.report.training import NAMES

VANISHED = 1e-7
"""Share of the gradient at k = 1 below which nothing is drawn."""


def learning_charts(found: Comparison) -> list[Chart]:
    """Nats per character over what was read, and over the time that it took."""
    return [
        Chart(
            name="learning-by-characters",
            title="Held-out loss by characters read",
            x_label="characters read",
            y_label="nats per character",
            lines=_lines(found.texts, "by_characters"),
        ),
        Chart(
            name="learning-by-seconds",
            title="Held-out loss by seconds of training",
            x_label="seconds of training",
            y_label="nats per character",
            lines=_lines(found.texts, "by_seconds"),
        ),
    ]


def reach_charts(found: Comparison) -> list[Chart]:
    """How much of the gradient is left k characters back."""
    return [
        Chart(
            name=f"gradient-reach-{when}",
            title=f"Gradient reach, {when}",
            x_label="k, characters back",
            y_label="gradient, as a share of k = 1",
            lines=tuple(_reach(each, when) for each in found.texts),
            y_log=True,
            y_range=(VANISHED, 10.0),
            baseline=0.01,
            baseline_name="1 %",
        )
        for when in ("untrained", "trained")
    ]


def context_chart(found: Comparison) -> Chart:
    """What it helps to be given more."""
    return Chart(
        name="useful-context",
        title="Loss when only the last k characters are given",
        x_label="k, characters given",
        y_label="nats per character",
        lines=_lines(found.texts, "context"),
        x_log=True,
    )


def task_chart(task: OnTask) -> Chart:
    """Right answers over distance."""
    return Chart(
        name=f"recall-{task.name}",
        title=task.title.capitalize(),
        x_label="distance, characters",
        y_label="right answers",
        lines=tuple(_line(cell, cell.accuracy) for cell in task.cells),
        x_log=True,
        y_range=(0.0, 1.04),
        share=True,
        baseline=task.baseline,
        baseline_name="without memory",
    )


def all_charts(found: Comparison) -> list[Chart]:
    """Every chart, in the order of the page."""
    return [
        *(task_chart(task) for task in found.tasks),
        *reach_charts(found),
        context_chart(found),
        *learning_charts(found),
    ]


def _lines(texts: tuple[CellOnText, ...], name: str) -> tuple[Line, ...]:
    return tuple(_line(each, getattr(each, name)) for each in texts)


def _line(each: CellOnText | CellOnTask, curve: Curve) -> Line:
    return Line(
        cell=each.cell,
        name=NAMES[each.cell],
        x=curve.x if curve.y else (),
        y=tuple(curve.mean()),
        low=tuple(curve.low()),
        high=tuple(curve.high()),
    )


def _reach(each: CellOnText, when: str) -> Line:
    """From k = 1 on, each seed as a share of its own k = 1, as far as it is seen."""
    curve: Curve = getattr(each, when)
    rows = [[norm / row[1] for norm in row[1:]] for row in curve.y if row[1] > 0]
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    seen = max((k for k, mean in enumerate(means) if mean >= VANISHED), default=0) + 2
    return _line(
        each,
        Curve(x=curve.x[1:][:seen], y=tuple(tuple(row[:seen]) for row in rows)),
    )
