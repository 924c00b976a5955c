"""Settings become equal sizes, and minutes become lengths, the same for every cell."""

import pytest
import torch

from lstm_textgen.compare import design as designing
from lstm_textgen.compare.design import (
    MIN_STEPS,
    STEPWISE,
    CompareConfig,
    design_study,
    kernel_name,
    recurrent_parameters,
    with_equal_parameters,
)
from lstm_textgen.compare.experiments import expected_seconds
from lstm_textgen.config import ModelConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.network import CharModel


@pytest.fixture
def design_with(monkeypatch):
    """Design on a machine whose RNN is slow."""

    def speed(machine, model, config):
        return 1e4 if model.config.cell == "rnn" else 5e4

    monkeypatch.setattr(designing, "training_speed", speed)

    def build(threads=2, characters=10**7, **settings):
        return design_study(
            CompareConfig(**settings),
            characters=characters,
            vocabulary=60,
            text_sha256="0" * 64,
            machine=Machine(torch.device("cpu"), threads),
        )

    return build


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"cells": ("rnn", "rnn")}, "rnn,rnn"),
        ({"cells": ()}, "cells"),
        ({"tasks": ("recall",)}, "'recall'"),
        ({"minutes": 0.0}, "minutes is 0.0"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"seeds": 0}, "seeds is 0"),
        ({"hidden": 1}, "hidden is 1"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting, named):
    """The error names the setting or its value."""
    with pytest.raises(ConfigError, match=named):
        CompareConfig(**setting)


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [10.0, 60.0, 240.0])
def test_the_minutes_are_used(design_with, minutes):
    """Within a tenth, if the text is long enough for it."""
    expected_s = expected_seconds(design_with(minutes=minutes))

    assert expected_s == pytest.approx(60 * minutes, rel=0.1)


@pytest.mark.slow
def test_more_cores_do_more_in_the_same_time(design_with):
    """Twice the processes, twice the steps."""
    one, two = (design_with(threads=threads, minutes=240.0) for threads in (1, 2))

    assert two.text_steps == pytest.approx(2 * one.text_steps, rel=0.1)
    assert two.tasks[0].steps == pytest.approx(2 * one.tasks[0].steps, rel=0.1)


@pytest.mark.slow
def test_a_short_text_is_read_three_times_at_most(design_with):
    """However many minutes there are."""
    design = design_with(minutes=600.0, characters=100_000)

    assert design.text_steps * 16 * 128 <= 300_000


def test_without_time_there_are_still_some_steps(design_with):
    """So that there is something to see."""
    design = design_with(minutes=0.01)

    assert design.text_steps == MIN_STEPS
    assert {task.steps for task in design.tasks} == {MIN_STEPS}


@pytest.mark.slow
def test_without_tasks_the_text_gets_all_the_time(design_with):
    """More steps than with them."""
    alone = design_with(minutes=60.0, tasks=())

    assert alone.tasks == ()
    assert alone.text_steps > 2 * design_with(minutes=60.0).text_steps


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 3])
def test_recurrent_parameters_are_those_of_the_layers(cell, layers):
    """The count equals that of the network's own layers."""
    config = ModelConfig(cell=cell, layers=layers, hidden=7, embedding=5)
    parameters = CharModel(config, 11).layers.parameters()

    assert recurrent_parameters(config) == sum(p.numel() for p in parameters)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("hidden", "embedding"), [(64, 16), (96, 64), (128, 64)])
def test_other_cells_have_as_many_parameters(cell, hidden, embedding):
    """From 64 units on they differ by less than 2 %."""
    lstm = ModelConfig(hidden=hidden, embedding=embedding)
    other = with_equal_parameters(lstm, cell)

    assert other.cell == cell
    ratio = recurrent_parameters(other) / recurrent_parameters(lstm)
    assert ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_on_a_cpu_gru_and_rnn_go_step_by_step(make_model, cell):
    """Torch has no fused kernel for them there."""
    assert kernel_name(make_model(cell=cell, dtype=torch.float32)) == STEPWISE


def test_only_in_float32_is_the_lstm_fused(make_model):
    """OneDNN takes float32; float64 goes step by step. Some builds are without it."""
    kernel = kernel_name(make_model(dtype=torch.float32))

    assert kernel in ("oneDNN, fused", STEPWISE)
    assert (kernel != STEPWISE) == torch.backends.mkldnn.is_available()
    assert kernel_name(make_model(dtype=torch.float64)) == STEPWISE
