"""JSON for files that strangers write: one text per value, and no surprises."""

import json
from collections.abc import Iterator
from typing import Any

DEPTH_CAP = 32
"""How deep a value may lie inside objects and lists."""


def canonical(value: Any) -> str:
    """
    The one text of *value*: keys sorted, no spaces, only ASCII.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str) -> Any:
    """
    Read JSON that may be hostile.

    Raises:
        ValueError: Not JSON, nested too deeply, a key twice in one object, NaN or
            Infinity, or half of a character (a lone surrogate) in a text.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_refuse
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    for string in _strings(value):
        string.encode("utf-8")  # a lone surrogate has no UTF-8
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


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
