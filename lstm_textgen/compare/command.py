"""`textgen compare`: what the gates of an LSTM buy, measured on a text."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstm_textgen.errors import ConfigError
from lstm_textgen.signals import StopReason, polite_signals
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import (
    AsJson,
    CorpusArgument,
    Debug,
    Device,
    Quiet,
    Threads,
    option,
    print_json,
)

if TYPE_CHECKING:
    from lstm_textgen.compare.design import CompareConfig
    from lstm_textgen.compare.experiments import ResultStore
    from lstm_textgen.compare.measure import StudyText
    from lstm_textgen.compare.results import StudyResult
    from lstm_textgen.model.machine import Machine

EXIT_CODES: dict[StopReason, int] = {
    "interrupted": 130,
    "terminated": 143,
    "hung up": 129,
}


def _refuse_png(is_given: bool) -> None:
    if is_given:
        raise ConfigError(
            "--png is gone: plots are drawn as SVG.", "Use --svg instead."
        )


def compare(
    corpus: CorpusArgument,
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
        bool, option("--png", help="No more.", hidden=True, callback=_refuse_png)
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
    from lstm_textgen.compare.design import QUICK, CompareConfig
    from lstm_textgen.compare.report import save_report
    from lstm_textgen.compare.study import STUDIES, open_folder
    from lstm_textgen.compare.view import say_findings, show_result
    from lstm_textgen.ui.terminal import say

    default = QUICK if quick else CompareConfig()
    config = CompareConfig(
        cells=default.cells if cells is None else _names(cells),  # type: ignore[arg-type]
        tasks=default.tasks if tasks is None else _names(tasks),
        minutes=default.minutes if minutes is None else minutes,
        seeds=default.seeds if seeds is None else seeds,
        hidden=default.hidden if hidden is None else hidden,
    )
    text, machine = _load(corpus, device, threads, quiet)
    folder = output or STUDIES / text.name
    with open_folder(folder) as store:
        result = _run(config, text, machine, store, quiet)
        save_report(folder, result, svg=svg)
    if json:
        print_json(result.to_json())
    else:
        show_result(result)
    if not quiet:
        say_findings(result)
        say(f"The plots: {folder / 'report.html'}")


def _names(listed: str) -> tuple[str, ...]:
    """`rnn, lstm` as its names; `none` as no name."""
    names = tuple(name.strip() for name in listed.split(",") if name.strip())
    return () if names == ("none",) else names


def _load(
    corpus: list[str], device: str, threads: int | None, quiet: bool
) -> tuple["StudyText", "Machine"]:
    from lstm_textgen.compare.study import split_study_text
    from lstm_textgen.config import TextConfig
    from lstm_textgen.model.machine import choose_machine
    from lstm_textgen.paths import default_cache
    from lstm_textgen.text.encode import encode_source
    from lstm_textgen.text.source import find_source
    from lstm_textgen.ui.progress import reading_bar

    source = find_source(resolve_names(corpus))
    machine = choose_machine(device, threads)
    with reading_bar(2 * source.size_bytes, quiet=quiet) as progress:
        text = encode_source(
            source, TextConfig(), cache=default_cache(), progress=progress
        )
    return split_study_text(text), machine


def _run(
    config: "CompareConfig",
    text: "StudyText",
    machine: "Machine",
    store: "ResultStore",
    quiet: bool,
) -> "StudyResult":
    """Everything that takes long, followed on stderr; a signal stops it."""
    from lstm_textgen.compare.results import StudyResult
    from lstm_textgen.compare.study import load_design, missing_seconds, run_study
    from lstm_textgen.compare.view import announce_study, progress_text
    from lstm_textgen.ui.progress import RunBar
    from lstm_textgen.ui.terminal import say

    stop = threading.Event()
    reasons: list[StopReason] = []

    def ask_to_stop(reason: StopReason) -> None:
        reasons.append(reason)
        stop.set()

    with polite_signals(ask_to_stop):
        design = load_design(config, text, store, machine)
        if not quiet:
            announce_study(design, text, missing_seconds(design, store))
        with RunBar("first network ...", quiet=quiet) as bar:
            for event in run_study(design, text, store, stop):
                if isinstance(event, StudyResult):
                    return event
                bar.advance(event.progress, progress_text(event))
    if not quiet:
        say(f"Stopped; what is done is kept in {store.folder.parent}.")
        say("Go on: run the same command again.")
    raise typer.Exit(EXIT_CODES[reasons[0]])
