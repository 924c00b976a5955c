"""
Adam, with the matrices of the layers turned into the directions of what they read.

The inputs of a recurrent layer are correlated, and Adam, which scales each weight
by itself, cannot see that. In the eigenbasis of the gradients' second moment over
the inputs it can; `docs/recipe.md` has what this bought.

Shapes: G gate rows, N inputs of a matrix.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lstm_textgen.config import OptimizerConfig

BETA1 = 0.9
"""Memory of the first moment."""

GRAM_BETA = 0.95
"""Memory of the second moment over the inputs, in looks."""

WIDEST = 1024
"""Inputs up to which a matrix is turned: the basis costs their third power."""

FIRST_LOOKS = 5
"""Steps at the beginning that all refresh the basis: there it turns fast."""

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
    is AdamW. Biases are not decayed: they are few, and pulling the forget gate's
    to zero would make it forget.

    Args:
        model: Its parameters are changed in place.
        config: The settings.

    Source:
        Vyas et al. (2024), SOAP: Improving and Stabilizing Shampoo using Adam,
        sections 4 and 7.1, one side only. https://arxiv.org/abs/2409.11321
        Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization.
        https://arxiv.org/abs/1711.05101
    """

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        self.config = config
        self.rate = config.learning_rate
        self.steps = 0
        self.parameters = dict(model.named_parameters())
        self.state: dict[str, dict[str, Tensor]] = {
            name: self._at_birth(name, parameter)
            for name, parameter in self.parameters.items()
        }

    def _at_birth(self, name: str, parameter: Tensor) -> dict[str, Tensor]:
        state = {
            "mean": torch.zeros_like(parameter),
            "square": torch.zeros_like(parameter),
        }
        if self.config.basis_every and turns(name, parameter):
            inputs = parameter.shape[1]
            state["gram"] = parameter.new_zeros(inputs, inputs)
            state["basis"] = torch.eye(
                inputs, dtype=parameter.dtype, device=parameter.device
            )
        return state

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter by its gradient, and forget the gradients."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                self._update(parameter, parameter.grad, self.state[name])
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Let go of what was differentiated last; nothing else changes."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def _update(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor]
    ) -> None:
        mean, square, beta2 = state["mean"], state["square"], self.config.beta2
        basis = state.get("basis")
        if basis is not None:
            self._watch(gradient, state)
            gradient = gradient @ basis
        mean.lerp_(gradient, 1 - BETA1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)

        correction = math.sqrt(1 - beta2**self.steps)
        change = mean / square.sqrt().add_(EPSILON * correction)
        length = -self.rate * correction / (1 - BETA1**self.steps)
        kept = 1 - self.rate * (self.config.weight_decay if parameter.dim() > 1 else 0)
        if basis is not None:
            parameter.addmm_(change, basis.T, beta=kept, alpha=length)
        else:
            parameter.mul_(kept).add_(change, alpha=length)

    def _watch(self, gradient: Float[Tensor, "G N"], state: dict[str, Tensor]) -> None:
        """Now and then see how the inputs move together, and refresh the basis."""
        every = self.config.basis_every
        if self.steps > FIRST_LOOKS and self.steps % every:
            return
        gram, before = state["gram"], state["basis"]
        gram.addmm_(gradient.T, gradient, beta=GRAM_BETA, alpha=1 - GRAM_BETA)
        after = next_basis(gram, before)
        state["mean"].copy_(state["mean"] @ (before.T @ after))
        before.copy_(after)

    def tensors(self) -> dict[str, Tensor]:
        """What a resume needs, under names; not copies."""
        tensors = {
            f"{name}.{key}": tensor
            for name, state in self.state.items()
            for key, tensor in state.items()
        }
        return tensors | {"steps": torch.tensor(self.steps)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """
        Go on from what `tensors` told.

        Raises:
            ValueError: It is that of another model or of other settings.
        """
        expected = {name: tensor.shape for name, tensor in self.tensors().items()}
        if {name: tensor.shape for name, tensor in tensors.items()} != expected:
            raise ValueError("the optimiser has other tensors")
        self.steps = int(tensors["steps"])
        for name, state in self.state.items():
            for key, tensor in state.items():
                tensor.copy_(tensors[f"{name}.{key}"])


def turns(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix of a recurrent layer, and not too wide."""
    is_matrix = parameter.dim() == 2 and name.startswith("layers.")
    return is_matrix and parameter.shape[1] <= WIDEST


def next_basis(
    gram: Float[Tensor, "N N"], basis: Float[Tensor, "N N"]
) -> Float[Tensor, "N N"]:
    """Come closer to the eigenvectors of *gram* by one orthogonal iteration."""
    refreshed: Tensor = torch.linalg.qr(gram @ basis).Q
    return refreshed
