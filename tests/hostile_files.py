"""
Files that a stranger may hand over as a checkpoint, each wrong in its own way.

`FILES` has for each a function that makes it of a good one, and words that the
refusal must have.
"""

import copy
import io
import json
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

NAN, INFINITE, HUGE = b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\x4a\x90\xb1\x5b"
"""Numbers of 32 bits; the last one is about 1e17."""


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


def flip(good: Parts, place: int) -> bytes:
    """The byte at *place* has one bit changed."""
    data = bytearray(good.sealed())
    data[place] ^= 1
    return bytes(data)


def described(**changes: Any) -> Callable[[Parts], bytes]:
    """Other words in the description, with checksums that fit."""
    return lambda good: good.changed(**changes).sealed()


def modelled(**changes: Any) -> Callable[[Parts], bytes]:
    """Other settings of the network."""
    return lambda good: good.changed(
        model={**good.description["model"], **changes}
    ).sealed()


def spelled(change: Callable[[str], Any]) -> Callable[[Parts], bytes]:
    """Another vocabulary."""

    def make(good: Parts) -> bytes:
        known = good.description["vocabulary"]
        changed = {**known, "characters": change(known["characters"])}
        return good.changed(vocabulary=changed).sealed()

    return make


def weighed(raw: bytes) -> Callable[[Parts], bytes]:
    """Another first weight, with a checksum that fits."""

    def make(good: Parts) -> bytes:
        changed = copy.deepcopy(good)
        changed.body = raw + good.body[len(raw) :]
        return changed.sealed()

    return make


def tensors(**more: Any) -> Callable[[Parts], bytes]:
    """Additional tensors: type, shape and bytes of each."""
    return lambda good: good.laid_out({**good.pieces(), **more}).sealed()


def entries(**changes: Any) -> Callable[[Parts], bytes]:
    """The header says something else of some tensors."""

    def make(good: Parts) -> bytes:
        changed = copy.deepcopy(good)
        changed.entries |= {k.replace("_", "."): v for k, v in changes.items()}
        return changed.sealed()

    return make


def many_tensors(good: Parts, count: int = 200_000) -> bytes:
    told = (f'"{n}":{compact(entry(places=(4 * n, 4 * n + 4)))}' for n in range(count))
    text = compact({"__metadata__": {good.key: good.text()}})
    return container(f"{text[:-1]},{','.join(told)}}}".encode(), bytes(4 * count))


def many_names(good: Parts, count: int = 200_000) -> bytes:
    names = {str(n): {} for n in range(count)}
    return container(compact({**good.header(), **names}).encode())


def twice_in_the_header(good: Parts) -> bytes:
    text = json.dumps(good.header())
    name = '"head.bias": '
    return container(text.replace(name, f"{name}1, {name}", 1).encode(), good.body)


def twice_in_the_text(good: Parts) -> bytes:
    text = good.text().replace('"note":', '"note":"x","note":', 1)
    return container(good.header(text), good.body)


def strange_name(good: Parts) -> bytes:
    return tensors(**{ESCAPES: ("F32", [1], bytes(4))})(good)


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
    "gzip": (lambda good: b"\x1f\x8b\x08" + bytes(99), ["gunzip"]),
    "empty": (lambda good: b"", ["is empty"]),
    "text": (lambda good: b"Once upon a time", ["is a text", "textgen train"]),
    "noise": (lambda good: bytes(range(255, 0, -1)) * 9, ["not a safetensors"]),
    "one byte more": (lambda good: good.sealed() + b"\0", ["announced"]),
    "flipped length": (lambda good: flip(good, 0), ["damaged"]),
    "flipped high byte of the length": (lambda good: flip(good, 7), ["not a"]),
    "flipped weight": (lambda good: flip(good, -1), ["do not fit"]),
    "a character too few": (spelled(lambda known: known[:-1]), ["imply"]),
    "a character too many": (spelled(lambda known: known + "\uffff"), ["imply"]),
    "a surrogate in the vocabulary": (
        spelled(lambda known: known[:-1] + "\ud800"),
        ["surrogates"],
    ),
    "4 million characters": (spelled(lambda known: "ab" * 1_900_000), ["not sorted"]),
    "250,000 characters": (spelled(lambda known: ASTRAL), ["imply"]),
    "an endless unknown mark": (
        described(vocabulary={"kind": "char", "characters": "ab", "unknown": LONG}),
        ["unknown mark"],
    ),
    "an extra tensor of no size": (tensors(more=("F32", [0], b"")), ["more"]),
    "NaN weights": (weighed(NAN), ["no number", "embedding.weight"]),
    "infinite weights": (weighed(INFINITE), ["no number", "embedding.weight"]),
    "weights beyond all sense": (weighed(HUGE), ["2^53", "embedding.weight"]),
    "a newer format": (described(**NEWER), ["format 2", "pip install"]),
    "200,000 tensors": (many_tensors, ["has a header of", "4194304"]),
    "200,000 names": (many_names, ["too many values"]),
    "60,000 names": (
        lambda good: many_names(good, 60_000),
        ["tensors, more than 256"],
    ),
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
    "a huge shape": (
        entries(head_bias=entry(shape=(2**40,), places=(0, 2**42))),
        ["has the shape"],
    ),
    "a shape that overflows": (
        entries(head_bias=entry(shape=(2**31, 2**31, 4), places=(0, 0))),
        ["has the shape"],
    ),
    "a huge network": (
        modelled(hidden=8192, layers=16, embedding=8192),
        ["bytes of weights", "imply"],
    ),
    "a key twice in the header": (twice_in_the_header, ["twice"]),
    "a key twice in the text": (twice_in_the_text, ["twice"]),
    "half a character in the note": (described(note="\udc9b"), ["surrogates"]),
    "an infinite number": (
        lambda good: container(
            good.header(good.text().replace('"seed":', '"seed":1e400,"s":')), good.body
        ),
        ["too large"],
    ),
    "escape sequences for a tensor": (strange_name, ["imply"]),
    "escape sequences for a setting": (modelled(**{ESCAPES: 1}), ["no setting"]),
    "escape sequences for a cell": (modelled(cell=ESCAPES), ["cell is"]),
    "escape sequences for a key": (described(**{ESCAPES: 1}), ["should not have"]),
    "escape sequences for a version": (
        described(**NEWER, made_by={"lstm_textgen": ESCAPES}),
        ["--upgrade lstm-textgen"],
    ),
}
