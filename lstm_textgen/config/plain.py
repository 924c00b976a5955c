"""Settings to plain JSON and back; what is unknown or of a wrong type is refused."""

import dataclasses
import difflib
import types
import typing
from typing import Any, Literal, TypeVar

from lstm_textgen.config.checks import choice, shown
from lstm_textgen.errors import ConfigError


def to_json(config: Any) -> dict[str, Any]:
    """A settings value as plain JSON; `from_json` is the way back."""
    return dataclasses.asdict(config)


T = TypeVar("T")


def from_json(kind: type[T], data: object, where: str = "settings") -> T:
    """
    Build the settings *kind* from plain JSON.

    Args:
        kind: One of the dataclasses of this part.
        data: A JSON object. Keys that are left out take their defaults.
        where: How to name the object in an error.

    Raises:
        ConfigError: Not an object, an unknown key, a wrong type, a value out
            of range.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where} is {shown(data)}.", "Make it an object of settings."
        )
    hints = typing.get_type_hints(kind)
    for key in data:
        if key not in hints:
            raise unknown_key(str(key), list(hints), where)
    values = {k: _typed(f"{where}.{k}", v, hints[k]) for k, v in data.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default is missing
        raise ConfigError(f"{where} lacks a setting ({error}).", "Add it.") from error


def unknown_key(key: str, known: list[str], where: str) -> ConfigError:
    """The error for a setting that does not exist, with the nearest one that does."""
    # a stranger's key may have millions of characters, and each would be indexed
    near = difflib.get_close_matches(key[:100], known, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
    return ConfigError(f"{where} has no setting named {shown(key)}.", remedy)


def _typed(name: str, value: object, hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, name)
    choices, origin = typing.get_args(hint), typing.get_origin(hint)
    if origin is Literal:
        choice(name, value, choices)
        return value
    if origin is tuple:  # of any length, and a list in JSON
        if not isinstance(value, list | tuple):
            return _wrong(name, value, "that is a list")
        return tuple(_typed(name, each, choices[0]) for each in value)
    kinds = choices if origin in (types.UnionType, typing.Union) else (hint,)
    if value is None and type(None) in kinds:
        return None
    if len(kinds) == 2 and typing.get_origin(kinds[0]) is Literal:
        return _typed(name, value, kinds[0])
    if float in kinds and type(value) is int:
        return float(value) if abs(value) < 2**53 else _wrong(name, value, "smaller")
    if type(value) not in kinds:  # exact, because True is an int and must not pass
        wanted = " or ".join(k.__name__ for k in kinds if k is not type(None))
        return _wrong(name, value, f"of type {wanted}")
    return value


def _wrong(name: str, value: object, allowed: str) -> typing.NoReturn:
    raise ConfigError(f"{name} is {shown(value)}.", f"Set {name} to a value {allowed}.")
