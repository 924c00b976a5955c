"""
Signals to a run: the first request to stop is polite, the second one is not.

SIGINT is Ctrl-C, SIGTERM what a scheduler sends, SIGHUP a terminal that is closed.
SIGUSR1 asks to save and to go on.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from lstm_textgen.training.events import StopReason

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
