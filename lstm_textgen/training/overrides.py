"""What the user has set; everything else is for `training.plan` to choose."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstm_textgen.config import (
    BudgetConfig,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
    TrainConfig,
    to_json,
)
from lstm_textgen.errors import ConfigError, OutputError
from lstm_textgen.model.machine import Machine

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
    """Settings by name. What is not in here was not set."""

    preset: str | None = None
    text: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TextConfig`."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `ModelConfig`."""
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `OptimizerConfig`."""
    budget: BudgetConfig | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TrainConfig` itself: seed and precision."""

    def check(self) -> None:
        """
        Check every value, before anything is read or measured.

        Raises:
            ConfigError: There is no preset of that name, or a value is out of range.
        """
        check_preset(self.preset)
        self.with_defaults(BudgetConfig(steps=1))

    def with_defaults(self, budget: BudgetConfig) -> TrainConfig:
        """
        What was set, and for the rest the defaults of `config`; the preset is not used.

        Args:
            budget: For when none was set.

        Raises:
            ConfigError: A value is out of range.
        """
        return TrainConfig(
            text=TextConfig(**self.text),
            model=ModelConfig(**self.model),
            optimizer=OptimizerConfig(**self.optimizer),
            budget=self.budget or budget,
            **self.run,
        )

    def differences(self, config: TrainConfig) -> list[str]:
        """Each setting that an existing run was made with another value of."""
        recorded = to_json(config)
        groups = {"text": self.text, "model": self.model, "optimizer": self.optimizer}
        compared = [
            (name, value, recorded[group][name])
            for group, settings in groups.items()
            for name, value in settings.items()
        ]
        compared += [(name, value, recorded[name]) for name, value in self.run.items()]
        if self.budget not in (None, config.budget):
            compared.append(("budget", in_words(self.budget), in_words(config.budget)))
        return [
            f"{name} {there}, not {here}"
            for name, here, there in compared
            if here not in (there, "auto")
        ]


def with_preset(overrides: Overrides, machine: Machine) -> Overrides:
    """
    The same overrides with the sizes that the preset stands for on this machine.

    Raises:
        ConfigError: There is no preset of that name.
    """
    return _sized(overrides, _kind(machine))


def check_same(
    overrides: Overrides, config: TrainConfig, machine: Machine, path: Path
) -> None:
    """
    What the user sets must be what the run in *path* was made with.

    A preset has other sizes on another kind of device, where the run may have been
    made: sizes of either kind will do.

    Raises:
        OutputError: There are differences; named are those for this machine.
        ConfigError: There is no preset of that name.
    """
    differences = {
        kind: _sized(overrides, kind).differences(config) for kind in PRESET_DEVICES
    }
    if all(differences.values()):
        raise OutputError(
            f"The run in {path} was made with other settings: "
            f"{'; '.join(differences[_kind(machine)])}.",
            "Leave these options out to go on, or start a new run with -o.",
        )


def _kind(machine: Machine) -> str:
    return "cpu" if machine.device.type == "cpu" else "gpu"


def _sized(overrides: Overrides, kind: str) -> Overrides:
    """With the sizes of the preset on a kind of device; sizes that are set win."""
    check_preset(overrides.preset)
    if overrides.preset is None:
        return overrides
    layers, hidden = PRESETS[overrides.preset][kind]
    model = {"layers": layers, "hidden": hidden} | dict(overrides.model)
    return dataclasses.replace(overrides, model=model)


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
