"""
A comparison from a text to what was found: planned, tried, trained, put together.

    plan = plan_for(wishes, subject, drawer, machine)
    for event in study(plan, subject, drawer, stop):
        ...

The last event is the `Comparison`, unless somebody asked to stop.

Pieces side by side, each in a process with one thread; one after the other with one.

Small networks do not keep two threads busy, but two of them do. Every result is in
its file before it is told.

The folder of a comparison: its pieces, and what was made of them.
"""

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event as SharedEvent
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstm_textgen.compare.agenda import (
    every_piece,
    finals,
    seconds_of,
    subject_of,
    trials,
)
from lstm_textgen.compare.design import (
    RATES,
    TEXT_OPTIMIZER,
    CompareConfig,
    StudyDesign,
)
from lstm_textgen.compare.experiments import (
    PlanPiece,
    Result,
    ResultStore,
    TaskPiece,
    Trained,
)
from lstm_textgen.compare.gather import (
    Outcomes,
    choices,
    further,
    on_task,
    on_text,
    rates_of,
    reach_ratios,
)
from lstm_textgen.compare.measure import TextData, read_text_data
from lstm_textgen.compare.plan import design_study
from lstm_textgen.compare.recall import TaskTraining, accuracy, teach
from lstm_textgen.compare.results import CellTerms, StudyResult
from lstm_textgen.compare.tasks import DISTANCES, TASKS
from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import ConfigError, DivergedError, OutputError
from lstm_textgen.files import translated_errors, write_durably
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.streams import split_text, with_context
from lstm_textgen.training.machine import Machine

HELD_OUT = 0.1
"""Share of the text that judges, its end."""

