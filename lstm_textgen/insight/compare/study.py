"""
A comparison from a text to what was found: planned, tried, trained, put together.

    plan = plan_for(wishes, subject, drawer, machine)
    for event in study(plan, subject, drawer, stop):
        ...

The last event is the `Comparison`, unless somebody asked to stop.
"""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import ConfigError
from lstm_textgen.insight.compare.agenda import (
    every_piece,
    finals,
    seconds_of,
    subject_of,
    trials,
)
from lstm_textgen.insight.compare.gather import (
    Outcomes,
    choices,
    further,
    on_task,
    on_text,
    rates_of,
    reach_ratios,
)
from lstm_textgen.insight.compare.pieces import Drawer, PlanPiece, Trained
from lstm_textgen.insight.compare.plan import make_plan
from lstm_textgen.insight.compare.pool import Crew
from lstm_textgen.insight.compare.reading import Material
from lstm_textgen.insight.compare.results import CellTerms, Comparison
from lstm_textgen.insight.compare.settings import (
    RATES,
    TEXT_OPTIMIZER,
    CompareWishes,
    Plan,
)
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.text.streams import split_text, with_context
from lstm_textgen.training.machine import Machine

HELD_OUT = 0.1
"""Share of the text that judges, its end."""

MOST_IDS = 50_000_000
"""Of a longer text only the beginning is learned from: every process holds it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Subject:
    """The text that is compared on."""

    name: str
    sha256: str
    characters: int
    material: Material


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceDone:
    """A network is trained and judged, or was already."""

    label: str
    was_there: bool
    progress: float
    """Share of the expected work that is done, 0 to 1."""
    left_s: float
    """Expected from now on."""


def subject_of_text(text: EncodedText) -> Subject:
    """
    Cut a text into what trains and what judges.

    Raises:
        CorpusError: It is too short to measure anything.
    """
    split = split_text(len(text.ids), HELD_OUT, 0.0)
    start, stop = split.train
    material = Material(
        train=np.array(text.ids[start : min(stop, MOST_IDS)]),
        held_out=np.array(text.ids[with_context(split.validation)]),
        vocabulary=text.tokenizer.size,
    )
    return Subject(
        name=text.name,
        sha256=text.sha256,
        characters=len(text.ids),
        material=material,
    )


def plan_for(
    wishes: CompareWishes, subject: Subject, drawer: Drawer, machine: Machine
) -> Plan:
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
            return from_json(Plan, kept)
        except ConfigError:  # written by hand, or by another edition
            pass
    plan = make_plan(
        wishes,
        characters=len(subject.material.train),
        vocabulary=subject.material.vocabulary,
        text=subject.sha256,
        machine=machine,
    )
    drawer.keep(piece, to_json(plan))
    return plan


def missing_seconds(plan: Plan, drawer: Drawer) -> float:
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
    plan: Plan, subject: Subject, drawer: Drawer, stop: threading.Event
) -> Iterator[PieceDone | Comparison]:
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
    with Crew(subject.material, drawer, workers=plan.workers, stop=stop) as crew:
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
    yield Comparison(
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


def _try(
    plan: Plan, crew: Crew, tally: "_Tally"
) -> Generator[PieceDone, None, Outcomes]:
    """Try learning rates, and further ones while the best is the last one tried."""
    found, pieces = Outcomes(()), trials(plan)
    while pieces and not crew.stop.is_set():
        found += yield from _run(pieces, plan, crew, tally)
        pieces = [] if crew.stop.is_set() else further(plan, choices(plan, found))
    return found


class _Tally:
    """How much of the expected work is done, and how long the rest will take."""

    def __init__(self, plan: Plan) -> None:
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
    pieces: Sequence[Trained], plan: Plan, crew: Crew, tally: _Tally
) -> Generator[PieceDone, None, Outcomes]:
    """Do some pieces, the longest first, so that no process waits for another."""
    ranked = sorted(pieces, key=lambda piece: -seconds_of(piece, plan))
    pairs = []
    for done in crew.run(ranked):
        pairs.append((done.piece, done.result))
        yield tally.add(done.piece, done.was_there)
    return Outcomes(tuple(pairs))


def _kept(pieces: Sequence[Trained], drawer: Drawer) -> Outcomes:
    pairs = ((piece, drawer.find(piece)) for piece in pieces)
    return Outcomes(tuple((piece, kept) for piece, kept in pairs if kept is not None))


def _machine(plan: Plan) -> str:
    if plan.device == "cpu":
        return f"{plan.workers} core{'s' if plan.workers > 1 else ''}, one a network"
    return plan.device


def _terms(plan: Plan) -> tuple[CellTerms, ...]:
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
