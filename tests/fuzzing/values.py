"""Changes of plain JSON: whatever a reader may have forgotten to expect."""

import copy
from collections.abc import Callable
from random import Random
from typing import Any

NUMBERS = [
    *(0, 1, -1, 2, 3, 4, 5, 7, 8, 16, 17, 255, 256, 257, 8192, 8193),
    *(2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64),
    *(-(2**63), 10**30, 10**4000, -0.0, 0.5, 1.0, 2.0, 1e-320, 1e16, 1e308),
    *(float("nan"), float("inf"), float("-inf")),
]
TEXTS = [
    *("", "a", "F32", "BF16", "F64", "I64", "U8", "f32", "char", "byte", "lstm", "gru"),
    *("rnn", "\x1b[2J", "\x9b2J", "\u202e", "\ud800", "\udfff", "\0", "\n", "é", "😀"),
    *("a" * 10_000, "b" * 10_001, "head.bias", "dtype", "shape", "format", "kind"),
    *("../../etc/passwd", "__metadata__", "__proto__", "1.0", "nan", "00" * 32),
    *("zeros", "learned"),
]
DEEP: list[Any] = []
for _ in range(40):
    DEEP = [DEEP]
VALUES = [
    *NUMBERS,
    *TEXTS,
    *(True, False, None, [], {}, [0], [0, 0], [[]], {"a": 1}, DEEP),
]
"""What is put in the place of a value."""

Place = tuple[Any, Any]
"""An object or a list, and a key or an index in it."""


def places(value: Any) -> list[Place]:
    """Every place below *value* where something stands."""
    if isinstance(value, dict):
        here = [(value, key) for key in value]
    elif isinstance(value, list):
        here = [(value, index) for index in range(len(value))]
    else:
        return []
    return here + [place for at, key in here for place in places(at[key])]


def replace(at: Any, key: Any, dice: Random) -> None:
    at[key] = copy.deepcopy(dice.choice(VALUES))


def nudge(at: Any, key: Any, dice: Random) -> None:
    """A number nearby, or the same one of another type."""
    old = at[key]
    if isinstance(old, bool) or not isinstance(old, int | float):
        at[key] = dice.choice(NUMBERS)
        return
    near = [old + 1, old - 1, -old, str(old), [old], old == 1]
    if abs(old) < 2**53:  # neither NaN nor infinite, nor too long for a float
        near += [2 * old, old * 0.5, float(old), int(old)]
    at[key] = dice.choice(near)


def remove(at: Any, key: Any, dice: Random) -> None:
    del at[key]


def double(at: Any, key: Any, dice: Random) -> None:
    """The same once more, under another name."""
    value = copy.deepcopy(at[key])
    if isinstance(at, list):
        at.insert(dice.randrange(len(at) + 1), value)
    else:
        at[dice.choice([f"{key}2", str(key).upper(), dice.choice(TEXTS)])] = value


def rename(at: Any, key: Any, dice: Random) -> None:
    if isinstance(at, list):
        dice.shuffle(at)
    else:
        at[edited(str(key), dice)] = at.pop(key)


def edit(at: Any, key: Any, dice: Random) -> None:
    """A text with a character more, less or another."""
    if isinstance(at[key], str):
        at[key] = edited(at[key], dice)
    else:
        nudge(at, key, dice)


def edited(text: str, dice: Random) -> str:
    start = dice.randrange(len(text) + 1)
    stop = min(len(text), start + dice.randrange(3))
    return (
        text[:start] + dice.choice(["", *TEXTS[:12], *"az09\x1b\u202e"]) + text[stop:]
    )


CHANGES: list[Callable[[Any, Any, Random], None]] = [
    *(replace, replace, nudge, nudge, remove, double, rename, edit, edit)
]


def change(value: Any, dice: Random) -> None:
    """Change one place somewhere below *value*, or swap two."""
    found = places(value)
    if not found:
        return
    at, key = dice.choice(found)
    if dice.random() < 0.1:
        other, place = dice.choice(found)
        swapped = copy.deepcopy(at[key]), copy.deepcopy(other[place])
        other[place], at[key] = swapped
    else:
        dice.choice(CHANGES)(at, key, dice)
