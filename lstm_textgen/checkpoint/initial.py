"""A model that begins every text with a memory that was learned."""

from dataclasses import replace

from lstm_textgen.checkpoint.format import Checkpoint
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.state import StackState


def as_trained(model: ModelConfig) -> ModelConfig:
    """The settings of a model before it learned what to begin with, if it did."""
    return replace(model, initial_state="zeros")


def with_initial_state(checkpoint: Checkpoint, state: StackState) -> Checkpoint:
    """
    The same model, with *state* as the memory before the first character.

    Args:
        checkpoint: Its own initial state, if it has one, gives way.
        state: Of one stream.
    """
    kind = next(iter(checkpoint.tensors.values())).dtype
    learned = {
        f"initial.{name}": tensor[0].to("cpu", kind, copy=True)
        for name, tensor in state.tensors().items()
    }
    return replace(
        checkpoint,
        model=replace(checkpoint.model, initial_state="learned"),
        tensors=checkpoint.tensors | learned,
    )
