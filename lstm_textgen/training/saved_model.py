"""The best model of a run as it goes to disk, with what it tells of its training."""

import dataclasses

from lstm_textgen.checkpoint.format import Checkpoint, checkpoint_of, out_of_range
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.evaluation.perplexity import Loss
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.text.streams import Split
from lstm_textgen.training.trainer import Trainer


def model_of(
    trainer: Trainer, text: EncodedText, split: Split, loss: Loss
) -> Checkpoint:
    """
    The model as it is now.

    Args:
        trainer: Has the weights, and knows how far it came.
        text: The whole text.
        split: Which part of it trains, validates and tests.
        loss: On the part that validates; of no characters if it was not read.
    """
    at, config = trainer.position, trainer.config
    training = TrainingRecord(
        corpus=text.name,
        characters=len(text.ids),
        sha256=text.sha256,
        encoding=config.text.encoding,
        train_start=split.train[0],
        train_stop=split.train[1],
        validation_start=split.validation[0],
        validation_stop=split.validation[1],
        test_start=split.test[0],
        test_stop=split.test[1],
        steps=at.step,
        epochs=at.characters / len(trainer.streams.ids),
        seconds=trainer.meter.elapsed_s(),
        seed=config.seed,
    )
    checkpoint = checkpoint_of(trainer.model, text.tokenizer, training)
    return with_figure(checkpoint, loss) if loss.characters else checkpoint


def check_weights(trainer: Trainer) -> None:
    """
    See that the weights can be kept, before a file is made of them.

    Raises:
        DivergedError: One is no number, or larger than any checkpoint holds.
    """
    name = out_of_range(trainer.model.state_dict())
    if name is not None:
        found = f"A weight of {name} is no number from -2^53 to 2^53"
        raise trainer.ran_away(found)


def with_figure(checkpoint: Checkpoint, loss: Loss) -> Checkpoint:
    """The same model with another figure on the part that validates."""
    training = dataclasses.replace(
        checkpoint.training,
        validation_nats_per_char=loss.nats_per_char,
        validation_characters=loss.characters,
    )
    return dataclasses.replace(checkpoint, training=training)
