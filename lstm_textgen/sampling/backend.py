"""
What advances samples by one character, as a protocol, and the choice of one.

Shapes: T steps, N and M samples, K characters of a block, V vocabulary.
"""

from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from lstm_textgen.config import choice
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.model.network import CharModel

State = TypeVar("State")
"""The recurrent state of some samples. Only the backend that made it looks inside."""


@runtime_checkable
class Backend(Protocol[State]):
    """One network, or several as one, advancing any number of samples."""

    def initial(self) -> State:
        """The state of one sample before its first character."""

    def read(
        self, ids: Int64[Tensor, " T"], state: State
    ) -> tuple[Float[Tensor, "1 V"], State]:
        """
        Read a part of a prompt, at least 1 character.

        Returns:
            Logits of the character after the last, and the state after it.
        """

    def step(
        self, ids: Int64[Tensor, " N"], state: State
    ) -> tuple[Float[Tensor, "N V"], State]:
        """
        Read one character per sample.

        Args:
            ids: The characters.
            state: The state before them; it is not changed.

        Returns:
            Logits of the next characters, and the state after.
        """

    def select(self, state: State, rows: Int64[Tensor, " M"]) -> State:
        """The state of the samples at these places; a place may come twice."""

    def where(self, rows: Bool[Tensor, " N"], state: State, other: State) -> State:
        """*state* for marked samples, else *other*."""


@runtime_checkable
class BlockBackend(Backend[State], Protocol[State]):
    """A backend that can also draw, many characters of one sample at a time."""

    def draw(
        self,
        logits: Float[Tensor, "1 V"],
        state: State,
        uniforms: Float64[np.ndarray, " K"],
        temperature: float,
    ) -> tuple[list[int], list[float], Float[Tensor, "1 V"], State]:
        """
        Draw one character for each random number.

        Args:
            logits: Of the first character.
            state: Of one sample; it is not changed.
            uniforms: At least 0 and below 1.
            temperature: Above 0.

        Returns:
            Ids, the surprise of each under the model itself in nats, and logits and
            state after the last.
        """


COMPILED_FROM = 5_000
"""Characters from which compiled code makes up for importing numba, half a second.
Its first use on a machine compiles it, which takes three seconds more."""

PRECISIONS = ("float32", "bfloat16", "int8")


def choose_backend(
    model: CharModel, *, characters: int = 0, precision: str = "float32"
) -> Backend[Any]:
    """
    The fastest backend for a model: compiled code for long texts on the CPU, if numba
    is installed; a CUDA graph on a GPU; otherwise plain torch.

    Args:
        model: The network.
        characters: How many will be drawn one after the other.
        precision: `float32`. `bfloat16` is for many samples: products in that type,
            by plain torch whatever the length. `int8` is for one sample: weights in
            8 bits, by compiled code whatever the length.

    Raises:
        ConfigError: There is no such precision, or it is `int8` on a GPU.
        UnavailableError: 8 bits need numba, and it does not load.
    """
    from lstm_textgen.sampling.batched import BatchedBackend, GraphBackend

    choice("precision", precision, PRECISIONS)
    device = model.head.weight.device.type
    batched = GraphBackend if device == "cuda" else BatchedBackend
    if precision == "bfloat16":
        return batched(model, products=torch.bfloat16)
    int8 = precision == "int8"
    if int8 and device != "cpu":
        raise ConfigError(
            "Weights in 8 bits are for the CPU, and this model is on a GPU.",
            "Leave out --precision int8, or take --device cpu.",
        )
    if not int8 and (device != "cpu" or characters < COMPILED_FROM):
        return batched(model)
    try:
        from lstm_textgen.sampling.compiled import CompiledBackend
    except (
        ImportError,
        RuntimeError,
    ) as error:  # not installed, or it cannot work here
        if not int8:
            return batched(model)
        raise UnavailableError(
            f"Weights in 8 bits need numba, which does not load ({error}).",
            'Install it: pip install "lstm-textgen[fast]"',
        ) from error
    return CompiledBackend(model, int8=int8)
