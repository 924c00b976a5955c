"""
Dropout masks, which keep a network from memorizing its text.

The masks of a window are drawn before the window is read, and are an argument of the
model. Dropout is variational: one mask for all steps of a window, so that the fused
kernels stay in use and the recurrent state sees the same units throughout.

Shapes: B streams, H hidden units, G gate rows.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lstm_textgen.config import GATE_COUNT, ModelConfig


@dataclass(frozen=True, slots=True)
class NoiseMasks:
    """The masks of one window, two for each layer; None is no dropout."""

    outputs: tuple[Float[Tensor, "B H"] | None, ...]
    """Factors on the output of a layer, the same at every step."""

    recurrent: tuple[Float[Tensor, "G H"] | None, ...]
    """Factors on the recurrent matrix of a layer."""


def draw_noise_masks(
    config: ModelConfig,
    streams: int,
    *,
    dropout: float,
    weight_drop: float,
    generator: torch.Generator,
) -> NoiseMasks | None:
    """
    Draw the masks of the next window.

    Args:
        config: The shape of the network.
        streams: B, each with its own mask of outputs.
        dropout: Dropout rate of the outputs of every layer, in [0, 1). 0 is off.
        weight_drop: Dropout rate of every recurrent matrix, in [0, 1). 0 is off.
        generator: Source of the random numbers; the masks are on its device.

    Returns:
        Factors of 0 or 1 / (1 - rate), or None where both rates are 0.

    Source:
        Gal and Ghahramani (2016), A Theoretically Grounded Application of Dropout
        in Recurrent Neural Networks. https://arxiv.org/abs/1512.05287
        Merity, Keskar and Socher (2018), Regularizing and Optimizing LSTM
        Language Models, sections 4.1 and 4.2. https://arxiv.org/abs/1708.02182
    """
    if dropout == 0 and weight_drop == 0:
        return None
    H, G = config.hidden, GATE_COUNT[config.cell] * config.hidden
    layers = range(config.layers)
    return NoiseMasks(
        outputs=tuple(_mask((streams, H), dropout, generator) for _ in layers),
        recurrent=tuple(_mask((G, H), weight_drop, generator) for _ in layers),
    )


def _mask(
    shape: tuple[int, int], rate: float, generator: torch.Generator
) -> Tensor | None:
    if rate == 0:
        return None
    uniform = torch.rand(shape, generator=generator, device=generator.device)
    return (uniform >= rate).to(uniform.dtype) / (1 - rate)
