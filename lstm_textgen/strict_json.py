"""JSON for untrusted files: one text per value, and no surprises."""

import json
import math
from collections.abc import Iterator
from typing import Any

DEPTH_CAP = 32
"""How deeply objects and lists may be nested."""

CROWD_CAP = 2**17
"""
Commas and opening brackets in a text that is read. Each may stand for a list or an
object of a hundred bytes and more, so four megabytes of them would take hundreds.
"""


def canonical(value: Any) -> str:
    """
    The one text of *value*: keys sorted, no spaces, only ASCII.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str) -> Any:
    """
    Parse JSON that may be hostile.

    Raises:
        ValueError: Not JSON, nested too deeply, too many values, a duplicate key, a
            number that is not finite or too large for a float, or a lone surrogate.
    """
    if is_crowded(text):
        raise ValueError("it holds too many values")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    for string in _strings(value):
        string.encode("utf-8")  # a lone surrogate has no UTF-8
    return value


def is_crowded(text: str) -> bool:
    """Whether *text* may hold too many values; known before it is parsed."""
    return sum(map(text.count, ",[{")) > CROWD_CAP


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):  # 1e400 is JSON, and would be infinite
        raise ValueError("a number is too large")
    return number


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text in *value*, keys included."""
    if depth > DEPTH_CAP:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from _strings(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child, depth + 1)
