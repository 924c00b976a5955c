"""
Some thousand files with a few changes each; `make fuzz` tries many more.

What must hold of each is in `tests/fuzzing/oracle.py`.
"""

import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import ANY

import pytest

from lstm_textgen.checkpoint import format, reader
from tests.forging import take_apart
from tests.fuzzing.bases import good_files
from tests.fuzzing.mutations import mutated
from tests.fuzzing.oracle import Wrong, judge

FILES = 3000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bases():
    return good_files()


@pytest.mark.slow
def test_no_file_breaks_a_promise(tmp_path):
    """
    Each is refused in words, or means exactly what it says and can be let write.

    In a second of work and a hundred megabytes: in a process of its own, because here
    every call has its types checked, which takes longer than the call. Enough files
    are accepted, and refused for enough reasons, that the changes reach every check.
    """
    words = [str(FILES), "--seed", "5", "--keep", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzzing", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    accepted = re.search(r"^([\d,]+) accepted", done.stdout, re.MULTILINE)[1]
    reasons = re.search(r"refused, for (\d+) kinds", done.stdout)[1]

    assert int(accepted.replace(",", "")) > FILES / 20
    assert int(reasons) > 60


BLIND = {
    "numbers are not looked at": (format, "_check_numbers", lambda name, tensors: None),
    "numbers are not summed": (reader, "tensors_sha256", lambda tensors: ANY),
    "shapes are not compared": (format, "_check_specs", lambda *_: None),
    "errors quote as it comes": (reader, "shorten", str),
}
"""Readers that lack a check: where it stands, and what does nothing in its place."""


@pytest.mark.slow
@pytest.mark.parametrize("name", BLIND)
def test_a_reader_that_lacks_a_check_is_found_out(tmp_path, bases, monkeypatch, name):
    """Each of them breaks a promise within the first files."""
    module, function, nothing = BLIND[name]
    monkeypatch.setattr(module, function, nothing)

    with pytest.raises((Wrong, RuntimeError, TypeError, ValueError)):
        judge_many(tmp_path / "mutated.safetensors", bases)


def judge_many(path, bases):
    for number in range(FILES):
        judge(path, mutated(bases, 5, number)[0], load_s=60)


def test_a_reader_that_makes_up_a_setting_is_found_out(tmp_path, bases, monkeypatch):
    """What a file does not say must not be taken from somewhere else."""
    parts = take_apart(bases[0])
    del parts.description["model"]["residual"]
    monkeypatch.setattr(format, "_whole_model", lenient)

    with pytest.raises(Wrong, match="model is"):
        judge(tmp_path / "mutated.safetensors", parts.sealed(), load_s=60)


def lenient(data):
    return format.from_json(format.ModelConfig, data, "model")
