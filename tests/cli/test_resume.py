"""Runs that are stopped, go on, or are kept from each other."""

import json
import re
import signal
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

AT_ONCE_S = 5
"""A run must end so soon after a signal."""


def wait_for_progress(process):
    """Return when the first line about a step has come."""
    for line in process.stderr:
        if re.match(r" *\d+%  step", line):
            return
    pytest.fail("the run ended before it told of a step")


def stop(process, number):
    """Send a signal; the seconds it took, and what was said on stdout and stderr."""
    began_s = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate()
    return time.monotonic() - began_s, out, err


def test_a_run_that_was_interrupted_goes_on_exactly(textgen, book):
    """
    Ctrl-C ends the process by SIGINT, with everything saved and the way to go on.

    After --resume the model and the whole state are those of a run that was never
    stopped: weights, moments, memory and noise.
    """
    command = ("train", book, *textgen.small, "--steps", "1000", "--dropout", "0.1")
    with textgen.running(*command) as process:
        wait_for_progress(process)
        seconds, out, err = stop(process, signal.SIGINT)
    stopped_at = int(re.search(r"Stopped at step ([\d,]+)", err)[1].replace(",", ""))
    resumed = textgen(*command, "--resume", "--json")
    whole = textgen(*command, "-o", "whole")

    assert process.returncode == -signal.SIGINT
    assert seconds < AT_ONCE_S
    assert out == "checkpoints/book/model.safetensors\n"
    assert "everything is saved in checkpoints/book" in err
    assert "with -o checkpoints/book --resume" in err
    assert 0 < stopped_at < 1000
    assert (resumed.code, whole.code) == (0, 0)
    assert "checkpoints/book, which goes on" in resumed.stderr
    assert resumed.json["steps"] == 1000
    for name in ("model.safetensors", "state.safetensors"):
        ours = load_file(textgen.folder / "checkpoints" / "book" / name)
        theirs = load_file(textgen.folder / "whole" / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not np.array_equal(ours[key], theirs[key])] == []


def test_a_run_that_was_terminated_is_saved_and_while_it_goes_nobody_else_may(
    textgen, book
):
    """SIGTERM is as polite as Ctrl-C; a second process in the folder gets code 75."""
    command = ("train", book, *textgen.small, "--steps", "1000000")
    with textgen.running(*command, "--json") as process:
        wait_for_progress(process)
        there = (["-o", "checkpoints/book"], ["--resume"])
        others = [textgen(*command, "-q", *more) for more in there]
        seconds, out, err = stop(process, signal.SIGTERM)

    for other in others:
        other.assert_refused(75, "checkpoints/book", process.pid)
    assert process.returncode == -signal.SIGTERM
    assert seconds < AT_ONCE_S
    assert json.loads(out)["stopped_by"] == "terminated"
    assert "--resume" in err
    assert textgen("sample", "checkpoints/book", "-n", "5").code == 0


def test_resume_without_a_run_begins_one_and_says_so(textgen, book):
    """So the same command can stand in a script that is run again and again."""
    outcome = textgen.train(book, "--resume", "-o", "new")

    assert outcome.code == 0
    assert outcome.stderr.startswith("note: no run is in new yet: starting from the")
    assert "note" not in textgen.train(book, "--resume", "-o", "new").stderr