MOST_IDS = 50_000_000
"""Of a longer text only the beginning is learned from: every process holds it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StudyText:
    """The text that is compared on."""

    name: str
    sha256: str
    characters: int
    material: TextData


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceDone:
    """A network is trained and judged, or was already."""

    label: str
    was_there: bool
    progress: float
    """Share of the expected work that is done, 0 to 1."""
    left_s: float
    """Expected from now on."""


def subject_of_text(text: EncodedText) -> StudyText:
    """
    Cut a text into what trains and what judges.

    Raises:
        CorpusError: It is too short to measure anything.
    """
    split = split_text(len(text.ids), HELD_OUT, 0.0)
    start, stop = split.train
    material = TextData(
        train=np.array(text.ids[start : min(stop, MOST_IDS)]),
        held_out=np.array(text.ids[with_context(split.validation)]),
        vocabulary=text.tokenizer.size,
    )
    return StudyText(
        name=text.name,
        sha256=text.sha256,
        characters=len(text.ids),
        material=material,
    )


def plan_for(
    wishes: CompareConfig, subject: StudyText, drawer: ResultStore, machine: Machine
) -> StudyDesign:
    """
    The plan that was made for these wishes, else a new one, which is kept.

    A second run must not measure again, or it would plan other lengths and find
    nothing of what was done.
    """
    where = {"device": str(machine.device), "threads": machine.threads}
    wished: dict[str, Any] = to_json(wishes) | where
    piece = PlanPiece(wishes=wished, text=subject.sha256)
    if (kept := drawer.find(piece)) is not None:
        try:
            return from_json(StudyDesign, kept)
        except ConfigError:  # written by hand, or by another edition
            pass
    plan = design_study(
        wishes,
        characters=len(subject.material.train),
        vocabulary=subject.material.vocabulary,
        text=subject.sha256,
        machine=machine,
    )
    drawer.keep(piece, to_json(plan))
    return plan


def missing_seconds(plan: StudyDesign, drawer: ResultStore) -> float:
    """How long it will take from here on; what is kept already takes no time."""
    found, pieces = Outcomes(()), trials(plan)
    while pieces and len(kept := _kept(pieces, drawer).pairs) == len(pieces):
        found += Outcomes(kept)
        pieces = further(plan, choices(plan, found))
    if pieces:  # and then those whose rates nobody knows yet
        last = finals(plan, {(subject_of(p), p.cell): RATES[0] for p in trials(plan)})
    else:
        last = finals(plan, rates_of(choices(plan, found)))
        last = [piece for piece in last if drawer.find(piece) is None]
    pieces = [piece for piece in pieces if drawer.find(piece) is None]
    left_s = sum(seconds_of(piece, plan) for piece in pieces + last)
    return plan.seconds * left_s / sum(seconds_of(p, plan) for p in every_piece(plan))


def study(
    plan: StudyDesign, subject: StudyText, drawer: ResultStore, stop: threading.Event
) -> Iterator[PieceDone | StudyResult]:
    """
    Do what is not done yet, and put everything together.

    Args:
        plan: What to do.
        subject: The text.
        drawer: Where results are kept.
        stop: Once it is set, the iterator ends without a `Comparison`.

    Raises:
        OutputError, StorageError: A result cannot be kept.
    """
    tally = _Tally(plan)
    with Workers(subject.material, drawer, workers=plan.workers, stop=stop) as crew:
        tried = yield from _try(plan, crew, tally)
        if stop.is_set():
            return
        chosen = choices(plan, tried)
        last = finals(plan, rates_of(chosen))
        found = yield from _run(last, plan, crew, tally)
    if stop.is_set():
        return
    cells = [each.cell for each in plan.cells]
    texts = tuple(on_text(cell, chosen["text", cell], found) for cell in cells)
    yield StudyResult(
        corpus=subject.name,
        characters=subject.characters,
        vocabulary=subject.material.vocabulary,
        held_out=len(subject.material.held_out),
        text=subject.sha256,
        machine=_machine(plan),
        seeds=plan.seeds,
        characters_read=plan.text_steps
        * TEXT_OPTIMIZER.streams
        * TEXT_OPTIMIZER.window,
        questions=plan.questions,
        terms=_terms(plan),
        texts=texts,
        tasks=tuple(on_task(task, cells, chosen, found) for task in plan.tasks),
        reach_ratios=reach_ratios(texts, "trained"),
        reach_ratios_untrained=reach_ratios(texts, "untrained"),
    )


@dataclass(frozen=True, slots=True)
class Done:
    """A piece, what came of it, and whether it was in its file already."""

    piece: Trained
    result: Result
    was_there: bool


class Workers:
    """
    Does pieces side by side, and keeps its processes from one call to the next.

    Use it as a context manager.

    Args:
        material: The text.
        drawer: Where results are kept.
        workers: Processes, 1 or more; 1 works in this one.
        stop: Once it is set, work ends after some tenths of a second.
    """

    def __init__(
        self,
        material: TextData,
        drawer: ResultStore,
        *,
        workers: int,
        stop: threading.Event,
    ) -> None:
        self.material = material
        self.drawer = drawer
        self.workers = workers
        self.stop = stop
        # a fork of a process that has used torch may hang
        self._context = get_context("spawn")
        self._halt = self._context.Event()
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._halt.set()
            self._executor.shutdown(cancel_futures=True)

    def run(self, pieces: Sequence[Trained]) -> Iterator[Done]:
        """
        Tell what is known already, then do the rest.

        Args:
            pieces: What to do; those that take long had better come first.

        Raises:
            OutputError, StorageError: A result cannot be kept.
        """
        missing = []
        for piece in pieces:
            if (known := self.drawer.find(piece)) is not None:
                yield Done(piece, known, True)
            else:
                missing.append(piece)
        if not missing or self.stop.is_set():
            return
        work = self._here if self.workers == 1 else self._side_by_side
        for piece, result in work(missing):
            self.drawer.keep(piece, result)
            yield Done(piece, result, False)

    def _here(self, pieces: Sequence[Trained]) -> Iterator[tuple[Trained, Result]]:
        def go_on() -> None:
            if self.stop.is_set():
                raise BrokenOff

        with contextlib.suppress(BrokenOff):
            for piece in pieces:
                go_on()
                yield piece, run_workers(piece, self.material, go_on)

    def _side_by_side(
        self, pieces: Sequence[Trained]
    ) -> Iterator[tuple[Trained, Result]]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.workers,
                mp_context=self._context,
                initializer=_begin,
                initargs=(self.material, self._halt),
            )
        pending = {self._executor.submit(_work, piece): piece for piece in pieces}
        while pending and not self.stop.is_set():
            done, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                assert result is not None, "only a stop breaks pieces off"
                yield pending.pop(future), result


def _try(
    plan: StudyDesign, crew: Workers, tally: "_Tally"
) -> Generator[PieceDone, None, Outcomes]:
    """Try learning rates, and further ones while the best is the last one tried."""
    found, pieces = Outcomes(()), trials(plan)
    while pieces and not crew.stop.is_set():
        found += yield from _run(pieces, plan, crew, tally)
        pieces = [] if crew.stop.is_set() else further(plan, choices(plan, found))
    return found


class _Tally:
    """How much of the expected work is done, and how long the rest will take."""

    def __init__(self, plan: StudyDesign) -> None:
        self.plan = plan
        self.whole_s = sum(seconds_of(piece, plan) for piece in every_piece(plan))
        self.done_s = self.worked_s = 0.0
        self.began_s = time.monotonic()

    def add(self, piece: Trained, was_there: bool) -> PieceDone:
        seconds = seconds_of(piece, self.plan)
        self.done_s += seconds
        self.worked_s += 0.0 if was_there else seconds
        left_s = max(0.0, self.whole_s - self.done_s)
        pace = self.plan.seconds / self.whole_s  # as planned, until something is done
        if self.worked_s:
            pace = (time.monotonic() - self.began_s) / self.worked_s
        return PieceDone(
            label=piece.label,
            was_there=was_there,
            progress=min(1.0, self.done_s / self.whole_s),
            left_s=left_s * pace,
        )


def _run(
    pieces: Sequence[Trained], plan: StudyDesign, crew: Workers, tally: _Tally
) -> Generator[PieceDone, None, Outcomes]:
    """Do some pieces, the longest first, so that no process waits for another."""
    ranked = sorted(pieces, key=lambda piece: -seconds_of(piece, plan))
    pairs = []
    for done in crew.run(ranked):
        pairs.append((done.piece, done.result))
        yield tally.add(done.piece, done.was_there)
    return Outcomes(tuple(pairs))


def _kept(pieces: Sequence[Trained], drawer: ResultStore) -> Outcomes:
    pairs = ((piece, drawer.find(piece)) for piece in pieces)
    return Outcomes(tuple((piece, kept) for piece, kept in pairs if kept is not None))


def _machine(plan: StudyDesign) -> str:
    if plan.device == "cpu":
        return f"{plan.workers} core{'s' if plan.workers > 1 else ''}, one a network"
    return plan.device


def _terms(plan: StudyDesign) -> tuple[CellTerms, ...]:
    return tuple(
        CellTerms(
            cell=each.cell,
            hidden=each.text.hidden,
            recurrent_parameters=each.recurrent_parameters,
            parameters=each.parameters,
            task_hidden=each.task.hidden,
            task_parameters=each.task_parameters,
            kernel=each.kernel,
        )
        for each in plan.cells
    )


class BrokenOff(Exception):
    """Somebody asked to stop; what was not finished is lost."""


def run_workers(
    piece: Trained, material: TextData, go_on: Callable[[], None]
) -> Result:
    """
    Train and judge one piece.

    A run that ran away is a result too: its learning rate was too high.

    Args:
        piece: What to do.
        material: The text.
        go_on: Called often; may raise to break off.

    Returns:
        Plain JSON: as `read_text`, or the `accuracies` on a task by distance; or
        nothing but `diverged`.
    """
    try:
        if not isinstance(piece, TaskPiece):
            result = read_text_data(piece, material, go_on)
            return result if math.isfinite(result["nats_per_char"]) else _ran_away()
        task = TASKS[piece.task]
        drill = TaskTraining(
            steps=piece.steps,
            streams=piece.optimizer.streams,
            optimizer=piece.optimizer,
            seed=piece.seed,
            device=torch.device(piece.device),
        )
        model = teach(task, piece.model, drill, go_on)
        return {
            "accuracies": [
                accuracy(
                    *(model, task, distance, piece.questions),
                    seed=piece.seed,
                    go_on=go_on,
                )
                for distance in DISTANCES
            ]
        }
    except DivergedError:
        return _ran_away()


def _ran_away() -> Result:
    return {"diverged": True}


_material: TextData | None = None

_halt: SharedEvent | None = None
"""What a process of the pool has got for all its pieces."""


def _begin(material: TextData, halt: SharedEvent) -> None:
    global _material, _halt
    _material, _halt = material, halt
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it
    torch.set_num_threads(1)


def _work(piece: Trained) -> Result | None:
    """What came of *piece*; None if it was broken off."""
    assert _material is not None
    assert _halt is not None
    halt = _halt

    def go_on() -> None:
        if halt.is_set():
            raise BrokenOff

    try:
        go_on()
        return run_workers(piece, _material, go_on)
    except BrokenOff:
        return None


COMPARISONS = Path("comparisons")
"""Where they go without `-o`, below the current folder."""


@contextmanager
def open_folder(path: Path) -> Iterator[ResultStore]:
    """
    Make the folder or find it again, and keep other processes out.

    Yields:
        The drawer of its pieces.

    Raises:
        OutputError: Other things are there, or it cannot be created.
        BusyError: Another comparison works in it.
    """
    drawer = ResultStore(path / "pieces")
    with translated_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        there = sorted(each.name for each in path.iterdir() if each.name[0] != ".")
    if there and not drawer.folder.is_dir():
        raise OutputError(
            f"{path} is no folder of a comparison: it holds {', '.join(there[:3])}.",
            "Choose another one with -o.",
        )
    with RunDirectory(path).lock():
        yield drawer


def save_report(path: Path, results: dict[str, Any], page: str) -> None:
    """
    Write `results.json` and `report.html`.

    Raises:
        OutputError, StorageError: They cannot be written.
    """
    text = json.dumps(results, indent=1, allow_nan=False)
    write_durably(path / "results.json", text.encode("ascii") + b"\n")
    write_durably(path / "report.html", page.encode("utf-8"))
