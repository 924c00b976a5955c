"""AdamW with weight decay on matrices only."""

import torch

from lstm_textgen.config import OptimizerConfig
from lstm_textgen.model.network import CharModel


def make_optimizer(model: CharModel, config: OptimizerConfig) -> torch.optim.AdamW:
    """
    The optimiser of a run. Its rate is set before each step, by `set_rate`.

    Biases are not decayed: they are few, and pulling the forget gate's to zero
    would make it forget.

    Source:
        Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization.
        https://arxiv.org/abs/1711.05101
    """
    parameters = list(model.parameters())
    matrices = [parameter for parameter in parameters if parameter.dim() > 1]
    biases = [parameter for parameter in parameters if parameter.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    betas = (0.9, config.beta2)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameters the learning rate *rate*."""
    for group in optimizer.param_groups:
        group["lr"] = rate
