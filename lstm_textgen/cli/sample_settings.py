"""From the options of `textgen sample` to settings."""

import dataclasses
import secrets
from typing import Any

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError


def draw_settings(given: dict[str, Any]) -> SampleConfig:
    """
    How to draw, from the options of the command by their names.

    Raises:
        ConfigError: A value is out of range.
    """
    settings = chosen(SampleConfig, given)
    first, last = temperatures(given["temperature"])
    settings |= {"temperature": first, "final_temperature": last}
    if given["seed"] is None:
        settings["seed"] = secrets.randbelow(2**32)
    return SampleConfig(**settings)


def form_settings(given: dict[str, Any]) -> FormConfig:
    """
    What the text must look like, from the options of the command by their names.

    Raises:
        ConfigError: A value is out of range.
    """
    settings = chosen(FormConfig, given)
    return FormConfig(**settings | {"stop": tuple(given["stop"] or ())})


def temperatures(text: str) -> tuple[float, float | None]:
    """
    `0.8` is one temperature, `1:0.5` is where it begins and where it ends.

    Raises:
        ConfigError: It is neither.
    """
    try:
        values = [float(part) for part in text.split(":")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ConfigError(
            f"temperature is {text!r}.",
            "Set temperature to a number, or to two such as 1:0.5.",
        )
    return values[0], values[1] if len(values) == 2 else None


def chosen(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that are settings of *kind*."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in given.items() if name in names}
