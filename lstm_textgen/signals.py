"""
How the process ends when a signal asks it to: tidied up, and by that signal.

Signals to a run: the first request to stop is polite, the second one is not.

SIGINT is Ctrl-C, SIGTERM what a scheduler sends, SIGHUP a terminal that is closed.
SIGUSR1 asks to save and to go on.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Literal, NoReturn

NUMBERS = {"interrupted": "SIGINT", "terminated": "SIGTERM", "hung up": "SIGHUP"}
"""The signals by what a run calls them."""

UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)
"""How Python handles signals that nobody has said anything about."""


class EndedBySignal(BaseException):
    """Unwinds the process, so that temporary files go, before the signal ends it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def hear_signals() -> None:
    """
    Let SIGINT, SIGTERM and SIGHUP unwind the process; a second one ends it at once.

    SIGUSR1, which asks a run to save, does nothing while there is nothing to save: it
    would end the process. A process that was started deaf to one of them, as by
    nohup, stays so.
    """
    wanted: dict[str, Callable[[int, FrameType | None], None]] = {
        **dict.fromkeys(NUMBERS.values(), _unwind),
        "SIGUSR1": _pass_over,
    }
    for name, handler in wanted.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in UNTOUCHED:
            signal.signal(number, handler)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise EndedBySignal(number)


def _pass_over(number: int, frame: FrameType | None) -> None:
    pass


def end_by_signal(stopped_by: str | None) -> None:
    """
    After everything is saved, end as the signal that stopped the run would have.

    A shell loop around the command then ends too, which an exit code alone would
    not achieve.
    """
    if stopped_by in NUMBERS:
        raise EndedBySignal(getattr(signal, NUMBERS[stopped_by]))


class Ending:
    """
    The last thing that the process does: nothing, or dying by a signal.

    Built before anything else asks to be called at the end, because the last to ask
    is the first to be called.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        atexit.register(self._die)

    def by_signal(self, number: int) -> NoReturn:
        """End now: by this signal, after everybody else who waits for the end."""
        self._number = number
        sys.exit(128 + number)

    def _die(self) -> None:
        if self._number is None:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        signal.signal(self._number, signal.SIG_DFL)
        os.kill(os.getpid(), self._number)


StopReason = Literal["budget", "no improvement", "interrupted", "terminated", "hung up"]

REASONS: dict[int, StopReason] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
}

if hasattr(signal, "SIGHUP"):  # not on Windows
    REASONS[signal.SIGHUP] = "hung up"


@contextlib.contextmanager
def polite_signals(
    ask_to_stop: Callable[[StopReason], None],
    ask_to_save: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """
    While this holds, a first signal calls *ask_to_stop*; a second one ends at once.

    A process that was started deaf to SIGHUP, as by nohup, stays so. Outside the main
    thread, where Python has no signals, nothing changes.

    Args:
        ask_to_stop: Gets the reason.
        ask_to_save: Called at each SIGUSR1.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    wanted: dict[int, Callable[[int, FrameType | None], None]] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in REASONS:
            if each in wanted:
                signal.signal(each, signal.SIG_DFL)
        ask_to_stop(REASONS[number])

    wanted |= {n: stop for n in REASONS if not _is_deaf_to_hanging_up(n)}
    if hasattr(signal, "SIGUSR1"):
        wanted[signal.SIGUSR1] = lambda number, frame: ask_to_save()
    before = {number: signal.signal(number, wanted[number]) for number in wanted}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _is_deaf_to_hanging_up(number: int) -> bool:
    hangs_up = REASONS[number] == "hung up"
    return hangs_up and signal.getsignal(number) == signal.SIG_IGN


BY_SIGNAL: tuple[StopReason, ...] = ("interrupted", "terminated", "hung up")
"""The reasons to stop that leave something to go on with."""
