"""
A comparison from a text to its results: designed, trained, measured, put together.

    design = load_design(config, text, store, machine)
    for event in run_study(design, text, store, stop):
        ...

The last event is the `StudyResult`, unless somebody asked to stop.

One small network does not keep two threads busy: experiments run side by side, each
in a process with one thread. Every result is on disk before it is reported.
"""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Event as SharedEvent
from pathlib import Path

import numpy as np
import torch

from lstm_textgen.compare.design import CompareConfig, StudyDesign, design_study
from lstm_textgen.compare.experiments import (
    TEXT,
    Experiment,
    Result,
    ResultStore,
    expected_experiments,
    expected_seconds,
    finals,
    seconds_of,
    total_seconds,
)
from lstm_textgen.compare.measure import StudyText, measure_on_text
from lstm_textgen.compare.recall import measure_on_task
from lstm_textgen.compare.results import (
    StudyResult,
    next_experiments,
    put_together,
)
from lstm_textgen.compare.tasks import TASKS
from lstm_textgen.config import BudgetConfig, TrainConfig, from_json, to_json
from lstm_textgen.errors import ConfigError, DivergedError, OutputError
from lstm_textgen.files import translated_errors
from lstm_textgen.model.machine import Machine
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.split import split_text, with_context

HELD_OUT = 0.1
"""Fraction of the text that is held out, its end."""

MAX_TRAIN_IDS = 50_000_000
"""Only the beginning of a longer text is trained on: every process holds it."""

STUDIES = Path("comparisons")
"""Where the folders are without `-o`, below the current folder."""


