"""Packing tensors and reading them again."""

import hashlib
import json
import struct

import pytest
import safetensors
import safetensors.torch
import torch

from lstm_textgen.checkpoint.container import TensorSpec, pack, tensors_sha256
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.errors import CheckpointError
from lstm_textgen.runs.directory import STATE


@pytest.fixture
def tensors():
    """Every type, a scalar, an empty one, a view with gaps, two of one memory."""
    shared = torch.arange(12.0).reshape(3, 4)
    return {
        "z": torch.tensor(-0.0),
        "views": shared.T[::2],
        "again": shared,
        "half": torch.randn(5, generator=torch.Generator().manual_seed(7)).bfloat16(),
        "double": torch.tensor([1e300, torch.inf, torch.nan], dtype=torch.float64),
        "ids": torch.tensor([[-1], [2**62]]),
        "generator": torch.Generator().get_state(),
        "none": torch.zeros(0, 3),
        "ä": torch.ones(1, requires_grad=True),
    }


def same_bits(tensor, other):
    as_bytes = [
        t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (tensor, other)
    ]
    return TensorSpec.of(tensor) == TensorSpec.of(other) and torch.equal(*as_bytes)


def test_every_tensor_comes_back_bit_for_bit(tmp_path, tensors):
    """Type, shape and bits survive, those of NaN and -0.0 too, and so does the text."""
    path = tmp_path / "state"
    path.write_bytes(pack(tensors, STATE, {"step": 3, "text": "é\n"}))

    with open_container(path, STATE) as container:
        found = container.read_tensors()

    assert container.metadata == {"step": 3, "text": "é\n"}
    assert found.keys() == tensors.keys()
    assert all(same_bits(found[name], tensors[name]) for name in tensors)


def test_tensors_can_be_written_to(tmp_path, tensors):
    """Each tensor has memory of its own, as training on needs it."""
    path = tmp_path / "state"
    path.write_bytes(pack(tensors, STATE, {}))

    with open_container(path, STATE) as container:
        found = container.read_tensors()
    found["views"].zero_()

    assert torch.equal(found["again"], tensors["again"])


def test_the_library_reads_what_we_pack(tmp_path, tensors):
    """`safe_open` finds the same tensors, and our one key beside them."""
    path = tmp_path / "state"
    path.write_bytes(pack(tensors, STATE, {"step": 3}))

    with safetensors.safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        texts = file.metadata()

    assert all(same_bits(found[name], tensors[name]) for name in tensors)
    assert list(texts) == ["lstm_textgen_state"]
    assert json.loads(texts["lstm_textgen_state"])["step"] == 3


def test_we_read_what_another_writer_lays_out(tmp_path, forge):
    """A file packed by hand with struct, tensors in another order, is read."""
    tensor = torch.tensor([1.0, -2.5])
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

    assert torch.equal(found["a"], tensor)
    assert torch.equal(found["b"], tensor)


def test_the_same_content_has_the_same_bytes(tensors):
    """The order in which names and keys were added does not show."""
    turned = dict(reversed(tensors.items()))

    assert pack(tensors, STATE, {"a": 1, "b": 2}) == pack(
        turned, STATE, {"b": 2, "a": 1}
    )


def test_the_checksum_by_hand():
    """It runs over a line of JSON and the raw bytes of each tensor, by name."""
    tensors = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor(7)}
    lines = b'["a","I64",[]]\n' + struct.pack("<q", 7)
    lines += b'["b","F32",[2]]\n' + struct.pack("<2f", 1.0, 2.0)

    assert tensors_sha256(tensors) == hashlib.sha256(lines).hexdigest()


def test_what_could_not_be_read_again_is_not_packed():
    """A description of more than 4 MiB is refused before anything is written."""
    with pytest.raises(CheckpointError) as caught:
        pack({}, STATE, {"text": "x" * 5 * 2**20})

    assert caught.value.remedy


def test_one_kind_is_not_taken_for_the_other(tmp_path, saved):
    """The state of a run does not open as a model, nor a model as a state."""
    with pytest.raises(CheckpointError), open_container(saved, STATE):
        pass
