"""Packing arrays and reading them again, and the number formats that NumPy lacks."""

import hashlib
import json
import struct

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from lstm_textgen.checkpoint.container import (
    BF16,
    TensorSpec,
    pack,
    rounded_rows,
    tensors_sha256,
    to_bfloat16,
    widen,
)
from lstm_textgen.checkpoint.format import MODEL
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.errors import CheckpointError
from lstm_textgen.runs.directory import STATE
from lstm_textgen.strict_json import CROWD_CAP


@pytest.fixture
def tensors():
    """Every number format, a scalar, an empty one, a view with gaps, shared memory."""
    shared = np.arange(12, dtype=np.float32).reshape(3, 4)
    return {
        "z": np.array(-0.0, np.float32),
        "views": shared.T[::2],
        "again": shared,
        "half": np.array([0x3F80, 0x7FC1, 0xFF80], BF16),
        "double": np.array([1e300, np.inf, np.nan]),
        "ids": np.array([[-1], [2**62]]),
        "generator": np.arange(256, dtype=np.uint8),
        "none": np.zeros((0, 3), np.float32),
        "ä": np.ones(1, np.float32),
    }


def same_bits(array, other):
    same_spec = TensorSpec.of(array) == TensorSpec.of(other)
    return same_spec and array.tobytes() == other.tobytes()


def test_every_tensor_comes_back_bit_for_bit(tmp_path, tensors):
    """Type, shape and bits survive, those of NaN and -0.0 too, and so does the text."""
    path = tmp_path / "state"
    path.write_bytes(pack(tensors, STATE, {"step": 3, "text": "é\n"}))

    with open_container(path, STATE) as container:
        found = container.read_tensors()

    assert container.metadata == {"step": 3, "text": "é\n"}
    assert found.keys() == tensors.keys()
    assert all(same_bits(found[name], tensors[name]) for name in tensors)
    found["views"][:] = 0  # each has memory of its own, as resumed training needs it
    assert same_bits(found["again"], tensors["again"])


def test_the_bytes_are_those_of_the_library(tmp_path, tensors):
    """`safetensors` reads the file, and would write exactly the same one."""
    path = tmp_path / "state"
    path.write_bytes(pack(tensors, STATE, {"step": 3, "text": 'é"\\\n\x7f'}))

    with safetensors.safe_open(path, framework="pt") as file:
        theirs = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()

    assert json.loads(metadata["lstm_textgen_state"])["step"] == 3
    assert theirs["half"].dtype == torch.bfloat16
    assert safetensors.torch.save(theirs, metadata) == path.read_bytes()


def test_we_read_what_another_writer_lays_out(tmp_path, forge):
    """A file packed by hand with struct, tensors in another order, is read."""
    tensor = np.array([1.0, -2.5], np.float32)
    raw = struct.pack("<2f", 1.0, -2.5)
    text = {"tensors_sha256": tensors_sha256({"b": tensor, "a": tensor})}
    own = hashlib.sha256(json.dumps(text, separators=(",", ":")).encode()).hexdigest()
    text = {"metadata_sha256": own, **text}
    header = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
        "__metadata__": {STATE.key: json.dumps(text, separators=(",", ":"))},
        "b": {"shape": [2], "data_offsets": [0, 8], "dtype": "F32"},
    }

    with open_container(forge(header, raw + raw), STATE) as container:
        found = container.read_tensors()

    assert same_bits(found["a"], tensor)
    assert same_bits(found["b"], tensor)


def test_the_same_content_has_the_same_bytes(tensors):
    """The order in which names and keys were added does not show."""
    turned = dict(reversed(tensors.items()))

    assert pack(tensors, STATE, {"a": 1, "b": 2}) == pack(
        turned, STATE, {"b": 2, "a": 1}
    )


def test_the_checksum_by_hand():
    """It runs over a line of JSON and the raw bytes of each tensor, by name."""
    tensors = {"b": np.array([1.0, 2.0], np.float32), "a": np.array(7)}
    lines = b'["a","I64",[]]\n' + struct.pack("<q", 7)
    lines += b'["b","F32",[2]]\n' + struct.pack("<2f", 1.0, 2.0)

    assert tensors_sha256(tensors) == hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize(
    "metadata", [{"text": "x" * 5 * 2**20}, {"many": [0] * 2 * CROWD_CAP}]
)
def test_what_could_not_be_read_again_is_not_packed(metadata):
    """A description of more than 4 MiB, or of too many values, is not written."""
    with pytest.raises(CheckpointError, match="read again"):
        pack({}, STATE, metadata)


def test_one_kind_is_not_taken_for_the_other(tmp_path, saved):
    """The state of a run does not open as a model, nor a model as a state."""
    state = tmp_path / "state"
    state.write_bytes(pack({}, STATE, {}))

    for path, kind in ((saved, STATE), (state, MODEL)):
        with pytest.raises(CheckpointError), open_container(path, kind):
            pass


def test_bfloat16_is_rounded_as_torch_rounds():
    """To the nearest, ties to even, up to infinity; and every number is widened."""
    bits = np.arange(0, 2**32, 997, dtype=np.uint32)
    halfway = (np.arange(2**16, dtype=np.uint32) << 16) | 0x8000
    values = np.concatenate([bits, halfway, halfway + 1, halfway - 1]).view(np.float32)
    numbers = values[~np.isnan(values)]

    theirs = torch.from_numpy(numbers).bfloat16()
    ours = to_bfloat16(numbers)

    assert np.array_equal(ours, theirs.view(torch.uint16).numpy())
    assert np.array_equal(widen(ours), theirs.float().numpy())
    assert np.isnan(widen(to_bfloat16(values[np.isnan(values)]))).all()


def test_every_number_is_within_half_a_step():
    """In each row by the step of that row, however different the rows are."""
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(6, 50)) * 10.0 ** np.arange(-3, 3)[:, None]

    multiples, scales = rounded_rows(matrix)

    assert multiples.dtype == np.int8
    assert (np.abs(multiples).max(axis=1) == 127).all()
    off = np.abs(multiples * scales[:, None] - matrix)
    assert (off <= scales[:, None] * (0.5 + 1e-9)).all()


def test_a_row_of_zeros_stays_one():
    """It has no largest number to divide by."""
    multiples, scales = rounded_rows(np.zeros((2, 3), np.float32))

    assert not multiples.any()
    assert scales.tolist() == [1, 1]
    assert scales.dtype == np.float32
