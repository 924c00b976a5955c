"""A model whose logits are divided by a temperature, once and for all who read it."""

from dataclasses import replace

from lstm_textgen.checkpoint.format import Checkpoint

HEAD = ("head.weight", "head.bias")


def with_temperature(checkpoint: Checkpoint, temperature: float) -> Checkpoint:
    """
    The same model with the logits of its last step divided by *temperature*.

    Args:
        checkpoint: As training left it, or divided by another temperature already.
        temperature: More than 0; 1 leaves it as the last step did.
    """
    divisor = temperature / (checkpoint.training.temperature or 1.0)
    divided = {name: checkpoint.tensors[name] / divisor for name in HEAD}
    return replace(
        checkpoint,
        tensors=checkpoint.tensors | divided,
        training=replace(checkpoint.training, temperature=temperature),
    )
