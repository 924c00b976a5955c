"""
Noise that keeps a network from learning its text by heart.

The noise of a window is drawn before the window is read and handed to the model
as a value. It is locked: the same at every step, so that the fused kernels stay
in use and the recurrent memory is not torn anew at each character.

Shapes: B streams, H hidden units, G gate rows.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lstm_textgen.config import GATES, ModelConfig


@dataclass(frozen=True, slots=True)
class NoiseMasks:
    """Factors for one window, one of each per layer; None leaves a layer alone."""

    outputs: tuple[Float[Tensor, "B H"] | None, ...]
    """What a layer hands upwards is multiplied by this at every step."""

    recurrent: tuple[Float[Tensor, "G H"] | None, ...]
    """What the recurrent matrix is multiplied by."""


def draw_noise_masks(
    config: ModelConfig,
    streams: int,
    *,
    dropout: float,
    weight_drop: float,
    generator: torch.Generator,
) -> NoiseMasks | None:
    """
    Draw what rests in the next window.

    Args:
        config: The shape of the network.
        streams: How many streams the window has. Each has its own units resting.
        dropout: Share of the outputs of every layer to rest, in [0, 1). 0 is off.
        weight_drop: Share of every recurrent matrix to rest, in [0, 1). 0 is off.
        generator: Where the random numbers come from; its device is used.

    Returns:
        Factors of 0 or 1 / (1 - share), or None where both are off.

    Source:
        Gal and Ghahramani (2016), A Theoretically Grounded Application of Dropout
        in Recurrent Neural Networks. https://arxiv.org/abs/1512.05287
        Merity, Keskar and Socher (2018), Regularizing and Optimizing LSTM
        Language Models, sections 4.1 and 4.2. https://arxiv.org/abs/1708.02182
    """
    if dropout == 0 and weight_drop == 0:
        return None
    H, G = config.hidden, GATES[config.cell] * config.hidden
    each = range(config.layers)
    return NoiseMasks(
        outputs=tuple(_factors((streams, H), dropout, generator) for _ in each),
        recurrent=tuple(_factors((G, H), weight_drop, generator) for _ in each),
    )


def _factors(
    shape: tuple[int, int], share: float, generator: torch.Generator
) -> Tensor | None:
    if share == 0:
        return None
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    return (drawn >= share).to(drawn.dtype) / (1 - share)
