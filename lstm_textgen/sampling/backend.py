"""The fastest stepper for what is to be written, in the precision that is wanted."""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lstm_textgen.config import choice
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.model.network import CharModel
from lstm_textgen.sampling.batched import BatchedBackend, GraphBackend


@runtime_checkable
class Memory(Protocol):
    """What a writer remembers of some samples."""

    def select(self, streams: Tensor) -> Any:
        """The memory of some of them, by their places; a place may come twice."""

    def where(self, streams: Tensor, other: Any) -> Any:
        """This memory for the samples that are marked, that of *other* elsewhere."""


@runtime_checkable
class Backend(Protocol):
    """What can write: one network, or a mixture of several."""

    def empty(self) -> Any:
        """The memory of one sample that has read nothing."""

    def read(
        self, ids: Int64[Tensor, " T"], memory: Any
    ) -> tuple[Float[Tensor, "1 V"], Any]:
        """Read a part of a prompt; logits of what follows, and the memory after."""

    def step(
        self, ids: Int64[Tensor, " N"], memory: Any
    ) -> tuple[Float[Tensor, "N V"], Any]:
        """Read one character per sample. The memory that is given stays as it is."""


PAYS_FROM = 5_000
"""Characters from which machine code makes up for its import, half a second. At its
first use on a machine it is made, which takes three seconds more."""

PRECISIONS = ("float32", "bfloat16", "int8")


def choose_backend(
    model: CharModel, *, characters: int = 0, precision: str = "float32"
) -> BatchedBackend:
    """
    Machine code for long texts on the CPU, if numba is installed; on a CUDA GPU a
    captured graph; else plain torch.

    Args:
        model: The network.
        characters: How many will be written, one after the other.
        precision: `float32`. `bfloat16` is for many samples: products in that type,
            by plain torch whatever the length. `int8` is for one sample: weights in
            8 bits, by machine code whatever the length.

    Raises:
        ConfigError: There is no such precision, or it is `int8` on a GPU.
        UnavailableError: 8 bits need numba, and it does not load.
    """
    choice("precision", precision, PRECISIONS)
    device = model.head.weight.device.type
    plain = GraphBackend if device == "cuda" else BatchedBackend
    if precision == "bfloat16":
        return plain(model, products=torch.bfloat16)
    int8 = precision == "int8"
    on_cpu = device == "cpu"
    if int8 and not on_cpu:
        raise ConfigError(
            "Weights in 8 bits are for the CPU, and this model is on a GPU.",
            "Leave out --precision int8, or take --device cpu.",
        )
    if not (int8 or (on_cpu and characters >= PAYS_FROM)):
        return plain(model)
    try:
        from lstm_textgen.sampling.compiled import CompiledBackend
    except (ImportError, RuntimeError) as error:  # not there, or it cannot work here
        if not int8:
            return BatchedBackend(model)
        raise UnavailableError(
            f"Weights in 8 bits need numba, which does not load ({error}).",
            'Install it: pip install "lstm-textgen[fast]"',
        ) from error
    return CompiledBackend(model, int8=int8)
