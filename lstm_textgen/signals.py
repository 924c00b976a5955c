"""
Signals: what they ask a run to do, and how the process ends by one.

SIGINT is Ctrl-C, SIGTERM what a scheduler sends, SIGHUP a terminal that is closed.
Before and after training they unwind the process; while it trains the first one asks
it to stop and the second one ends it at once. SIGUSR1 asks to save and continue.
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

StopReason = Literal["budget", "no improvement", "interrupted", "terminated", "hung up"]

NAMES: dict[StopReason, str] = {
    "interrupted": "SIGINT",
    "terminated": "SIGTERM",
    "hung up": "SIGHUP",
}

BY_SIGNAL: tuple[StopReason, ...] = tuple(NAMES)
"""The reasons to stop that leave something to continue with."""

REASONS: dict[int, StopReason] = {
    getattr(signal, name): reason
    for reason, name in NAMES.items()
    if hasattr(signal, name)  # Windows has no SIGHUP
}

UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)
"""How Python handles signals for which nobody has set a handler."""

Handler = Callable[[int, FrameType | None], None]


class EndedBySignal(BaseException):
    """Unwinds the process, so that temporary files go, before the signal ends it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def hear_signals() -> None:
    """
    Let SIGINT, SIGTERM and SIGHUP unwind the process; a second one ends it at once.

    SIGUSR1, which asks a run to save, does nothing while there is nothing to save: it
    would end the process. A signal that was ignored when the process started, as
    SIGHUP is by nohup, stays ignored.
    """
    handlers: dict[int, Handler] = dict.fromkeys(REASONS, _unwind)
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = _pass_over
    for number, handler in handlers.items():
        if signal.getsignal(number) in UNTOUCHED:
            signal.signal(number, handler)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise EndedBySignal(number)


def _pass_over(number: int, frame: FrameType | None) -> None:
    pass


@contextlib.contextmanager
def polite_signals(
    ask_to_stop: Callable[[StopReason], None],
    ask_to_save: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """
    While this holds, a first signal calls *ask_to_stop*; a second one ends at once.

    If SIGHUP was ignored when the process started, as by nohup, it stays ignored.
    Outside the main thread, where Python has no signals, nothing changes.

    Args:
        ask_to_stop: Called with the reason.
        ask_to_save: Called at each SIGUSR1.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    handlers: dict[int, Handler] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for other in REASONS:
            if other in handlers:
                signal.signal(other, signal.SIG_DFL)
        ask_to_stop(REASONS[number])

    handlers |= {n: stop for n in REASONS if not _is_ignored_hangup(n)}
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = lambda number, frame: ask_to_save()
    before = {number: signal.signal(number, handlers[number]) for number in handlers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_ignored_hangup(number: int) -> bool:
    hangs_up = REASONS[number] == "hung up"
    return hangs_up and signal.getsignal(number) == signal.SIG_IGN


def end_by_signal(stopped_by: StopReason | None) -> None:
    """
    After everything is saved, end as the signal that stopped the run would have.

    A shell loop around the command then ends too, which an exit code alone would
    not achieve.
    """
    if stopped_by in NAMES:
        raise EndedBySignal(getattr(signal, NAMES[stopped_by]))


class Ending:
    """
    The last thing that the process does: nothing, or dying by a signal.

    Built before anything else registers an exit handler, because the handler that is
    registered first runs last.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        atexit.register(self._die)

    def by_signal(self, number: int) -> NoReturn:
        """End now: by this signal, after all other exit handlers."""
        self._number = number
        sys.exit(128 + number)

    def _die(self) -> None:
        if self._number is None:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        signal.signal(self._number, signal.SIG_DFL)
        os.kill(os.getpid(), self._number)
