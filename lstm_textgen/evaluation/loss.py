"""The loss of a text, as a sum."""

import math
from dataclasses import dataclass, replace

from lstm_textgen.checkpoint.format import Checkpoint


@dataclass(frozen=True, slots=True)
class Loss:
    """The summed loss of a model on some characters."""

    nats: float
    characters: int

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(self.nats + other.nats, self.characters + other.characters)

    @property
    def nats_per_char(self) -> float:
        """The mean; NaN where nothing was read."""
        return self.nats / self.characters if self.characters else math.nan

    @property
    def bits_per_char(self) -> float:
        """The mean in bits: 8 for random bytes, about 1 for human readers."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters with the same loss."""
        return math.exp(min(self.nats_per_char, 700.0))


def recorded_loss(checkpoint: Checkpoint) -> Loss | None:
    """
    The validation loss that a checkpoint records; None if it has none.

    Only the mean is recorded: it is returned as the loss of a single character.
    """
    nats = checkpoint.training.validation_nats_per_char
    return None if nats is None else Loss(nats, 1)


def with_loss(checkpoint: Checkpoint, loss: Loss) -> Checkpoint:
    """The same model with *loss* recorded as its validation loss, if it has any."""
    if not loss.characters:
        return checkpoint
    training = replace(
        checkpoint.training,
        validation_nats_per_char=loss.nats_per_char,
        validation_characters=loss.characters,
    )
    return replace(checkpoint, training=training)
