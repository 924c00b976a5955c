"""
Files that a stranger may hand over as a checkpoint, one of each kind.

`tests/checkpoint/test_hostile.py` has the variations of each.

`FILES` has for each a function that makes it of a good one, and words that the
refusal must have.
"""

import copy
import io
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

from tests.forging import Parts, compact, container, entry

ESCAPES = (
    "a\x1b]0;owned\x07\x1b[2J\x9b1;1H\x90q\x9c\x1b(0\x1b[?25l\x0e\x08\r\x0b\u202e\u2066"
)
"""Sets the title, clears, moves, hides the cursor, changes the letters, turns round."""

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

NAN, HUGE = b"\0\0\xc0\x7f", b"\x4a\x90\xb1\x5b"
"""Numbers of 32 bits; the second is about 1e17."""


class Opens:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return (open, ("owned", "w"))


def pickled(good: Parts) -> bytes:
    return pickle.dumps(Opens())


def zipped(good: Parts) -> bytes:
    """As torch.save writes: a zip with a pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", pickled(good))
    return file.getvalue()


def flipped_weight(good: Parts) -> bytes:
    """The last byte has one bit changed."""
    data = good.sealed()
    return data[:-1] + bytes([data[-1] ^ 1])


def described(**changes: Any) -> Callable[[Parts], bytes]:
    """Other words in the description, with checksums that fit."""
    return lambda good: good.changed(**changes).sealed()


def modelled(**changes: Any) -> Callable[[Parts], bytes]:
    """Other settings of the network."""
    return lambda good: good.changed(
        model={**good.description["model"], **changes}
    ).sealed()


def spelled(characters: str, unknown: str | None = None) -> Callable[[Parts], bytes]:
    """Another vocabulary."""
    vocabulary = {"kind": "char", "characters": characters, "unknown": unknown}
    return described(vocabulary=vocabulary)


def extended(name: str) -> Callable[[Parts], bytes]:
    """One tensor more."""
    more = {name: ("F32", [1], bytes(4))}
    return lambda good: good.laid_out({**good.pieces(), **more}).sealed()


def huge_shape(good: Parts) -> bytes:
    changed = copy.deepcopy(good)
    changed.entries["head.bias"] = entry(shape=(2**40,), places=(0, 2**42))
    return changed.sealed()


def weighed(raw: bytes) -> Callable[[Parts], bytes]:
    """Another first weight, with a checksum that fits."""

    def make(good: Parts) -> bytes:
        changed = copy.deepcopy(good)
        changed.body = raw + good.body[len(raw) :]
        return changed.sealed()

    return make


def many_tensors(good: Parts) -> bytes:
    tensors = {str(n): entry(places=(4 * n, 4 * n + 4)) for n in range(200_000)}
    header = {"__metadata__": {good.key: good.text()}, **tensors}
    return container(compact(header).encode(), bytes(800_000))


def many_names(good: Parts) -> bytes:
    names = {str(n): {} for n in range(200_000)}
    return container(compact({**good.header(), **names}).encode())


LONG = "x" * 3_000_000
SPACES = b"{" + b" " * 50_000_000 + b"}"
LISTS = b'{"a":[' + b"[]," * 1_390_000 + b"[]]}"
MOST_LISTS = b'{"a":[' + b"[]," * 65_000 + b"[]]}"
MOST_OBJECTS = b'{"a":[' + b'{"":{}},' * 43_000 + b"[]]}"
ASTRAL = "".join(map(chr, range(0x10000, 0x10000 + 250_000)))
NEWER = {"format": 2, "min_reader": 2}

FILES: dict[str, tuple[Callable[[Parts], bytes], list[str]]] = {
    "pickle": (pickled, ["is a pickle", ".safetensors"]),
    "zip": (zipped, ["is a zip", ".safetensors"]),
    "HTML": (lambda good: b"<!DOCTYPE html>\n<title>x</title>", ["a web page"]),
    "pointer to a large file": (lambda good: LFS, ["Git LFS", "git lfs pull"]),
    "empty": (lambda good: b"", ["is empty"]),
    "text": (lambda good: b"Once upon a time", ["is a text", "textgen train"]),
    "flipped weight": (flipped_weight, ["do not fit"]),
    "4 million characters": (spelled("ab" * 1_900_000), ["not sorted"]),
    "250,000 characters": (spelled(ASTRAL), ["imply"]),
    "an endless unknown mark": (spelled("ab", LONG), ["unknown mark"]),
    "NaN weights": (weighed(NAN), ["no number", "embedding.weight"]),
    "weights beyond all sense": (weighed(HUGE), ["2^53", "embedding.weight"]),
    "a newer format": (described(**NEWER), ["format 2", "pip install"]),
    "200,000 tensors": (many_tensors, ["has a header of", "4194304"]),
    "200,000 names": (many_names, ["too many values"]),
    "a header of 50 MB": (lambda good: container(SPACES), ["50000002", "4194304"]),
    "a header of empty lists": (lambda good: container(LISTS), ["too many values"]),
    "as many lists as are read": (
        lambda good: container(MOST_LISTS),
        ["says nothing"],
    ),
    "as many objects as are read": (
        lambda good: container(MOST_OBJECTS),
        ["says nothing"],
    ),
    "a header without end": (
        lambda good: container(b'{"a":' + b"[" * 100_000),
        ["nested too deeply"],
    ),
    "an endless name of a setting": (modelled(**{LONG: 1}), ["no setting named"]),
    "a huge shape": (huge_shape, ["has the shape"]),
    "a huge network": (
        modelled(hidden=8192, layers=16, embedding=8192),
        ["bytes of weights", "imply"],
    ),
    "escape sequences for a tensor": (extended(ESCAPES), ["imply"]),
    "escape sequences for a setting": (modelled(**{ESCAPES: 1}), ["no setting"]),
    "escape sequences for a cell": (modelled(cell=ESCAPES), ["cell is"]),
    "escape sequences for a key": (described(**{ESCAPES: 1}), ["should not have"]),
    "escape sequences for a version": (
        described(**NEWER, made_by={"lstm_textgen": ESCAPES}),
        ["--upgrade lstm-textgen"],
    ),
}
