"""Prompts that nobody planned for, and screens that know few characters."""

import subprocess
import sys

import pytest


def real(textgen, trained, *words, **environment):
    """The real process, with bytes as words, and its output as bytes."""
    return subprocess.run(
        [sys.executable, "-m", "lstm_textgen", "sample", trained.run, *words],
        capture_output=True,
        cwd=textgen.folder,
        env=textgen.environment | environment,
        timeout=60,
    )


def test_bytes_on_the_command_line_that_are_no_text(textgen, trained):
    """Half a character in the prompt is named; it can be skipped as any other."""
    refused = real(textgen, trained, "-p", b"crow \xff", "-n", "5")
    skipped = real(
        *(textgen, trained, "-p", b"crow \xff", "-n", "5"), "--on-unknown", "skip"
    )

    assert refused.returncode == 65
    assert rb"'\udcff' (U+DCFF)" in refused.stderr
    assert len(refused.stderr.splitlines()) == 2
    assert skipped.returncode == 0
    assert skipped.stdout.startswith(b"crow ")


def test_bytes_that_are_no_text_for_a_model_of_bytes(textgen, trained_on_bytes):
    """It takes every character, but half of one is none."""
    outcome = real(textgen, trained_on_bytes, "-p", b"\xff", "-n", "5")

    assert outcome.returncode == 65
    assert b"U+DCFF" in outcome.stderr


@pytest.mark.parametrize("way", ["stdin", "file"])
def test_a_megabyte(textgen, trained, way):
    """A long prompt is read, shown and continued."""
    prompt = "Said the crow to the fox. " * 40_000
    textgen.write("prompt.txt", prompt)
    name = "-" if way == "stdin" else "prompt.txt"
    words = ("sample", trained.run, "--prompt-file", name, "-n", "5")
    outcome = textgen(*words, stdin=prompt.encode())

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.startswith(prompt)
    assert len(outcome.stdout) in (len(prompt) + 5, len(prompt) + 6)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_screen_that_knows_few_characters(textgen, trained, encoding):
    """
    What it cannot show becomes a question mark; nothing ends in a traceback.

    The same holds for errors and notes that show such characters.
    """
    words = ("-p", "“Über” 漢字", "--on-unknown", "replace", "-n", "5")
    written = real(textgen, trained, *words, PYTHONIOENCODING=encoding)
    refused = real(textgen, trained, "-p", "漢", PYTHONIOENCODING=encoding)

    assert written.returncode == 0, written.stderr
    assert b"?" in written.stderr
    assert b"Traceback" not in written.stderr + refused.stderr
    assert refused.returncode == 65
    assert b"U+6F22" in refused.stderr
