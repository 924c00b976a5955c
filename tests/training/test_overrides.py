"""What the user has set, held against a run that exists."""

import dataclasses
from pathlib import Path

import pytest
import torch

from lstm_textgen.config import BudgetConfig, ModelConfig, TrainConfig
from lstm_textgen.errors import ConfigError, OutputError
from lstm_textgen.model.machine import Machine
from lstm_textgen.training.overrides import (
    PRESETS,
    Overrides,
    check_preset,
    check_same,
    with_preset,
)

CPU = Machine(torch.device("cpu"), 1)
CONFIG = TrainConfig(
    model=ModelConfig(hidden=100), budget=BudgetConfig(minutes=3.0), seed=4
)


def test_what_was_not_set_cannot_differ():
    """Nothing, or the settings of the run itself, are no differences."""
    same = Overrides(
        model={"hidden": 100},
        budget=BudgetConfig(minutes=3.0),
        run={"seed": 4, "precision": "auto"},
    )

    assert Overrides().differences(CONFIG) == []
    assert same.differences(CONFIG) == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"model": {"hidden": 77}}, ["hidden", "100", "77"]),
        ({"optimizer": {"clip": 9.5}}, ["clip", "9.5"]),
        ({"text": {"tokenizer": "byte"}}, ["tokenizer", "char", "byte"]),
        ({"budget": BudgetConfig(minutes=8.0)}, ["3 minutes", "8 minutes"]),
        ({"budget": BudgetConfig(steps=8)}, ["3 minutes", "8 steps"]),
        ({"run": {"seed": 6}}, ["seed", "4", "6"]),
        ({"run": {"precision": "float32"}}, ["precision", "auto", "float32"]),
        ({"model": {"hidden": 1, "layers": 9}, "run": {"seed": 5}}, ["9", "5"]),
    ],
)
def test_differences_are_named(overrides, words):
    """Each with what the run has and what was set."""
    differences = Overrides(**overrides).differences(CONFIG)

    counts = [len(v) if isinstance(v, dict) else 1 for v in overrides.values()]
    assert len(differences) == sum(counts)
    assert all(word in "; ".join(differences) for word in words)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_a_preset_of_a_run_from_another_device(kind):
    """
    The same command resumes there, though the preset has other sizes there.

    It was refused, as if the user had set another size. Other sizes are refused, and
    named are those for this device.
    """
    here, path = Machine(torch.device(kind), 1), Path("run")
    for layers, hidden in PRESETS["large"].values():
        model = ModelConfig(layers=layers, hidden=hidden)
        config = dataclasses.replace(CONFIG, model=model)
        check_same(Overrides(preset="large"), config, here, path)
        wider = Overrides(preset="large", model={"hidden": 7})
        with pytest.raises(OutputError, match=f"hidden {hidden}, not 7"):
            check_same(wider, config, here, path)

    large = with_preset(Overrides(preset="large"), here)
    with pytest.raises(OutputError, match=f"hidden 100, not {large.model['hidden']}"):
        check_same(Overrides(preset="large"), CONFIG, here, path)


def test_unknown_presets():
    """The error names what was found, and what there is."""
    for refuse in (check_preset, lambda name: with_preset(Overrides(preset=name), CPU)):
        with pytest.raises(ConfigError, match="'huge'") as caught:
            refuse("huge")
        assert all(name in caught.value.remedy for name in PRESETS)
    check_preset(None)
