"""Signals to this very process, as a request to stop."""

import os
import signal
import threading

import pytest

from lstm_textgen.signals import polite_signals


@pytest.fixture
def ours():
    """Handlers that are known, so that it shows whether they come back."""

    def handler(number, frame):
        raise AssertionError("the handler from before must not be called")

    both = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, handler) for each in both]
    yield handler
    for each, old in zip(both, before, strict=True):
        signal.signal(each, old)


def handlers():
    return [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")],
)
def test_the_first_signal_asks(ours, number, reason):
    """
    A first signal calls the function once, with the reason, and goes no further.

    From then on both signals have the system's handler, which ends the process.
    """
    reasons = []
    with polite_signals(reasons.append):
        os.kill(os.getpid(), number)
        after_one = handlers()

    assert reasons == [reason]
    assert after_one == [signal.SIG_DFL, signal.SIG_DFL]
    assert handlers() == [ours, ours]


def test_handlers_come_back(ours):
    """Whether or not a signal came, and also after an error."""
    with polite_signals(lambda reason: None):
        assert ours not in handlers()
    assert handlers() == [ours, ours]

    with pytest.raises(ZeroDivisionError), polite_signals(lambda reason: None):
        raise ZeroDivisionError
    assert handlers() == [ours, ours]


def test_outside_the_main_thread_nothing_changes(ours):
    """Python lets no other thread set handlers, and a run there is not refused."""
    seen = []

    def work():
        with polite_signals(seen.append):
            seen.extend(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [ours, ours]
