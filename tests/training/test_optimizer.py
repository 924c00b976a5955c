"""AdamW with weight decay on matrices only."""

import copy

import pytest
import torch

from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.optimizer import make_optimizer, set_rate


@pytest.fixture(params=["lstm", "gru", "rnn"])
def model(request):
    config = ModelConfig(cell=request.param, layers=2, hidden=3, embedding=2)
    model = CharModel(config, 5).double()
    initialise(model, torch.Generator().manual_seed(7))
    for parameter in model.parameters():  # biases too, or there is nothing to decay
        parameter.data += 0.5
    return model


def test_only_matrices_decay(model):
    """
    With a gradient of zero a matrix shrinks by rate times decay, a bias stays.

    Every parameter of the model is in one of the two groups, once.
    """
    before = copy.deepcopy(model.state_dict())
    optimizer = make_optimizer(model, OptimizerConfig(weight_decay=0.1))
    set_rate(optimizer, 0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()

    for name, after in model.state_dict().items():
        factor = 1 - 0.5 * 0.1 if name.endswith("weight") or "weight_" in name else 1
        torch.testing.assert_close(after, factor * before[name], rtol=1e-14, atol=0)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(before)


def test_equals_the_unfused_adamw(model):
    """Steps with rates that change are those of torch's plain loop over parameters."""
    config = OptimizerConfig(weight_decay=0.02, beta2=0.9)
    twin = copy.deepcopy(model)
    optimizer = make_optimizer(model, config)
    plain = torch.optim.AdamW(
        [
            {"params": [p], "weight_decay": 0.02 if p.dim() == 2 else 0.0}
            for p in twin.parameters()
        ],
        betas=(0.9, 0.9),
        foreach=False,
        fused=False,
    )
    generator = torch.Generator().manual_seed(1)
    for rate in (0.1, 0.03, 0.0, 0.2):
        set_rate(optimizer, rate)
        for group in plain.param_groups:
            group["lr"] = rate
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=generator, dtype=one.dtype)
            other.grad = one.grad.clone()
        optimizer.step()
        plain.step()

    for name, weight in model.state_dict().items():
        torch.testing.assert_close(
            weight, twin.state_dict()[name], rtol=1e-12, atol=1e-13
        )


def test_set_rate_reaches_every_group(model):
    """Matrices and biases learn at the rate that was set last."""
    optimizer = make_optimizer(model, OptimizerConfig())
    set_rate(optimizer, 0.125)

    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
