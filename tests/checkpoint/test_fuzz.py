"""
Some thousand files with a few changes each; `make fuzz` tries many more.

What must hold of each is in `tests/fuzzing/oracle.py`.
"""

from collections import Counter
from unittest.mock import ANY

import pytest

from lstm_textgen.checkpoint import format, reader
from lstm_textgen.checkpoint.plain_json import parse
from tests.forging import take_apart
from tests.fuzzing.bases import good_files
from tests.fuzzing.mutations import RAW, STRUCTURAL, crowd, mutated
from tests.fuzzing.oracle import ACCEPTED, Wrong, judge, memory_limited

SEED = 5
FILES = 3000


@pytest.fixture(scope="module")
def bases():
    return good_files()


@pytest.fixture
def try_all(tmp_path, bases):
    """Judge many files; what became of them."""

    def run(numbers):
        tally = Counter()
        with memory_limited():
            for number in numbers:
                data, _ = mutated(bases, SEED, number)
                tally[judge(tmp_path / "mutated.safetensors", data).reason] += 1
        return tally

    return run


def test_no_file_breaks_a_promise(try_all):
    """
    Each is refused in words, or means exactly what it says and can be let write.

    In a second of work and a hundred megabytes. Enough are accepted, and refused for
    enough reasons, that the changes reach every check.
    """
    tally = try_all(range(FILES))

    assert tally[ACCEPTED] > FILES / 20
    assert len(tally) > 60


def test_a_file_can_be_made_again(bases):
    """By its seed and number alone, so that a failure can be looked into."""
    assert mutated(bases, 1, 77) == mutated(bases, 1, 77)
    assert mutated(bases, 1, 77) != mutated(bases, 2, 77)


def test_every_change_is_made(bases):
    """Among a few thousand files, but for the dear ones."""
    made = {name for number in range(2000) for name in mutated(bases, 1, number)[1]}

    assert made - {crowd.__name__} == {each.__name__ for each in (*STRUCTURAL, *RAW)}


BLIND = {
    "numbers are not looked at": (format, "_check_numbers", lambda name, tensors: None),
    "numbers are not summed": (reader, "tensors_sha256", lambda tensors: ANY),
    "names and shapes are not compared": (
        *(format, "_check_specs"),
        lambda *_: None,
    ),
    "errors quote as it comes": (reader, "shorten", str),
}
"""Readers that lack a check: where it stands, and what does nothing in its place."""


@pytest.mark.parametrize("name", BLIND)
def test_a_reader_that_lacks_a_check_is_found_out(try_all, monkeypatch, name):
    """The oracle would notice: each of these breaks a promise within the first files."""
    module, function, nothing = BLIND[name]
    monkeypatch.setattr(module, function, nothing)

    with pytest.raises((Wrong, RuntimeError, TypeError)):
        try_all(range(FILES))


def test_a_reader_that_lets_a_setting_default_is_found_out(
    tmp_path, bases, monkeypatch
):
    """What a file does not say must not be made up."""
    parts = take_apart(bases[0])
    del parts.description["model"]["residual"]
    monkeypatch.setattr(format, "_whole_model", lenient)

    with pytest.raises(Wrong, match="model is"):
        judge(tmp_path / "mutated.safetensors", parts.sealed())


def lenient(data):
    return format.from_json(format.ModelConfig, data, "model")


def test_the_crowded_ones_are_cheap(tmp_path, bases):
    """A header just below the cap of values takes far less than the memory allowed."""
    for piece in (b"[],", b"{},", b"[[[[]]]],", b"1e9,", b'"\xd1\x8f",'):
        count = 125_000 // (sum(map(piece.count, b",[{")) or 1)
        raw = b'{"a":[' + piece * count + b"0]}"
        assert isinstance(parse(raw.decode()), dict)
        with memory_limited():
            verdict = judge(
                tmp_path / "crowded.safetensors", len(raw).to_bytes(8, "little") + raw
            )
        assert "says nothing" in verdict.reason