RunExperiments = Callable[[Sequence[Experiment]], Iterator[tuple[Experiment, Result]]]
"""Runs experiments, begun in this order, and yields each with its result as it ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentDone:
    """A network is trained and measured, or was already."""

    experiment: Experiment
    was_stored: bool
    progress: float
    """Fraction of the expected work that is done, 0 to 1."""
    left_s: float
    """Expected from now on."""


def split_study_text(text: EncodedText) -> StudyText:
    """
    Split a text into what trains and what is held out.

    Raises:
        CorpusError: It is too short to measure anything.
    """
    split = split_text(len(text.ids), HELD_OUT, 0.0)
    start, stop = split.train
    return StudyText(
        name=text.name,
        sha256=text.sha256,
        characters=len(text.ids),
        train=np.array(text.ids[start : min(stop, MAX_TRAIN_IDS)]),
        held_out=np.array(text.ids[with_context(split.validation)]),
        vocabulary=text.tokenizer.size,
    )


@contextmanager
def open_folder(path: Path) -> Iterator[ResultStore]:
    """
    Create the folder of a comparison or reopen it, and keep other processes out.

    Yields:
        Its results so far.

    Raises:
        OutputError: It holds other things, or cannot be created.
        BusyError: Another comparison works in it.
    """
    store = ResultStore(path / "pieces")
    with translated_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        names = sorted(child.name for child in path.iterdir() if child.name[0] != ".")
    if names and not store.folder.is_dir():
        raise OutputError(
            f"{path} is no folder of a comparison: it holds {', '.join(names[:3])}.",
            "Choose another one with -o.",
        )
    with RunDirectory(path).lock():
        yield store


def load_design(
    config: CompareConfig, text: StudyText, store: ResultStore, machine: Machine
) -> StudyDesign:
    """
    The stored design for these settings, else a new one, which is stored.

    A second run must not measure the machine again: it would plan other lengths, and
    find no result of the first.
    """
    settings = to_json(config) | {
        "device": str(machine.device),
        "threads": machine.threads,
        "text_sha256": text.sha256,
    }
    if (stored := store.load("design", settings)) is not None:
        with contextlib.suppress(ConfigError):  # edited by hand
            return from_json(StudyDesign, stored)
    design = design_study(
        config,
        characters=len(text.train),
        vocabulary=text.vocabulary,
        text_sha256=text.sha256,
        machine=machine,
    )
    store.save("design", settings, to_json(design))
    return design


def missing_seconds(design: StudyDesign, store: ResultStore) -> float:
    """The estimated time from here on; what is stored already takes none."""
    results: dict[Experiment, Result] = {}
    while experiments := next_experiments(design, results):
        stored = _stored_results(experiments, store)
        results |= stored
        if len(stored) < len(experiments):
            break
    missing = [e for e in experiments if e not in results]
    if missing and missing[0].is_trial:  # and then what it decides
        missing += finals(design)
    whole_s = total_seconds(expected_experiments(design), design)
    return expected_seconds(design) * total_seconds(missing, design) / whole_s


def _stored_results(
    experiments: Sequence[Experiment], store: ResultStore
) -> dict[Experiment, Result]:
    results = {}
    for experiment in experiments:
        result = store.load(experiment.label, experiment.to_json())
        if result is not None:
            results[experiment] = result
    return results


def run_study(
    design: StudyDesign, text: StudyText, store: ResultStore, stop: threading.Event
) -> Iterator[ExperimentDone | StudyResult]:
    """
    Do what is not done yet, and put everything together.

    Args:
        design: What to do.
        text: The text.
        store: Where results are kept.
        stop: Once it is set, the iterator ends without a `StudyResult`.

    Raises:
        OutputError, StorageError: A result cannot be stored.
    """
    results: dict[Experiment, Result] = {}
    whole_s = total_seconds(expected_experiments(design), design)
    pace = expected_seconds(design) / whole_s  # until something is trained
    done_s = trained_s = 0.0
    started_s = time.monotonic()
    with _open_workers(text, design.workers, stop) as run:
        while experiments := next_experiments(design, results):
            done = _finish(experiments, design, store, run)
            for experiment, result, was_stored in done:
                results[experiment] = result
                seconds = seconds_of(experiment, design)
                done_s += seconds
                if not was_stored:
                    trained_s += seconds
                    pace = (time.monotonic() - started_s) / trained_s
                yield ExperimentDone(
                    experiment=experiment,
                    was_stored=was_stored,
                    progress=min(1.0, done_s / whole_s),
                    left_s=max(0.0, whole_s - done_s) * pace,
                )
            if stop.is_set():
                return
    yield put_together(design, text, results)


def _finish(
    experiments: Sequence[Experiment],
    design: StudyDesign,
    store: ResultStore,
    run: RunExperiments,
) -> Iterator[tuple[Experiment, Result, bool]]:
    """Each experiment with its result, and whether that was stored already."""
    stored = _stored_results(experiments, store)
    for experiment, result in stored.items():
        yield experiment, result, True
    missing = [experiment for experiment in experiments if experiment not in stored]
    # the longest first, so that no process waits for another at the end
    missing.sort(key=lambda experiment: -seconds_of(experiment, design))
    for experiment, result in run(missing):
        store.save(experiment.label, experiment.to_json(), result)
        yield experiment, result, False


def run_experiment(
    experiment: Experiment, text: StudyText, check_interrupt: Callable[[], None]
) -> Result:
    """
    Train and measure one network.

    A run that diverged is a result too: its learning rate was too high.

    Args:
        experiment: What to do.
        text: What they read.
        check_interrupt: Called often; may raise to stop.

    Returns:
        Plain JSON: as from `measure_on_text`; or the `accuracies` on a task by
        distance; or nothing but `diverged`.
    """
    config = TrainConfig(
        model=experiment.model,
        optimizer=experiment.optimizer,
        budget=BudgetConfig(steps=experiment.steps),
        seed=experiment.seed,
        precision="float32",
    )
    device = torch.device(experiment.device)
    try:
        if experiment.subject != TEXT:
            return measure_on_task(
                config,
                TASKS[experiment.subject],
                device=device,
                questions=experiment.questions,
                check_interrupt=check_interrupt,
            )
        result = measure_on_text(
            config,
            text,
            device=device,
            context_positions=experiment.context_positions,
            check_interrupt=check_interrupt,
        )
    except DivergedError:
        return {"diverged": True}
    return result if math.isfinite(result["nats_per_char"]) else {"diverged": True}


class Interrupted(Exception):
    """Somebody asked to stop; what is not finished is lost."""


def _interrupt_check(stop: threading.Event | SharedEvent) -> Callable[[], None]:
    def check() -> None:
        if stop.is_set():
            raise Interrupted

    return check


def _run_here(
    experiments: Sequence[Experiment], text: StudyText, stop: threading.Event
) -> Iterator[tuple[Experiment, Result]]:
    check_interrupt = _interrupt_check(stop)
    with contextlib.suppress(Interrupted):
        for experiment in experiments:
            check_interrupt()
            yield experiment, run_experiment(experiment, text, check_interrupt)


def _run_side_by_side(
    experiments: Sequence[Experiment],
    processes: ProcessPoolExecutor,
    stop: threading.Event,
) -> Iterator[tuple[Experiment, Result]]:
    if stop.is_set():
        return
    pending = {processes.submit(_run_in_process, e): e for e in experiments}
    while pending and not stop.is_set():
        done, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
        for future in done:
            yield pending.pop(future), future.result()


@contextmanager
def _open_workers(
    text: StudyText, workers: int, stop: threading.Event
) -> Iterator[RunExperiments]:
    """
    Start processes that last from one call to the next; leaving interrupts them.

    Args:
        text: What is read.
        workers: Processes, 1 or more; 1 works in this one.
        stop: Once it is set, work ends within some tenths of a second.
    """
    if workers == 1:
        yield partial(_run_here, text=text, stop=stop)
        return
    # a fork of a process that has used torch may hang
    context = get_context("spawn")
    interrupt = context.Event()
    executor = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_process,
        initargs=(text, interrupt),
    )
    try:
        yield partial(_run_side_by_side, processes=executor, stop=stop)
    finally:
        interrupt.set()
        executor.shutdown(cancel_futures=True)


_run_one: Callable[[Experiment], Result]
"""`run_experiment` with the text and the check of this process of the pool."""


def _start_process(text: StudyText, stop: SharedEvent) -> None:
    global _run_one
    check_interrupt = _interrupt_check(stop)
    _run_one = partial(run_experiment, text=text, check_interrupt=check_interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles Ctrl-C
    torch.set_num_threads(1)


def _run_in_process(experiment: Experiment) -> Result:
    """The result of *experiment*; `Interrupted` when the processes are closed."""
    return _run_one(experiment)
