"""
Adam, with the gradients of the layers' matrices rotated into the eigenbasis of inputs.

The inputs of a recurrent layer are correlated, and Adam, which scales each weight
by itself, cannot see that. In the eigenbasis of the gradients' second moment over
the inputs it can; `docs/recipe.md` has what this bought.

Shapes: G gate rows, N inputs of a matrix.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lstm_textgen.config import OptimizerConfig

BETA1 = 0.9
"""Decay of the first moment."""

GRAM_BETA = 0.95
"""Decay of the second moment over the inputs, per refresh of the basis."""

MAX_INPUTS = 1024
"""Inputs up to which a matrix has a basis, which costs their third power."""

FIRST_REFRESHES = 5
"""Steps at the beginning that all refresh the basis: there it changes fast."""

EPSILON = 1e-8


class Optimizer:
    """
    One-sided SOAP, with decoupled weight decay on matrices.

    In the basis Q of a matrix W with gradient D, which is refreshed at each of the
    first steps and then at every `basis_every`-th,

        R = D Q                                  (without a basis, R = D)
        M = mean of R,  V = mean of R * R        (exponential, bias corrected)
        W' = (1 - rate * decay) W - rate * M / (sqrt(V) + eps) Q^T

    where Q has the eigenvectors of the mean of D^T D. Embedding, head, and matrices
    with more than 1024 inputs have no basis; with `basis_every` 0 none has, and this
    is AdamW. Biases are not decayed: they are few, and decay of the forget gate's
    would make it forget.

    Args:
        model: Its parameters are changed in place.
        config: The settings.
        tensors: From `tensors` of an earlier optimizer, to continue from; copied. None
            begins anew.

    Source:
        Vyas et al. (2024), SOAP: Improving and Stabilizing Shampoo using Adam,
        sections 4 and 7.1, one side only. https://arxiv.org/abs/2409.11321
        Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization.
        https://arxiv.org/abs/1711.05101
    """

    def __init__(
        self,
        model: nn.Module,
        config: OptimizerConfig,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.config = config
        self.steps = 0
        self.parameters = dict(model.named_parameters())
        self.state: dict[str, dict[str, Tensor]] = {
            name: self._initial_state(name, parameter)
            for name, parameter in self.parameters.items()
        }
        if tensors is not None:
            self._load(tensors)

    def _initial_state(self, name: str, parameter: Tensor) -> dict[str, Tensor]:
        state = {
            "mean": torch.zeros_like(parameter),
            "square": torch.zeros_like(parameter),
        }
        if self.config.basis_every and is_rotated(name, parameter):
            inputs = parameter.shape[1]
            state["gram"] = parameter.new_zeros(inputs, inputs)
            state["basis"] = torch.eye(
                inputs, dtype=parameter.dtype, device=parameter.device
            )
        return state

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """
        Change every parameter by its gradient, and clear the gradients.

        Args:
            rate: Learning rate of this step, 0 or more.
        """
        self.steps += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                self._update(parameter, parameter.grad, self.state[name], rate)
        self.clear_gradients()

    def clear_gradients(self) -> None:
        """Drop the gradients; nothing else changes."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def _update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        state: dict[str, Tensor],
        rate: float,
    ) -> None:
        mean, square, beta2 = state["mean"], state["square"], self.config.beta2
        basis = state.get("basis")
        if basis is not None:
            self._refresh_basis(gradient, state)
            gradient = gradient @ basis
        mean.lerp_(gradient, 1 - BETA1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)

        correction = math.sqrt(1 - beta2**self.steps)
        change = mean / square.sqrt().add_(EPSILON * correction)
        length = -rate * correction / (1 - BETA1**self.steps)
        kept = 1 - rate * (self.config.weight_decay if parameter.dim() > 1 else 0)
        if basis is not None:
            parameter.addmm_(change, basis.T, beta=kept, alpha=length)
        else:
            parameter.mul_(kept).add_(change, alpha=length)

    def _refresh_basis(
        self, gradient: Float[Tensor, "G N"], state: dict[str, Tensor]
    ) -> None:
        """At some steps, bring the basis closer to the eigenvectors of the inputs."""
        every = self.config.basis_every
        if self.steps > FIRST_REFRESHES and self.steps % every:
            return
        gram, before = state["gram"], state["basis"]
        gram.addmm_(gradient.T, gradient, beta=GRAM_BETA, alpha=1 - GRAM_BETA)
        after = next_basis(gram, before)
        state["mean"].copy_(state["mean"] @ (before.T @ after))
        before.copy_(after)

    def tensors(self) -> dict[str, Tensor]:
        """What a resume needs, under names such as `head.bias.mean`; not copies."""
        tensors = {
            f"{name}.{key}": tensor
            for name, state in self.state.items()
            for key, tensor in state.items()
        }
        return tensors | {"steps": torch.tensor(self.steps)}

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        """
        Raises:
            ValueError: The tensors are those of another model or of other settings.
        """
        expected = {name: tensor.shape for name, tensor in self.tensors().items()}
        if {name: tensor.shape for name, tensor in tensors.items()} != expected:
            raise ValueError("the optimizer has other tensors")
        self.steps = int(tensors["steps"])
        for name, state in self.state.items():
            for key, tensor in state.items():
                tensor.copy_(tensors[f"{name}.{key}"])


def is_rotated(name: str, parameter: Tensor) -> bool:
    """Whether a parameter has a basis: a matrix of a layer that is not too wide."""
    is_matrix = parameter.dim() == 2 and name.startswith("layers.")
    return is_matrix and parameter.shape[1] <= MAX_INPUTS


def next_basis(
    gram: Float[Tensor, "N N"], basis: Float[Tensor, "N N"]
) -> Float[Tensor, "N N"]:
    """Come closer to the eigenvectors of *gram* by one orthogonal iteration."""
    refreshed: Tensor = torch.linalg.qr(gram @ basis).Q
    return refreshed
