"""Where to compute, with how many threads, in which precision, and how fast that is."""

import contextlib
import copy
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from lstm_textgen.checkpoint.format import versions
from lstm_textgen.config import OptimizerConfig, Precision
from lstm_textgen.errors import ConfigError
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.optimizer import Optimizer

MOST_THREADS = 1024
"""Many more than that end in a fault of torch."""

READ_AT_ONCE = 512
"""Characters of a measurement of reading."""

PAYS = 1.1
"""Bfloat16 is taken where it is this many times as fast as float32."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run computes."""

    device: torch.device
    threads: int
    dtype: torch.dtype = torch.float32

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Matrix products in bfloat16 where that was chosen, else nothing."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def describe(self) -> str:
        """For people: `cpu, 2 threads, float32`."""
        precision = str(self.dtype).removeprefix("torch.")
        if self.device.type == "cpu":
            threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
            return f"cpu, {threads}, {precision}"
        return f"{self.device}, {precision}"

    def circumstances(self) -> dict[str, str | int]:
        """
        On what the last bits of a run depend, apart from its settings.

        The order of sums changes with the number of threads, the kernels with the
        processor and the version of torch; where windows begin is drawn by numpy, and
        what is done with all that is ours.
        """
        kind = self.device.type
        on_cpu = kind == "cpu"
        return {
            "device": kind,
            "processor": _processor(self.device),
            "threads": self.threads if on_cpu else 1,
            "precision": str(self.dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "textgen": versions()["lstm_textgen"],
        }


def choose_machine(device: str = "auto", threads: int | None = None) -> Machine:
    """
    Find the device, and set the threads of this process.

    Args:
        device: `auto` takes a CUDA device where there is one; else a torch name.
        threads: For the CPU, 1 or more. None takes the usable cores.

    Raises:
        ConfigError: There is no such device here, or no such number of threads.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        remedy = f"Set threads to a number from 1 to {MOST_THREADS}."
        raise ConfigError(f"threads is {threads}.", remedy)
    count = threads or min(usable_cores(), torch.get_num_threads())
    torch.set_num_threads(count)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
        # `meta` has no numbers, and some have no float64 to sum losses in
        torch.zeros(1, device=found, dtype=torch.float64).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ConfigError(
            f"Device {device!r} cannot be used here.", "Take --device auto or cpu."
        ) from error
    return Machine(found, count)


def usable_cores() -> int:
    """Cores that this process may use: by its affinity, and by its control group."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))  # "max" is a ValueError
    return cores


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
    _wait_for(a @ a)  # the first one sets things up
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        _wait_for(a @ a)
        products += 1
    return 2 * size**3 * products / (time.perf_counter() - began_s)


def choose_precision(
    machine: Machine, precision: Precision, model: CharModel, config: OptimizerConfig
) -> tuple[Machine, float]:
    """
    Decide on float32 or bfloat16 by running real steps, and tell the speed.

    Args:
        machine: Where to compute.
        precision: What was asked for; `auto` decides by the clock.
        model: Stays as it is; the steps are made with a copy.
        config: Streams and window of a step.

    Returns:
        The machine with its type chosen, and characters a second.

    Raises:
        ConfigError: Bfloat16 was asked for and does not run here.
    """
    plain = replace(machine, dtype=torch.float32)
    half = replace(machine, dtype=torch.bfloat16)
    if precision == "float32":
        return plain, training_speed(plain, model, config)
    if precision == "auto" and not products_pay(machine):
        return plain, training_speed(plain, model, config)
    try:
        half_speed = training_speed(half, model, config)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # the kernel has no such type on this processor
        if precision == "bfloat16":
            raise ConfigError(
                "bfloat16 does not run on this machine.", "Take --precision auto."
            ) from error
        return plain, training_speed(plain, model, config)
    plain_speed = (
        0.0 if precision == "bfloat16" else training_speed(plain, model, config)
    )
    return (
        (half, half_speed) if half_speed > PAYS * plain_speed else (plain, plain_speed)
    )


def training_speed(
    machine: Machine, model: CharModel, config: OptimizerConfig, seconds: float = 0.4
) -> float:
    """
    Characters a second in real steps, made with a copy of *model*.

    A step that refreshes the optimiser's basis takes longer than one that does not:
    as many of both are timed, and weighed as they come in a run. Dropout and the
    clipping of the gradient are left out.
    """
    model = copy.deepcopy(model)
    optimizer = Optimizer(model, config)
    ids = torch.zeros(
        config.window, config.streams, dtype=torch.int64, device=machine.device
    )

    def step() -> float:
        began_s = time.perf_counter()
        with machine.autocast():
            logits, _ = model(ids, model.initial_state(config.streams))
            nats = summed_loss(logits, ids)
        torch.autograd.backward(nats / ids.numel())
        optimizer.step()
        _wait_for(next(model.parameters()))
        return time.perf_counter() - began_s

    step()  # sets things up
    every = config.basis_every or 1
    refreshing_s: list[float] = []
    plain_s: list[float] = []
    while not plain_s or sum(refreshing_s) + sum(plain_s) < seconds:
        optimizer.steps = 1000 * every - 1  # far from the beginning of a run
        refreshing_s.append(step())
        plain_s.append(step())
    # medians: another program that is busy for a moment does not count
    mean_s = (median(refreshing_s) + (every - 1) * median(plain_s)) / every
    return ids.numel() / mean_s


@torch.inference_mode()
def reading_speed(machine: Machine, model: CharModel, seconds: float = 0.1) -> float:
    """Characters a second of one stream that is only read, as an exact judging is."""
    ids = torch.zeros(READ_AT_ONCE, 1, dtype=torch.int64, device=machine.device)
    reads, began_s = -1, time.perf_counter()
    while reads < 1 or time.perf_counter() - began_s < seconds:
        logits, _ = model(ids, model.initial_state(1))
        _wait_for(summed_loss(logits, ids))
        reads += 1
        if reads == 0:
            began_s = time.perf_counter()
    return reads * ids.numel() / (time.perf_counter() - began_s)


def products_pay(machine: Machine) -> bool:
    """
    Whether plain matrix products are clearly faster in bfloat16 than in float32.

    Asked first, because a processor that only imitates the type takes a hundred
    times as long, too long for a whole step. On a GPU a small product would measure
    how long it takes to begin one.
    """
    size = 128 if machine.device.type == "cpu" else 2048
    half_rate, plain_rate = (
        matrix_rate(replace(machine, dtype=dtype), seconds=0.02, size=size)
        for dtype in (torch.bfloat16, torch.float32)
    )
    return half_rate > PAYS * plain_rate


def _processor(device: torch.device) -> str:
    """Which kernels torch takes here."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.backends.cpu.get_cpu_capability())


def _wait_for(tensor: torch.Tensor) -> None:
    if tensor.device.type != "cpu":
        tensor.flatten()[0].item()
