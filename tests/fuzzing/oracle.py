"""What must hold of every file, whatever is in it."""

import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstm_textgen.checkpoint.container import TensorSpec, pack
from lstm_textgen.checkpoint.format import (
    FORMAT,
    MODEL,
    NEWLINE,
    Checkpoint,
    load_checkpoint,
    to_metadata,
)
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import to_json
from lstm_textgen.errors import CheckpointError, TextgenError
from lstm_textgen.model.weights import build_model
from lstm_textgen.sampling.writer import Writer
from tests.forging import take_apart, text_in

LOAD_S = 1.0
"""Seconds of the processor that reading a file may take."""

MEMORY_BYTES = 100 * 10**6
"""Bytes that may be taken beyond what was there before the first file."""

ACCEPTED = "accepted"


class Wrong(AssertionError):
    """What fuzzing looks for."""


@dataclass(frozen=True)
class Verdict:
    """What became of a file."""

    reason: str
    """Why it was refused, without what is special to the file; or `ACCEPTED`."""

    load_s: float


def judge(path: Path, data: bytes, *, load_s: float = LOAD_S) -> Verdict:
    """
    Read a file, and hold the reader to its promises.

    It is refused by a `CheckpointError` that tells in plain words what is wrong, or it
    means exactly what it says: `check_meaning`.

    Args:
        path: Where to put it.
        data: The file.
        load_s: Seconds of the processor that reading it may take.

    Raises:
        Wrong: A promise is broken.
        Exception: Anything but a `TextgenError` left the reader.
    """
    put(path, data)
    began_s = time.process_time()
    try:
        loaded = load_checkpoint(path)
    except TextgenError as error:
        verdict = Verdict(reason_of(error, path), time.process_time() - began_s)
        check_refusal(error, path)
    else:
        verdict = Verdict(ACCEPTED, time.process_time() - began_s)
        check_meaning(loaded, data)
        check_that_it_lasts(loaded, path.with_name("again.safetensors"))
        check_that_it_writes(loaded)
    demand(verdict.load_s < load_s, f"reading took {verdict.load_s:.1f} s")
    return verdict


def check_refusal(error: TextgenError, path: Path) -> None:
    """Its words name the file, and a stranger's are short and quoted in them."""
    demand(isinstance(error, CheckpointError), f"{type(error).__name__} was raised")
    demand(error.problem.startswith(str(path)), "the file is not named")
    demand(len(error.problem) < len(str(path)) + 500, "the problem is endless")
    demand(error.problem.isprintable(), "the problem holds control characters")
    demand(bool(error.remedy) and error.remedy.isprintable(), "there is no remedy")


def check_meaning(loaded: Checkpoint, data: bytes) -> None:
    """What was understood is what the file says, found out without the reader."""
    parts = take_apart(data)
    # made anew with both checksums it is the text in the file, to the letter
    demand(parts.text() == text_in(data), "a checksum does not fit")
    said = dict(parts.description)
    said["training"] = {**to_json(TrainingRecord()), **NEWLINE, **said["training"]}
    actual = to_metadata(loaded)
    if said["format"] == FORMAT:
        demand(said.keys() == actual.keys(), "a key was passed over")
    for key in actual.keys() - {"format", "min_reader"}:
        demand(
            same(actual[key], said[key]),
            f"{key} is {actual[key]}, not {said[key]}",
        )
    check_tensors(loaded, parts.pieces())


def check_tensors(
    loaded: Checkpoint, pieces: dict[str, tuple[str, list[int], bytes]]
) -> None:
    """Names, types, shapes and bits are those in the file, and all are numbers."""
    demand(loaded.tensors.keys() == pieces.keys(), "there are other tensors")
    for name, tensor in loaded.tensors.items():
        dtype, shape, raw = pieces[name]
        demand(TensorSpec.of(tensor) == TensorSpec(dtype, tuple(shape)), f"{name} is")
        demand(tensor.tobytes() == raw, f"{name} has other numbers")
        wide = np.frombuffer(raw, "<u4" if dtype == "F32" else "<u2").astype(np.uint32)
        numbers = (wide if dtype == "F32" else wide << 16).view(np.float32)
        demand(bool((np.abs(numbers) <= 2.0**53).all()), f"{name} has no numbers")


def check_that_it_lasts(loaded: Checkpoint, path: Path) -> None:
    """Saved and read again, it is the same."""
    data = pack(loaded.tensors, MODEL, to_metadata(loaded))
    put(path, data)
    again = load_checkpoint(path)
    demand(to_metadata(again) == to_metadata(loaded), "saved, it says something else")
    same_bits = all(
        again.tensors[name].tobytes() == tensor.tobytes()
        for name, tensor in loaded.tensors.items()
    )
    demand(same_bits and len(again.tensors) == len(loaded.tensors), "other numbers")
    demand(pack(again.tensors, MODEL, to_metadata(again)) == data, "other bytes")


def check_that_it_writes(loaded: Checkpoint) -> None:
    """It can be let write, and writes what it knows."""
    text = Writer(build_model(loaded), loaded.tokenizer).generate(length=3)
    demand(len(text) == 3, f"{len(text)} characters were written")
    demand(all(char in loaded.tokenizer for char in text), "unknown ones were written")


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are the same number, 1 and true are not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() == other.keys()
        return keys and all(same(one[key], other[key]) for key in one)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def reason_of(error: TextgenError, path: Path) -> str:
    """The problem without names and numbers, so that alike ones can be counted."""
    text = error.problem.removeprefix(f"{path} ")
    text = re.sub(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[.*\]|\{.*\}""", "…", text)
    text = re.sub(r"0x\w+|\\\w+|-?\d(?:[\d.,e+-]*\d)?|True|False|None", "N", text)
    return re.sub(r" is (N|…)\.$", " is N.", text)[:80]


def put(path: Path, data: bytes) -> None:
    """Write a new file: some systems wait for the disk where an old one is emptied."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def demand(ok: bool, otherwise: str) -> None:
    if not ok:
        raise Wrong(otherwise)


@contextmanager
def memory_limited(more_bytes: int = MEMORY_BYTES) -> Iterator[None]:
    """Give no more than this beyond what the process has now, as `ulimit -v` does."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
