"""`textgen compare`: what the gates of an LSTM buy, measured on a text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import (
    AsJson,
    Debug,
    Device,
    Quiet,
    Threads,
    option,
    print_json,
)

if TYPE_CHECKING:
    from lstm_textgen.compare.design import CompareConfig
    from lstm_textgen.compare.results import StudyResult
    from lstm_textgen.compare.study import StudyText
    from lstm_textgen.training.machine import Machine


EXIT_CODES = {"interrupted": 130, "terminated": 143, "hung up": 129}


def compare(
    corpus: Annotated[
        list[str],
        typer.Argument(help="Files, folders, patterns, - for stdin, or a corpus name."),
    ],
    output: Annotated[
        Path | None,
        option("--output", "-o", help="Folder.", default="comparisons/NAME"),
    ] = None,
    cells: Annotated[
        str | None, option("--cells", help="Which.", default="lstm,gru,rnn")
    ] = None,
    minutes: Annotated[
        float | None,
        option("--minutes", help="About how long.", default="60, with --quick 3"),
    ] = None,
    quick: Annotated[
        bool, option("--quick", help="A first picture: one seed, two recall tasks.")
    ] = False,
    tasks: Annotated[
        str | None,
        option(
            "--tasks",
            help="agreement, bracket, copy, adding, or none.",
            default="all, with --quick agreement,copy",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        option("--seeds", help="Networks of each cell.", default="3, with --quick 1"),
    ] = None,
    hidden: Annotated[
        int | None,
        option("--hidden", help="Units of the LSTM.", default="128, with --quick 96"),
    ] = None,
    svg: Annotated[bool, option("--svg", help="Every plot as a picture too.")] = False,
    png: Annotated[
        bool, option("--png", help="The same as PNG; needs the extra plot.")
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen compare fables --quick
    textgen compare book.txt --minutes 90
    textgen compare book.txt --cells rnn,lstm --tasks agreement,copy -o out

    Train LSTM, GRU and classic RNN on equal terms, and measure what each remembers:
    loss, how far gradients reach, how much context helps, and recall over a
    distance. The figures go to stdout; the folder gets report.html and results.json.
    Ctrl-C keeps what is done, and the same command goes on.
    """
    from lstm_textgen.compare.png import check_plot
    from lstm_textgen.compare.study import COMPARISONS, open_folder

    given = {"minutes": minutes, "seeds": seeds, "hidden": hidden}
    wishes = _wishes(quick, _listed(cells), _listed(tasks), given)
    if png:
        check_plot()
    subject, machine = _subject(corpus, device, threads, quiet)
    folder = output or COMPARISONS / subject.name
    with open_folder(folder) as drawer:
        found = _study(wishes, subject, machine, drawer, quiet)
        _save(folder, found, svg=svg, png=png)
    _show(folder, found, json, quiet)


def _listed(names: str | None) -> tuple[str, ...] | None:
    """`rnn, lstm` as its names; `none` as no name."""
    if names is None:
        return None
    listed = tuple(name.strip() for name in names.split(",") if name.strip())
    return () if listed == ("none",) else listed


def _wishes(
    quick: bool,
    cells: tuple[str, ...] | None,
    tasks: tuple[str, ...] | None,
    given: dict[str, Any],
) -> "CompareConfig":
    from dataclasses import replace

    from lstm_textgen.compare.design import QUICK, CompareConfig

    wanted = given | {"cells": cells, "tasks": tasks}
    set_by_user = {name: value for name, value in wanted.items() if value is not None}
    return replace(QUICK if quick else CompareConfig(), **set_by_user)


def _subject(
    corpus: list[str], device: str, threads: int | None, quiet: bool
) -> tuple["StudyText", "Machine"]:
    from lstm_textgen.compare.study import subject_of_text
    from lstm_textgen.config import TextConfig
    from lstm_textgen.paths import default_cache
    from lstm_textgen.text.encode import encode_source
    from lstm_textgen.text.source import find_source
    from lstm_textgen.training.machine import choose_machine
    from lstm_textgen.ui.progress import reading_bar

    source = find_source(resolve_names(corpus))
    machine = choose_machine(device, threads)
    with reading_bar(2 * source.size_bytes, quiet=quiet) as progress:
        text = encode_source(
            source, TextConfig(), cache=default_cache(), progress=progress
        )
    return subject_of_text(text), machine


def _study(
    wishes: "CompareConfig",
    subject: "StudyText",
    machine: "Machine",
    drawer: Any,
    quiet: bool,
) -> "StudyResult":
    """Everything that takes long, followed on stderr; it may be broken off."""
    import threading

    from lstm_textgen.compare.progress import StudyProgress, announce_study
    from lstm_textgen.compare.results import StudyResult
    from lstm_textgen.compare.study import missing_seconds, plan_for, study
    from lstm_textgen.signals import polite_signals
    from lstm_textgen.ui.terminal import say

    stop, reasons = threading.Event(), ["interrupted"]

    def ask_to_stop(reason: str) -> None:
        reasons[0] = reason
        stop.set()

    with polite_signals(ask_to_stop):
        plan = plan_for(wishes, subject, drawer, machine)
        if not quiet:
            announce_study(plan, subject, missing_seconds(plan, drawer))
        with StudyProgress(quiet=quiet) as progress:
            for event in study(plan, subject, drawer, stop):
                if isinstance(event, StudyResult):
                    return event
                progress.show(event)
    if not quiet:
        say(f"Stopped; what is done is kept in {drawer.folder.parent}.")
        say("Go on: run the same command again.")
    raise typer.Exit(EXIT_CODES.get(reasons[0], 1))


def _save(folder: Path, found: "StudyResult", *, svg: bool, png: bool) -> None:
    from lstm_textgen.compare.charts import all_charts, save_svg
    from lstm_textgen.compare.png import save_png
    from lstm_textgen.compare.report import page
    from lstm_textgen.compare.results import result_json
    from lstm_textgen.compare.study import save_report

    save_report(folder, result_json(found), page(found))
    for chart in all_charts(found):
        if svg and not chart.is_empty:
            save_svg(chart, folder)
        if png:
            save_png(chart, folder)


def _show(folder: Path, found: "StudyResult", json: bool, quiet: bool) -> None:
    from lstm_textgen.compare.findings import say_findings, show_result
    from lstm_textgen.compare.results import result_json
    from lstm_textgen.ui.terminal import say

    if json:
        print_json(result_json(found))
    else:
        show_result(found)
    if not quiet:
        say_findings(found)
        say(f"The plots: {folder / 'report.html'}")
