"""What the settings check themselves with when they are built."""

from typing import Any

from lstm_textgen.errors import ConfigError


def check(name: str, value: object, ok: bool, allowed: str) -> None:
    """
    Refuse a value that is not *ok*.

    Raises:
        ConfigError: It names the value, and what is *allowed*.
    """
    if not ok:
        raise ConfigError(f"{name} is {shown(value)}.", f"Set {name} to {allowed}.")


def choice(name: str, value: object, choices: tuple[Any, ...]) -> None:
    """
    Refuse a value that is none of *choices*.

    Raises:
        ConfigError: It names the value and the choices.
    """
    check(name, value, value in choices, f"one of {', '.join(map(str, choices))}")


def shown(value: object) -> str:
    """A value as a person would type it, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
