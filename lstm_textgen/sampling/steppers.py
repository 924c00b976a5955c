"""The fastest stepper for what is to be written, in the precision that is wanted."""

import torch

from lstm_textgen.config.checks import choice
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.model.network import CharModel
from lstm_textgen.sampling.fast import FastStepper
from lstm_textgen.sampling.graphed import GraphStepper

PAYS_FROM = 5_000
"""Characters from which machine code makes up for its import, half a second. At its
first use on a machine it is made, which takes three seconds more."""

PRECISIONS = ("float32", "bfloat16", "int8")


def make_stepper(
    model: CharModel, *, characters: int = 0, precision: str = "float32"
) -> FastStepper:
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
    plain = GraphStepper if device == "cuda" else FastStepper
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
        from lstm_textgen.sampling.compiled import CompiledStepper
    except (ImportError, RuntimeError) as error:  # not there, or it cannot work here
        if not int8:
            return FastStepper(model)
        raise UnavailableError(
            f"Weights in 8 bits need numba, which does not load ({error}).",
            'Install it: pip install "lstm-textgen[fast]"',
        ) from error
    return CompiledStepper(model, int8=int8)
