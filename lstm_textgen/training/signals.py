"""Ctrl-C and SIGTERM as a polite request to stop; the second one is not polite."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from lstm_textgen.training.events import StopReason

REASONS: dict[signal.Signals, StopReason] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
}


@contextlib.contextmanager
def polite_signals(ask_to_stop: Callable[[StopReason], None]) -> Iterator[None]:
    """
    While this holds, a first signal calls *ask_to_stop*; a second one ends at once.

    Outside the main thread, where Python has no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        for each in REASONS:
            signal.signal(each, signal.SIG_DFL)
        ask_to_stop(REASONS[signal.Signals(number)])

    before = {each: signal.signal(each, handle) for each in REASONS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
