"""Prompts that are not text or very long, and terminals with few characters."""

import subprocess
import sys

import pytest


def real(textgen, model, *arguments, **environment):
    """The real process, with bytes as arguments, and its output as bytes."""
    return subprocess.run(
        [sys.executable, "-m", "lstm_textgen", "sample", model.run, *arguments],
        capture_output=True,
        cwd=textgen.folder,
        env=textgen.environment | environment,
        timeout=60,
    )


def test_bytes_on_the_command_line_that_are_not_text(
    textgen, trained, trained_on_bytes
):
    """
    Half a character in the prompt is named; it can be skipped as any other.

    A model of bytes takes every character, but not half of one.
    """
    prompt = ("-p", b"crow \xff", "-n", "5")
    refused, by_bytes = (
        real(textgen, model, *prompt) for model in (trained, trained_on_bytes)
    )
    skipped = real(textgen, trained, *prompt, "--on-unknown", "skip")

    assert refused.returncode == by_bytes.returncode == 65
    assert rb"'\udcff' (U+DCFF)" in refused.stderr
    assert b"U+DCFF" in by_bytes.stderr
    assert len(refused.stderr.splitlines()) == 2
    assert skipped.returncode == 0
    assert skipped.stdout.startswith(b"crow ")


def test_a_megabyte(textgen, trained):
    """A long prompt is read, shown and continued."""
    prompt = "Said the crow to the fox. " * 40_000
    textgen.write("prompt.txt", prompt)

    outcome = textgen("sample", trained.run, "--prompt-file", "prompt.txt", "-n", "5")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.startswith(prompt)
    assert len(outcome.stdout) == len(prompt) + 5 + len("\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_screen_that_knows_few_characters(textgen, trained, encoding):
    """
    What it cannot show becomes a question mark; nothing ends in a traceback.

    The same holds for errors and notes that show such characters.
    """
    prompt = ("-p", "“Über” 漢字", "--on-unknown", "replace", "-n", "5")
    written = real(textgen, trained, *prompt, PYTHONIOENCODING=encoding)
    refused = real(textgen, trained, "-p", "漢", PYTHONIOENCODING=encoding)

    assert written.returncode == 0, written.stderr
    assert b"?" in written.stderr
    assert b"Traceback" not in written.stderr + refused.stderr
    assert refused.returncode == 65
    assert b"U+6F22" in refused.stderr
