"""
Checkpoints with a few changes that know the format.

Some go through the parts of a file and are given checksums that fit, so that the deeper
checks are reached; some through its bytes. Each file follows from a seed and a number.
"""

import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random

from tests.forging import Parts, container, sha256, take_apart
from tests.fuzzing.values import change, edited

LENGTHS = [0, 1, 2, 7, 8, 64, 2**22, 2**22 + 1, 2**31, 2**32, 2**63, 2**64 - 1]
WEIGHTS = [
    *(0x7FC00000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x5A000000, 0x5A000001),
    *(0x00000001, 0x80000000, 0x3F800000, 0xDA000000, 0xFFFFFFFF, 0x7FC17FC1),
]
"""Bits of not a number, infinity, the largest ones, the smallest one, zeros."""

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[\[\]{}:,]|\w+|\s+|.', re.DOTALL)
LITERALS = [
    *(b"{", b"}", b"[", b"]", b":", b",", b" ", b"null", b"true", b"NaN", b"Infinity"),
    *(b"0", b"-1", b"-0", b"01", b"1e400", b"1e5", b"1.0", b"9" * 40, b"9" * 5000),
    *(b'""', b'"a"', b'"\\ud800"', b'"\\u0000"', b'"\xff"', b'"\x01"', b"//", b"\0"),
]

# Changes of the parts of a file


def change_description(parts: Parts, dice: Random) -> None:
    change(parts.description, dice)


def change_entries(parts: Parts, dice: Random) -> None:
    change(parts.entries, dice)


def change_free_text(parts: Parts, dice: Random) -> None:
    """What a maker may write at will: the file stays a good one."""
    parts.description[dice.choice(["note", "licence"])] = edited("a note", dice)


def change_record(parts: Parts, dice: Random) -> None:
    """A number of the training."""
    record = parts.description.get("training")
    if isinstance(record, dict) and record:
        record[dice.choice(list(record))] = dice.choice([0, 5, 0.5, 10**6, 95, 100])


def change_vocabulary(parts: Parts, dice: Random) -> None:
    """As many other characters, in order or not."""
    known = parts.description.get("vocabulary")
    if not isinstance(known, dict) or not isinstance(known.get("characters"), str):
        return
    count = min(300, len(known["characters"])) + dice.choice([0, 0, 0, 0, 0, 1])
    codes = dice.sample([*range(0x2100), 0xD800, 0xFFFF, 0x1F600, 0x10FFFF], count)
    codes = codes if dice.random() < 0.1 else sorted(codes)
    known["characters"] = "".join(map(chr, codes))


def change_weights(parts: Parts, dice: Random) -> None:
    """Numbers that are none, too large, too small, or anything."""
    body = bytearray(parts.body)
    for _ in range(dice.choice([1, 1, 1, 3])):
        place = dice.randrange(0, max(1, len(body) - 4), 2)
        bits = dice.choice([*WEIGHTS, dice.getrandbits(32), dice.getrandbits(29)])
        body[place : place + 4] = struct.pack("<I", bits)
    parts.body = bytes(body)


def change_body(parts: Parts, dice: Random) -> None:
    """Longer or shorter than the header says."""
    cut = dice.randrange(len(parts.body) + 1)
    parts.body = dice.choice(
        [parts.body[:cut], parts.body[cut:], parts.body + bytes(cut % 9), b""]
    )


def move_tensors(parts: Parts, dice: Random) -> None:
    """The same tensors in other places: a good file, if they were in order."""
    try:
        pieces = list(parts.pieces().items())
        dice.shuffle(pieces)
        if dice.random() < 0.2:  # one of them turned, and under another name or not
            name, (dtype, shape, raw) = pieces.pop()
            pieces.append((dice.choice([name, f"{name}2"]), (dtype, shape[::-1], raw)))
        if dice.random() < 0.1:
            pieces.append(("none", ("F32", [0], b"")))
        moved = parts.laid_out(dict(pieces))
    except (KeyError, IndexError, TypeError, ValueError):
        return  # they are in disorder already
    parts.entries, parts.body = moved.entries, moved.body


def from_the_future(parts: Parts, dice: Random) -> None:
    """A newer format, which may say more."""
    parts.description |= {"format": dice.choice([2, 3, 10**20]), "min_reader": 1}
    if dice.random() < 0.5:
        parts.description[f"new{dice.randrange(9)}"] = dice.random()


