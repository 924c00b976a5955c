"""Files made to be dear: what refusing them may cost."""

import os
import time
import tracemalloc

import pytest
import torch

from lstm_textgen.checkpoint.container import pack
from lstm_textgen.checkpoint.format import load_checkpoint, save_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.errors import CheckpointError
from lstm_textgen.model.weights import skeleton, to_checkpoint
from lstm_textgen.paths import bundled_folder
from lstm_textgen.runs.directory import STATE
from lstm_textgen.strict_json import CROWD_CAP, parse
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.forging import container
from tests.fuzzing.oracle import memory_limited


@pytest.fixture
def cost(tmp_path):
    """Bytes and seconds of the processor that refusing a file takes."""

    def measure(data):
        path = tmp_path / "dear"
        path.write_bytes(data)
        tracemalloc.start()
        try:
            with pytest.raises(CheckpointError) as caught:
                load_checkpoint(path)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        began_s = time.process_time()
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
        return peak_bytes, time.process_time() - began_s, caught.value.problem

    return measure


@pytest.mark.parametrize("piece", ["[],", "{},", "[[[[]]]],", '{"":{}},', '"я",'])
def test_a_header_of_nothing_but_small_values(cost, piece):
    """
    Each of three bytes once became a list or an object of fifty and more.

    Four megabytes of them took more than a hundred. They are counted first.
    """
    raw = b'{"a":[' + (piece * (3_900_000 // len(piece.encode()))).encode() + b"0]}"
    peak_bytes, cpu_s, problem = cost(container(raw))

    assert "too many values" in problem
    assert peak_bytes < 30e6
    assert cpu_s < 0.5


def test_values_are_counted_before_they_are_made():
    """Up to the cap a text is read, whatever the commas in its strings."""
    most = (CROWD_CAP - 1) // 2

    assert parse("[" + "[]," * (most - 1) + "[]]") == [[]] * most
    assert parse('"' + "," * CROWD_CAP + '"') == "," * CROWD_CAP
    with pytest.raises(ValueError, match="too many"):
        parse("[" + "[]," * (most + 1) + "[]]")


def test_what_is_too_crowded_to_be_read_is_not_packed():
    """A description that no reader would take is refused before it is written."""
    with pytest.raises(CheckpointError, match="read again"):
        pack({}, STATE, {"many": [0] * 2 * CROWD_CAP})


def test_an_endless_name_of_a_setting(cost, parts):
    """
    Looking for the nearest known name once indexed every letter of a stranger's.

    Three million of them took 111 MB.
    """
    model = {**parts.description["model"], "x" * 3_000_000: 1}
    peak_bytes, cpu_s, problem = cost(parts.changed(model=model).sealed())

    assert "no setting named" in problem
    assert len(problem) < 500
    assert peak_bytes < 30e6
    assert cpu_s < 0.5


@pytest.mark.parametrize(
    ("characters", "word"),
    [
        ("".join(map(chr, range(0x10000, 0x10000 + 280_000))), "imply"),
        ("".join(map(chr, range(0x4E00, 0x9E00))) * 27, "not sorted"),
        ("ab" * 1_900_000, "not sorted"),
    ],
    ids=["many", "many in disorder", "two, often"],
)
def test_an_endless_vocabulary(cost, parts, characters, word):
    """It was sorted as texts of one character each: half a second and 59 MB."""
    vocabulary = {"kind": "char", "characters": characters, "unknown": None}
    peak_bytes, cpu_s, problem = cost(parts.changed(vocabulary=vocabulary).sealed())

    assert word in problem
    assert peak_bytes < 60e6
    assert cpu_s < 0.5


def test_an_endless_unknown_mark(cost, parts):
    """It is not repeated in the error."""
    vocabulary = {"kind": "char", "characters": "ab", "unknown": "\x1b" * 500_000}
    _, _, problem = cost(parts.changed(vocabulary=vocabulary).sealed())

    assert "unknown mark '\\x1b" in problem
    assert len(problem) < 500


def test_a_real_model_that_is_cut_off(tmp_path):
    """Every 10 kB, and byte by byte at its end: refused by the header alone."""
    path = tmp_path / "cut.safetensors"
    data = (bundled_folder("checkpoints") / "fables.safetensors").read_bytes()
    path.write_bytes(data)
    assert load_checkpoint(path)

    ends = range(len(data) - 1, len(data) - 9, -1)
    for length in (*ends, *range(len(data) // 10_000 * 10_000, -1, -10_000)):
        os.truncate(path, length)
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def test_reading_takes_the_memory_of_the_file(tmp_path):
    """A good file of 60 MB is read in little more than that."""
    config = ModelConfig(hidden=1900, embedding=1)
    model = skeleton(config, 2, "cpu")
    path = tmp_path / "large.safetensors"
    for parameter in model.parameters():
        parameter.data.zero_()
    save_checkpoint(path, to_checkpoint(model, CharTokenizer("ab"), TrainingRecord()))
    del model, parameter
    torch.ones(10**6).aminmax()  # starts the threads, which take memory of their own
    size_bytes = path.stat().st_size

    with memory_limited(int(1.2 * size_bytes)):
        assert load_checkpoint(path).model == config
    assert size_bytes > 57e6
