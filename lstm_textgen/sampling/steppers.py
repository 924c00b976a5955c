"""The fastest stepper for what is to be written."""

from importlib.util import find_spec

from lstm_textgen.errors import UnavailableError
from lstm_textgen.model.network import CharModel
from lstm_textgen.sampling.fast import FastStepper

PAYS_FROM = 5_000
"""Characters from which machine code makes up for its import, about a second."""


def make_stepper(
    model: CharModel, *, characters: int = 0, int8: bool = False
) -> FastStepper:
    """
    Machine code for long texts on the CPU, if numba is installed; else plain torch.

    Args:
        model: The network.
        characters: How many will be written, one after the other.
        int8: Weights in 8 bits, whatever the length.

    Raises:
        UnavailableError: Weights in 8 bits need numba, and it is not installed.
    """
    installed = find_spec("numba") is not None
    on_cpu = model.head.weight.device.type == "cpu"
    if int8 and not (installed and on_cpu):
        raise UnavailableError(
            "Weights in 8 bits need numba, and a CPU.",
            'Install it: pip install "lstm-textgen[fast]"',
        )
    if not (int8 or (installed and on_cpu and characters >= PAYS_FROM)):
        return FastStepper(model)
    from lstm_textgen.sampling.compiled import CompiledStepper

    return CompiledStepper(model, int8=int8)
