"""What may reach a screen, and that everything else arrives exactly as it is."""

import contextlib
import os
import subprocess
import sys

import pytest

from lstm_textgen.ui.terminal import (
    REPLACEMENT,
    open_missing_streams,
    sanitize,
    say,
    wants_color,
    write_text,
)
from tests.emulator import steers

HOSTILE = "a\x1b[2J\r\x07\x9b31m\u202eb\x00\u2066\n\tä😀"
SHOWN = "a\ufffd[2J\ufffd\ufffd\ufffd31m\ufffdb\ufffd\ufffd\n\tä😀"


@pytest.fixture
def open_stream(tmp_path):
    """A file in any encoding, with or without a person before it, and its bytes."""
    with contextlib.ExitStack() as stack:

        def opened(encoding="utf-8", *, screen=False):
            path = tmp_path / f"{encoding}-{screen}"
            file = open(path, "w", encoding=encoding, newline="")  # noqa: SIM115
            stream = stack.enter_context(file)
            stream.isatty = lambda: screen
            return stream, path.read_bytes

        yield opened


def test_exactly_the_steering_characters_are_taken_out():
    """Of all of Unicode, only controls and changes of direction are replaced."""
    everything = "".join(map(chr, range(sys.maxunicode + 1)))

    shown = sanitize(everything)

    assert len(shown) == len(everything)
    replaced = {a for a, b in zip(everything, shown, strict=True) if a != b}
    assert replaced == set(filter(steers, everything))
    assert {shown[ord(char)] for char in replaced} == {REPLACEMENT}


def test_a_screen_gets_safe_text_and_a_file_the_exact_one(open_stream):
    """Only where a person reads are characters replaced."""
    screen, seen = open_stream(screen=True)
    file, kept = open_stream(screen=False)

    write_text(HOSTILE, screen)
    write_text(HOSTILE, file)

    assert seen().decode() == SHOWN
    assert kept().decode() == HOSTILE


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "ä € 😀 ?\x1b".encode()),
        ("latin-1", b"\xe4 ? ? ?\x1b"),
        ("ascii", b"? ? ? ?\x1b"),
    ],
)
def test_a_character_that_does_not_fit_becomes_a_question_mark(
    encoding, expected, open_stream
):
    """
    Text that a stream cannot hold, or half a character, is no crash.

    It is on its way at once: the stream is still open when it is looked at.
    """
    stream, written = open_stream(encoding)

    write_text("ä € 😀 \ud83d\x1b", stream)

    assert written() == expected


def test_text_goes_to_stdout(capsys):
    """Without a stream it goes to stdout, as it is, with nothing added."""
    write_text("[bold] no line end")

    assert capsys.readouterr() == ("[bold] no line end", "")


@pytest.mark.parametrize(
    ("stream", "statement", "code"),
    [
        ("stdout", "while True: write_text('a' * 100_000)", 0),
        ("stderr", "[say('a' * 100_000) for _ in range(9)]; sys.exit(7)", 7),
    ],
)
def test_a_reader_may_leave(stream, statement, code):
    """
    A pipe that nobody reads ends the writing of text, without a word.

    Where it was what is said about the text, the process goes on.
    """
    program = "import sys; from lstm_textgen.ui.terminal import say, write_text\n"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: pipe}
        command = [sys.executable, "-c", program + statement]
        done = subprocess.run(command, timeout=30, check=False, **streams)

    assert done.returncode == code
    assert not done.stdout
    assert not done.stderr


def test_missing_streams_are_opened(monkeypatch):
    """A process that was started without stdout or stderr can write all the same."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    open_missing_streams()

    with sys.stdout, sys.stderr:
        write_text("into nowhere")
        say("into nowhere")


def test_a_line_for_people_goes_to_stderr(capsys):
    """It is always made safe, for a log is read on a screen sooner or later."""
    say(HOSTILE)

    captured = capsys.readouterr()
    assert captured.err == SHOWN + "\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    ("screen", "no_colour", "wanted"),
    [(True, None, True), (True, "", True), (True, "1", False), (False, None, False)],
)
def test_colour_is_for_screens(screen, no_colour, wanted, open_stream, monkeypatch):
    """A terminal has colour, unless NO_COLOR is set to anything."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour is not None:
        monkeypatch.setenv("NO_COLOR", no_colour)

    assert wants_color(open_stream(screen=screen)[0]) is wanted
