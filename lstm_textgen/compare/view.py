"""A comparison on a terminal: announced, followed, and its figures and findings."""

from collections.abc import Sequence

from rich.text import Text

from lstm_textgen.compare.design import StudyDesign
from lstm_textgen.compare.findings import cautions, finding_sentences, table_sections
from lstm_textgen.compare.measure import StudyText
from lstm_textgen.compare.results import StudyResult
from lstm_textgen.compare.study import ExperimentDone
from lstm_textgen.ui.model_facts import CELL_NAMES, clock
from lstm_textgen.ui.table import Column, bold, print_table
from lstm_textgen.ui.terminal import say


def announce_study(design: StudyDesign, text: StudyText, seconds: float) -> None:
    """Say what will be trained, on which terms, and how long it takes."""
    say(
        f"text     {text.name}: {text.characters:,} characters; the last "
        f"{len(text.held_out):,} judge"
    )
    for planned in design.cells:
        say(
            f"{planned.cell:8} {planned.terms.hidden} units, "
            f"{planned.terms.recurrent_parameters:,} recurrent parameters; "
            f"{planned.terms.kernel}; {planned.text_speed:,.0f} characters a second"
        )
    seeds = "1 seed" if design.seeds == 1 else f"{design.seeds} seeds"
    rates = "3 to 5 learning rates tried"
    say(f"terms    {rates}, {seeds}, {design.text_steps:,} steps on the text")
    if design.tasks:
        steps = ", ".join(f"{task.name} {task.steps:,}" for task in design.tasks)
        say(f"tasks    steps: {steps}")
    say(
        f"time     about {_duration(seconds)} on {design.workers} "
        f"core{'s' if design.workers > 1 else ''}; Ctrl-C keeps what is done"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(2, round(seconds))} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


def progress_text(event: ExperimentDone) -> str:
    """Which network is done, and how long the remaining ones take."""
    experiment = event.experiment
    return (
        f"{experiment.subject}, {CELL_NAMES[experiment.cell]}, "
        f"rate {experiment.rate:g}, seed {experiment.seed}, {clock(event.left_s)} left"
    )


def show_result(result: StudyResult) -> None:
    """Print the table on stdout, one column for each cell."""
    names = [CELL_NAMES[terms.cell] for terms in result.terms]
    rows: list[Sequence[str | Text]] = []
    for section in table_sections(result):
        if section.title:
            rows.append([bold(section.title)])
        indent = "  " if section.title else ""
        rows += [(indent + name, *figures) for name, figures in section.rows]
    columns = [Column(wraps=False)]
    columns += [Column(name, figures=True, wraps=False) for name in names]
    print_table(rows, columns)


def say_findings(result: StudyResult) -> None:
    """The sentences that follow from the figures, on stderr."""
    for sentence in finding_sentences(result):
        say(sentence)
    for caution in cautions(result):
        say(f"note: {caution}")
