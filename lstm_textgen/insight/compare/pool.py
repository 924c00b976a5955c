"""
Pieces side by side, each in a process with one thread; one after the other with one.

Small networks do not keep two threads busy, but two of them do. Every result is in
its file before it is told.
"""

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event as SharedEvent

import torch

from lstm_textgen.errors import DivergedError
from lstm_textgen.insight.compare.pieces import Drawer, Result, TaskPiece, Trained
from lstm_textgen.insight.compare.reading import Material, read_text
from lstm_textgen.insight.compare.recall import Drill, accuracy, teach
from lstm_textgen.insight.compare.tasks import DISTANCES, TASKS


class BrokenOff(Exception):
    """Somebody asked to stop; what was not finished is lost."""


@dataclass(frozen=True, slots=True)
class Done:
    """A piece, what came of it, and whether it was in its file already."""

    piece: Trained
    result: Result
    was_there: bool


def work_on(piece: Trained, material: Material, go_on: Callable[[], None]) -> Result:
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
            result = read_text(piece, material, go_on)
            return result if math.isfinite(result["nats_per_char"]) else _ran_away()
        task = TASKS[piece.task]
        drill = Drill(
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


class Crew:
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
        self, material: Material, drawer: Drawer, *, workers: int, stop: threading.Event
    ) -> None:
        self.material = material
        self.drawer = drawer
        self.workers = workers
        self.stop = stop
        # a fork of a process that has used torch may hang
        self._context = get_context("spawn")
        self._halt = self._context.Event()
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Crew":
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
                yield piece, work_on(piece, self.material, go_on)

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


_material: Material | None = None
_halt: SharedEvent | None = None
"""What a process of the pool has got for all its pieces."""


def _begin(material: Material, halt: SharedEvent) -> None:
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
        return work_on(piece, _material, go_on)
    except BrokenOff:
        return None
