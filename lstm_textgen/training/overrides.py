"""What the user has set; all else is for `training.plan` to choose."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lstm_textgen.config import BudgetConfig, TrainConfig, to_json
from lstm_textgen.errors import ConfigError
from lstm_textgen.training.machine import Machine

PRESETS: dict[str, dict[str, tuple[int, int]]] = {
    "tiny": {"cpu": (1, 128), "gpu": (1, 256)},
    "small": {"cpu": (2, 192), "gpu": (2, 512)},
    "base": {"cpu": (2, 384), "gpu": (2, 1024)},
    "large": {"cpu": (2, 768), "gpu": (3, 1024)},
}
"""Layers and hidden units by name, for each kind of device."""

PRESET_DEVICES = ("cpu", "gpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """Settings by name. What is not in here was not given."""

    preset: str | None = None
    text: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TextConfig`."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `ModelConfig`."""
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `OptimizerConfig`."""
    budget: BudgetConfig | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `RunConfig` itself: seed and precision."""

    def differences(self, config: TrainConfig) -> list[str]:
        """Where an existing run is other than what was set, for people."""
        recorded = to_json(config)
        groups = {"text": self.text, "model": self.model, "optimizer": self.optimizer}
        wished = [
            (key, value, recorded[group][key])
            for group, wishes in groups.items()
            for key, value in wishes.items()
        ]
        wished += [(key, value, recorded[key]) for key, value in self.run.items()]
        if self.budget not in (None, config.budget):
            wished.append(("budget", in_words(self.budget), in_words(config.budget)))
        return [
            f"{key} {there}, not {here}"
            for key, here, there in wished
            if here not in (there, "auto")
        ]


def with_preset(wishes: Overrides, machine: Machine) -> Overrides:
    """
    The same wishes with the sizes that the preset stands for on this machine.

    Raises:
        ConfigError: There is no preset of that name.
    """
    return _sized(wishes, _kind(machine))


def differences_anywhere(
    wishes: Overrides, config: TrainConfig, machine: Machine
) -> list[str]:
    """
    Where an existing run is other than what was set, on whatever it was begun.

    A preset has other sizes on another kind of device: there are no differences if
    there are none for one of the kinds, and else they are those for this machine.

    Raises:
        ConfigError: There is no preset of that name.
    """
    found = {kind: _sized(wishes, kind).differences(config) for kind in PRESET_DEVICES}
    return found[_kind(machine)] if all(found.values()) else []


def _kind(machine: Machine) -> str:
    return "cpu" if machine.device.type == "cpu" else "gpu"


def _sized(wishes: Overrides, kind: str) -> Overrides:
    """With the sizes of the preset on a kind of device; other wishes are stronger."""
    check_preset(wishes.preset)
    if wishes.preset is None:
        return wishes
    layers, hidden = PRESETS[wishes.preset][kind]
    model = {"layers": layers, "hidden": hidden} | dict(wishes.model)
    return dataclasses.replace(wishes, model=model)


def check_preset(name: str | None) -> None:
    """
    Raises:
        ConfigError: There is no preset of that name.
    """
    if name is not None and name not in PRESETS:
        raise ConfigError(
            f"There is no preset {name!r}.", f"Choose one of {', '.join(PRESETS)}."
        )


def in_words(budget: BudgetConfig | None) -> str:
    """For people: `2 minutes`, `1 epoch`."""
    assert budget is not None
    for name in ("minutes", "epochs", "steps"):
        value = getattr(budget, name)
        if value is not None:
            amount = f"{value:,}" if name == "steps" else f"{value:,.10g}"
            return f"{amount} {name if value != 1 else name[:-1]}"
    raise AssertionError("BudgetConfig has exactly one")
