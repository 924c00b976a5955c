"""The kernel that is named is the one that ran."""

import pytest
import torch

from lstm_textgen.compare.design import STEPWISE, kernel_of


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_on_a_cpu_gru_and_rnn_go_step_by_step(make_model, cell):
    """Torch has no fused kernel for them there."""
    assert kernel_of(make_model(cell=cell, dtype=torch.float32)) == STEPWISE


def test_only_in_float32_is_the_lstm_fused(make_model):
    """OneDNN takes float32; float64 goes step by step. Some builds are without it."""
    fused = kernel_of(make_model(dtype=torch.float32))

    assert fused in ("oneDNN, fused", STEPWISE)
    assert (fused != STEPWISE) == torch.backends.mkldnn.is_available()
    assert kernel_of(make_model(dtype=torch.float64)) == STEPWISE
