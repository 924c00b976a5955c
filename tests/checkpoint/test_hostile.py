"""Files that are damaged, foreign or made to do harm, and what refusing them costs."""

import dataclasses
import os
import random
import tracemalloc

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.container import TensorSpec
from lstm_textgen.checkpoint.format import load_checkpoint, save_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig, to_json
from lstm_textgen.errors import CheckpointError, MissingError
from lstm_textgen.model.weights import skeleton
from lstm_textgen.paths import bundled_folder
from lstm_textgen.strict_json import CROWD_CAP, parse
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.builders import to_checkpoint, wrong_tensors
from tests.forging import compact, container, entry, sha256
from tests.fuzzing.oracle import memory_limited

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def refused(path, kind=CheckpointError):
    """The error for *path*, which names it and has two parts."""
    with pytest.raises(kind) as caught:
        load_checkpoint(path)
    assert str(path) in caught.value.problem
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_by_name(tmp_path, zipped):
    """What torch.save writes, new or old, is called what it is and never opened."""
    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=zipped)

    error = refused(path)

    assert ("zip" if zipped else "pickle") in error.problem
    assert "pickle can run code" in error.remedy


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (LFS, "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n <html lang=en>", "web page"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc", "gzip"),
        ("Ein Fuchs sah hoch am Weinstock süße Trauben hängen.".encode(), "a text"),
        (b'{"model": 1}', "a text"),
        (b"\x00\x01\x02", "not a safetensors file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "not a safetensors file"),
        (bytes(100), "not a safetensors file"),
        ((2**63).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((4 * 2**20 + 1).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((1000).to_bytes(8, "little") + b"{}", "cut off"),
    ],
    ids=str,
)
def test_other_files_are_called_what_they_are(tmp_path, data, word):
    """A stray download, an archive, a corpus: the error says which."""
    path = tmp_path / "file"
    path.write_bytes(data)

    assert word in refused(path).problem


def test_a_text_cut_inside_a_character_is_still_a_text(tmp_path):
    """The 64 bytes that are looked at may end anywhere."""
    for shift in range(4):
        path = tmp_path / "file"
        path.write_bytes(b"x" * shift + "日本語".encode() * 20)
        assert "a text" in refused(path).problem


def test_what_is_no_file_at_all(tmp_path):
    """A folder or a pipe is refused without waiting; a missing file is missing."""
    os.mkfifo(tmp_path / "pipe")

    refused(tmp_path)
    refused(tmp_path / "pipe")
    refused(tmp_path / "none", MissingError)
    refused(tmp_path / "pipe" / "below", MissingError)
    with pytest.raises(MissingError):
        load_checkpoint(tmp_path / "a\0b")


def test_a_file_over_the_cap_is_not_read(tmp_path):
    """A sparse file of 3 GiB costs nothing to refuse."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)

    assert "3221225472 bytes" in refused(path).problem


@pytest.mark.slow
def test_every_truncation_is_refused(tmp_path, saved):
    """
    No beginning of a good file is taken for one, nor is a byte more.

    Byte by byte for a small file; a real one is refused by its header, at any length.
    """
    data = saved.read_bytes()
    path = tmp_path / "short"
    path.write_bytes(data + b"\0")
    refused(path)
    for length in range(len(data) - 1, -1, -1):
        os.truncate(path, length)
        refused(path)

    data = (bundled_folder("checkpoints") / "fables.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    path.write_bytes(data)
    for length in (len(data) - 1, len(data) // 2, header + 1, header, header - 1, 9, 8):
        os.truncate(path, length)
        refused(path)


@pytest.mark.slow
def test_every_flipped_bit_is_found(tmp_path, saved):
    """In length, header, description and weights: a random bit of every 13th byte."""
    data = bytearray(saved.read_bytes())
    path = tmp_path / "flipped"
    bits = random.Random(7)
    for place in [*range(8), *range(8, len(data), 13)]:
        mask = 1 << bits.randrange(8)
        data[place] ^= mask
        path.write_bytes(data)
        refused(path)
        data[place] ^= mask


@pytest.mark.parametrize(
    "tensors",
    [
        {"a": entry(), "b": entry()},
        {"a": entry(places=(0, 4)), "b": entry(places=(3, 7))},
        {"a": entry(places=(0, 4)), "b": entry(places=(5, 9))},
        {"a": entry(places=(1, 5))},
        {"a": entry(places=(4, 0))},
        {"a": entry(places=(0, 8))},
        {"a": entry(places=(-4, 0))},
        {"a": entry(places=(0, 4, 4))},
        {"a": entry(places=(0, 4.0))},
        {"a": entry(places=(False, 4))},
        {"a": entry(shape=(True,))},
        {"a": entry(shape=(-1,))},
        {"a": entry(shape=(2**62, 4), places=(0, 2**64))},
        {"a": entry(shape=(2**32, 2**32), places=(0, 0))},
        {"a": entry(shape=(0, 2**30, 2**30), places=(0, 0))},
        {"a": entry(shape=(10**4000,), places=(0, 4 * 10**4000))},
        {"a": entry(shape=(1,) * 9)},
        {"a": entry(shape=(2**29,), places=(0, 2**31))},
        {"a": entry(dtype="F64", places=(0, 8))},
        {"a": entry(dtype="f32")},
        {"a": entry(dtype=["F32"])},
        {"a": entry(dtype={"F32": 1})},
        {"a": {**entry(), "more": 1}},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {**entry(), "shape": 1}},
        {"a": None},
        {"a": [[[[[[[[1]]]]]]]]},
        {str(i): entry(places=(4 * i, 4 * i + 4)) for i in range(300)},
        {"\ud800": entry()},
    ],
    ids=lambda tensors: str(tensors)[:60],
)
def test_a_table_of_tensors_that_cannot_be(cost, parts, tensors):
    """Overlaps, gaps, wrong sizes and types, and numbers made to overflow."""
    texts = {"__metadata__": parts.header()["__metadata__"]}
    peak_bytes, problem = cost(container({**texts, **tensors}, bytes(8)))

    assert peak_bytes < 2**21
    assert len(problem) < 500


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"{}",
        b"{}" + b" " * 6,
        b'{"__metadata__":{}}',
        b'{"__metadata__":null}',
        b'{"__metadata__":["lstm_textgen"]}',
        b'{"__metadata__":{"lstm_textgen":1}}',
        b'{"__metadata__":{"lstm_textgen":"{"}}',
        b'{"__metadata__":{"lstm_textgen":"[]"}}',
        b'{"__metadata__":{"lstm_textgen":"{}"}}',
        b'{"__metadata__":{"lstm_textgen":"{}","format":"pt"}}',
        b'{"__metadata__":{"lstm_textgen":"{}"},"__metadata__":{"lstm_textgen":"{}"}}',
        b'{"__metadata__":{"lstm_textgen":"\xff"}}',
        b'{"a":' * 100_000,
        b'{"__metadata__":{"lstm_textgen":"' + b"[" * 100_000 + b'"}}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=lambda header: str(header[:60]),
)
def test_a_header_that_cannot_be(forge, header):
    """No text of ours, two of them, broken ones, endless ones."""
    refused(forge(header))


def test_a_text_that_is_not_canonical(forge, parts):
    """A space more, with a checksum that still fits, is another file, so refused."""
    load_checkpoint(forge(parts.header(), parts.body))

    spaced = parts.text().replace(":", ": ", 1)
    refused(forge(parts.header(spaced), parts.body))


def test_weights_must_be_those_of_the_checksum(forge, parts):
    """A checksum of the weights that is missing or no text is refused."""
    for wrong in (None, 1, "", "00" * 32):
        described = {**parts.description, "tensors_sha256": wrong}
        sealed = {**described, "metadata_sha256": sha256(compact(described))}
        refused(forge(parts.header(compact(sealed)), parts.body))


@pytest.fixture
def repacked(tmp_path, parts):
    """A file with valid checksums whose description or tensors are changed."""

    def write(changes, tensors=None):
        path = tmp_path / "repacked"
        changed = parts.changed(**changes)
        if tensors is not None:
            changed = changed.laid_out({k: piece(t) for k, t in tensors.items()})
        path.write_bytes(changed.sealed())
        return path

    return write


def piece(tensor):
    """Type, shape and bytes of a tensor."""
    spec = TensorSpec.of(tensor)
    return spec.dtype, list(spec.shape), tensor.tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"format": 0, "min_reader": 0},
        {"format": True},
        {"format": "1"},
        {"format": ...},
        {"min_reader": ...},
        {"min_reader": 1.0},
        {"licence": None},
        {"note": ["x"]},
        {"note": "x" * 10_001},
        {"note": "a\0b"},
        {"licence": ...},
        {"made_by": "me"},
        {"made_by": {"torch": 2}},
        {"made_by": {"torch": {}}},
        {"model": None},
        {"model": {"cell": "transformer"}},
        {"model": {"hidden": 3.0}},
        {"model": {"hidden": 0}},
        {"model": {"hidden": True}},
        {"model": {"heads": 8}},
        {"vocabulary": None},
        {"vocabulary": {"kind": "char"}},
        {"vocabulary": {"kind": "char", "characters": "ba", "unknown": None}},
        {"vocabulary": {"kind": "char", "characters": "", "unknown": None}},
        {"vocabulary": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]},
        {"training": {"steps": -1}},
        {"training": {"steps": "7"}},
        {"training": {"corpus": "\ud800"}},
        {"training": {"host": "here"}},
        {"training": {"validation_start": 5, "validation_stop": 4}},
    ],
    ids=str,
)
def test_a_description_that_cannot_be(repacked, changes):
    """Unknown, missing, mistyped and impossible entries, with fitting checksums."""
    refused(repacked(changes))


def test_a_description_from_the_future(repacked):
    """A newer format is refused by what it needs, and names the version."""
    made_by = {"lstm_textgen": "1.4.0", "torch": "3.0", "python": "3.15"}
    newer = {"format": 3, "min_reader": 2, "made_by": made_by, "more": 1}

    error = refused(repacked(newer))

    assert "format 2" in error.problem
    assert "lstm-textgen>=1.4.0" in error.remedy
    assert load_checkpoint(repacked({**newer, "min_reader": 1})).made_by == made_by


@pytest.mark.parametrize(
    "version", ["1; rm -rf ~", "1.0\n", "\x1b[2J", 7, None, "9" * 99]
)
def test_no_stranger_writes_the_remedy(repacked, version):
    """A version that is none is not put into a command to be copied."""
    made_by = {"lstm_textgen": version}

    error = refused(repacked({"format": 2, "min_reader": 2, "made_by": made_by}))

    assert error.remedy == "Upgrade: pip install --upgrade lstm-textgen"


def test_tensors_that_are_not_those_of_the_settings(repacked, checkpoint):
    """One more, one less, renamed, turned, mixed types, not finite."""
    tensors = checkpoint.tensors
    head = tensors["head.weight"]
    not_finite = {**tensors, "head.weight": head * np.float32(np.nan)}

    for wrong in (*wrong_tensors(tensors), not_finite):
        refused(repacked({}, wrong))


@pytest.fixture
def cost(tmp_path):
    """The most bytes that refusing a file takes, and the problem that is named."""

    def measure(data):
        path = tmp_path / "dear"
        path.write_bytes(data)
        tracemalloc.start()
        try:
            error = refused(path)
            return tracemalloc.get_traced_memory()[1], error.problem
        finally:
            tracemalloc.stop()

    return measure


@pytest.mark.parametrize("piece", ["[],", "{},", "[[[[]]]],", '{"":{}},', '"я",'])
def test_a_header_of_nothing_but_small_values(cost, piece):
    """
    Each of three bytes once became a list or an object of fifty and more.

    Four megabytes of them took more than a hundred. They are counted first.
    """
    raw = b'{"a":[' + (piece * (3_900_000 // len(piece.encode()))).encode() + b"0]}"
    peak_bytes, problem = cost(container(raw))

    assert "too many values" in problem
    assert peak_bytes < 30e6


def test_values_are_counted_before_they_are_made():
    """Up to the cap a text is read, whatever the commas in its strings."""
    most = (CROWD_CAP - 1) // 2

    assert parse("[" + "[]," * (most - 1) + "[]]") == [[]] * most
    assert parse('"' + "," * CROWD_CAP + '"') == "," * CROWD_CAP
    with pytest.raises(ValueError, match="too many"):
        parse("[" + "[]," * (most + 1) + "[]]")


NETWORK = ModelConfig(layers=2, hidden=3, embedding=2, initial_state="learned")
HUGE = dataclasses.replace(NETWORK, layers=16, hidden=8192, embedding=8192)
ASTRAL = "".join(map(chr, range(0x10000, 0x10000 + 280_000)))
CHINESE = "".join(map(chr, range(0x4E00, 0x9E00)))


def spelled(characters, unknown=None):
    """A description with this vocabulary."""
    vocabulary = {"kind": "char", "characters": characters, "unknown": unknown}
    return {"vocabulary": vocabulary}


@pytest.mark.parametrize(
    ("changes", "word", "most_bytes"),
    [
        ({"model": to_json(HUGE)}, "imply", 2e6),
        ({"model": {**to_json(NETWORK), "x" * 3_000_000: 1}}, "no setting", 30e6),
        (spelled(ASTRAL), "imply", 60e6),
        (spelled(CHINESE * 27), "not sorted", 60e6),
        (spelled("ab" * 1_900_000), "not sorted", 60e6),
        (spelled("ab", "\x1b" * 500_000), "unknown mark '\\x1b", 30e6),
    ],
    ids=["network", "setting", "many", "in disorder", "two, often", "unknown mark"],
)
def test_an_endless_description(cost, parts, changes, word, most_bytes):
    """
    It is refused by arithmetic, and not repeated in the error.

    Looking for the nearest known name once indexed every letter of a stranger's:
    three million took 111 MB. A vocabulary was sorted as texts of one character each:
    half a second and 59 MB.
    """
    peak_bytes, problem = cost(parts.changed(**changes).sealed())

    assert word in problem
    assert len(problem) < 500
    assert peak_bytes < most_bytes


def test_reading_takes_the_memory_of_the_file(tmp_path):
    """A good file of 60 MB is read in little more than that."""
    config = ModelConfig(hidden=1900, embedding=1)
    model = skeleton(config, 2, "cpu")
    path = tmp_path / "large.safetensors"
    for parameter in model.parameters():
        parameter.data.zero_()
    save_checkpoint(path, to_checkpoint(model, CharTokenizer("ab"), TrainingRecord()))
    del model, parameter
    size_bytes = path.stat().st_size

    with memory_limited(int(1.2 * size_bytes)):
        assert load_checkpoint(path).model == config
    assert size_bytes > 57e6
