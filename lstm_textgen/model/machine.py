"""Where to compute: device, threads, precision; what to do when memory runs out."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lstm_textgen.checkpoint.format import versions
from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.errors import ConfigError, is_out_of_memory

MAX_THREADS = 1024
"""Much larger numbers crash torch."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run computes."""

    device: torch.device
    threads: int
    dtype: torch.dtype = torch.float32
    threads_open: bool = False
    """The user set no number of threads: fewer may be taken where they are faster."""

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

    def environment(self) -> dict[str, str | int]:
        """
        What the last bits of a run depend on, apart from its settings.

        The order of sums changes with the number of threads, the kernels with the
        processor and the version of torch; numpy draws where the windows of an epoch
        begin, and this package does the rest.
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
        ConfigError: The device is not available here, or *threads* is out of range.
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        remedy = f"Set threads to a number from 1 to {MAX_THREADS}."
        raise ConfigError(f"threads is {threads}.", remedy)
    is_open = threads is None and "OMP_NUM_THREADS" not in os.environ
    count = threads or min(usable_cores(), torch.get_num_threads())
    torch.set_num_threads(count)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        # `meta` has no numbers, and some devices have no float64 to sum losses in
        torch.zeros(1, device=chosen, dtype=torch.float64).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ConfigError(
            f"Device {device!r} cannot be used here.", "Take --device auto or cpu."
        ) from error
    return Machine(chosen, count, threads_open=is_open)


def usable_cores() -> int:
    """Cores that this process may use, by its affinity and its control group."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))  # "max" is a ValueError
    return cores


def _processor(device: torch.device) -> str:
    """What decides which kernels torch takes here."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.backends.cpu.get_cpu_capability())


@contextlib.contextmanager
def explain_out_of_memory(
    model: ModelConfig, optimizer: OptimizerConfig
) -> Iterator[None]:
    """
    When memory runs out, name the settings that decide how much is used.

    Raises:
        ConfigError: There was not enough memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        layers = f"{model.layers} layer{'s' if model.layers > 1 else ''}"
        raise ConfigError(
            f"There is not enough memory for {layers} of hidden {model.hidden} with "
            f"{optimizer.streams} streams and a window of {optimizer.window}.",
            "Lower --streams or --window, then --hidden or --layers.",
        ) from error
