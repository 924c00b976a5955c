"""How fast a machine multiplies matrices, and whether that is faster in bfloat16."""

import time
from dataclasses import replace

import torch

from lstm_textgen.model.machine import Machine

BFLOAT16_GAIN = 1.1
"""Bfloat16 is taken where it is this many times as fast as float32."""


def matrix_rate(machine: Machine, *, seconds: float = 0.1, size: int = 512) -> float:
    """
    Floating-point operations a second in a square matrix product.

    Args:
        machine: Where, and in which type.
        seconds: How long to measure, at least one product.
        size: Rows of the matrices.
    """
    generator = torch.Generator().manual_seed(0)  # the global one stays as it is
    a = torch.randn(size, size, generator=generator)
    a = a.to(machine.device, machine.dtype)
    products = 0
    wait_for(a @ a)  # the first one sets things up
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        wait_for(a @ a)
        products += 1
    return 2 * size**3 * products / (time.perf_counter() - began_s)


def products_pay(machine: Machine) -> bool:
    """
    Whether plain matrix products are clearly faster in bfloat16 than in float32.

    Measured before a whole step, because a processor that emulates the type takes a
    hundred times as long. On a GPU a small product would measure how long it takes to
    launch one.
    """
    size = 128 if machine.device.type == "cpu" else 2048
    half_rate, plain_rate = (
        matrix_rate(replace(machine, dtype=dtype), seconds=0.02, size=size)
        for dtype in (torch.bfloat16, torch.float32)
    )
    return half_rate > BFLOAT16_GAIN * plain_rate


def wait_for(tensor: torch.Tensor) -> None:
    """Until a GPU has computed *tensor*; a CPU has by now."""
    if tensor.device.type != "cpu":
        tensor.flatten()[0].item()