STRUCTURAL: list[Callable[[Parts, Random], None]] = [
    *(change_description, change_description, change_description),
    *(change_entries, change_entries, change_entries),
    *(change_free_text, change_record, change_vocabulary, change_weights),
    *(change_weights, change_body, move_tensors, from_the_future),
]

# Changes of bytes


def flip_bits(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 8])):
        if changed:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def exchange(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    """Some bytes make room for others, fewer or more."""
    start = dice.randrange(len(data) + 1)
    stop = start + dice.choice([0, 1, 2, 4, 8, 100])
    other = dice.randbytes(dice.choice([0, 1, 2, 4, 8, 100]))
    return data[:start] + dice.choice([other, *LITERALS]) + data[stop:]


def cut(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def splice(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    """The beginning of one file and the end of another one."""
    other = dice.choice(bases)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other)) :]


def announce(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    """Another length of the header."""
    length = int.from_bytes(data[:8], "little")
    near = [length + step for step in (-1, 1, 8)]
    length = dice.choice([*LENGTHS, *near, len(data) - 8, len(data)]) % 2**64
    return length.to_bytes(8, "little") + data[8:]


def noise(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    begin = dice.choice([b"", data[:8], data[:9], b"PK\x03\x04", b"\x80\x02"])
    return begin + dice.randbytes(dice.randrange(200))


def change_tokens(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    """Words of the header doubled, dropped, swapped, or others in their place."""
    stop = 8 + int.from_bytes(data[:8], "little")
    return container(_reworded(data[8:stop], dice), data[stop:])


def change_inner_tokens(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    """The same with the text in the header; its own checksum is made to fit."""
    try:
        parts = take_apart(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        return data
    old = parts.text()
    text = _reworded(old.encode("ascii"), dice).decode("latin-1")
    try:
        read = json.loads(text)
        own = read.pop("metadata_sha256")
        canonical = json.dumps(read, sort_keys=True, separators=(",", ":"))
        text = text.replace(own, sha256(canonical))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        pass  # then it does not fit
    return container(parts.header(text), parts.body)


def crowd(data: bytes, bases: Sequence[bytes], dice: Random) -> bytes:
    """A header as full as may be, or fuller: it should not be dear to refuse."""
    piece = dice.choice(
        [b"[],", b"{},", b"[[[]]],", b'{"":{}},', b"1e9,", b'"\xd1\x8f",']
    )
    most = 2**22 // len(piece) - 10
    count = min(most, dice.choice([20_000, 40_000, 60_000, 130_000, most]))
    return container(b'{"a":[' + piece * count + b"0]}", data[:50])


RAW: list[Callable[[bytes, Sequence[bytes], Random], bytes]] = [
    *(flip_bits, exchange, cut, splice, announce, noise),
    *(change_tokens, change_tokens, change_inner_tokens, change_inner_tokens),
]


def mutated(bases: Sequence[bytes], seed: int, number: int) -> tuple[bytes, list[str]]:
    """
    File *number* of a seed, and the names of its changes.

    Args:
        bases: Good files.
        seed: Another one looks elsewhere.
        number: 0 or more; each file can be made again by itself.
    """
    dice = Random(f"{seed} {number}")
    data = dice.choice(bases)
    if dice.random() < 0.002:  # for each of them takes as long as a hundred others
        return crowd(data, bases, dice), ["crowd"]
    names = []
    if dice.random() < 0.7:
        parts = take_apart(data)
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            one = dice.choice(STRUCTURAL)
            one(parts, dice)
            names.append(one.__name__)
        data = parts.sealed()
    if not names or dice.random() < 0.2:
        for _ in range(dice.choice([1, 1, 2])):
            raw = dice.choice(RAW)
            data = raw(data, bases, dice)
            names.append(raw.__name__)
    return data, names


def _reworded(text: bytes, dice: Random) -> bytes:
    words = TOKEN.findall(text)
    for _ in range(dice.choice([1, 1, 2])):
        if not words:
            break
        one, other = dice.randrange(len(words)), dice.randrange(len(words))
        deed = dice.randrange(4)
        if deed == 0:
            words[one] = dice.choice(LITERALS)
        elif deed == 1:
            words.insert(one, words[other])
        elif deed == 2:
            del words[one]
        else:
            words[one], words[other] = words[other], words[one]
    return b"".join(words)
