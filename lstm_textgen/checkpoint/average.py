"""
The mean of the weights of several models, which is often better than each of them.

It works where the models lie in one valley of the loss: snapshots of one run, or runs
that were fine-tuned from the same model. Averaging independently trained models gives
noise.

Source:
    Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better
    Generalization. https://arxiv.org/abs/1803.05407
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lstm_textgen.checkpoint.container import (
    BF16,
    Array,
    tensors_sha256,
    to_bfloat16,
    widen,
)
from lstm_textgen.checkpoint.format import HEAD, Checkpoint, as_trained, versions
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import CheckpointError, ConfigError

MAX_NAMED = 8
"""How many models the note names."""


def average_models(models: Sequence[Checkpoint], names: Sequence[str]) -> Checkpoint:
    """
    The model whose every weight is the mean of those of *models*.

    Sums are in float64, and the mean is bfloat16 only if all models are. Its
    temperature is the mean of those of the calibrated models, its initial state the
    mean of those of the models that have learned one.

    Args:
        models: At least 2, with the same settings and the same vocabulary.
        names: Their names, for an error.

    Raises:
        ConfigError: There are fewer than 2.
        CheckpointError: Two of them do not fit together.
    """
    if len(models) < 2:
        raise ConfigError(
            f"A mean of {len(models)} model is asked for.", "Name two models or more."
        )
    first = models[0]
    for model, name in zip(models[1:], names[1:], strict=True):
        _check_fits(first, model, names[0], name)
    licences = {model.licence for model in models}
    temperatures = [t for m in models if (t := m.training.temperature) is not None]
    temperature = sum(temperatures) / len(temperatures) if temperatures else None
    record = _shared_record([model.training for model in models])
    fullest = max(models, key=lambda model: len(model.tensors))
    return replace(
        first,
        model=fullest.model,
        tensors={name: _mean(models, name, temperature) for name in fullest.tensors},
        training=replace(record, temperature=temperature),
        made_by=versions(),
        licence=licences.pop() if len(licences) == 1 else "",
        note=_note(models),
    )


def _mean(models: Sequence[Checkpoint], name: str, temperature: float | None) -> Array:
    """The mean of one tensor. Heads are averaged as they were before calibration."""
    owners = [model for model in models if name in model.tensors]
    total = np.zeros(owners[0].tensors[name].shape)
    for model in owners:  # one after the other: many models need no more memory
        divided_by = model.training.temperature if name in HEAD else None
        weights = widen(model.tensors[name]).astype(np.float64)
        total += weights * (divided_by or 1.0)
    mean = total / len(owners) / ((temperature or 1.0) if name in HEAD else 1.0)
    single = mean.astype(np.float32)
    all_bfloat16 = all(model.tensors["head.bias"].dtype == BF16 for model in models)
    return to_bfloat16(single) if all_bfloat16 else single


def _check_fits(first: Checkpoint, other: Checkpoint, name: str, its: str) -> None:
    if as_trained(first.model) != as_trained(other.model):
        raise CheckpointError(
            f"{its} has another shape than {name}: {_shape(other)}, not "
            f"{_shape(first)}.",
            "Average models of the same settings; textgen checkpoints diff shows them.",
        )
    if first.tokenizer != other.tokenizer:
        raise CheckpointError(
            f"{its} knows other characters than {name}: {other.tokenizer.size} and "
            f"{first.tokenizer.size}.",
            "Average models of one text; textgen checkpoints diff shows what differs.",
        )


def _shape(checkpoint: Checkpoint) -> str:
    model = checkpoint.model
    joined = "" if model.residual else ", not residual"
    return (
        f"{model.cell}, {model.layers} x {model.hidden}, "
        f"embedding {model.embedding}{joined}"
    )


def _shared_record(records: Sequence[TrainingRecord]) -> TrainingRecord:
    """
    What is true of the training of all models, without a loss.

    Steps, epochs and time are the largest: a later snapshot of a run includes the
    earlier ones. Seed, text and parts are kept only where all models agree.
    """
    first = records[0]
    shared = replace(
        first,
        steps=max(record.steps for record in records),
        epochs=max(record.epochs for record in records),
        seconds=max(record.seconds for record in records),
        temperature=None,
        validation_nats_per_char=None,
        validation_characters=0,
    )
    if any(record.sha256 != first.sha256 for record in records):
        return TrainingRecord(
            steps=shared.steps, epochs=shared.epochs, seconds=shared.seconds
        )
    if any(record.seed != first.seed for record in records):
        shared = replace(shared, seed=0)
    parts = first.parts, first.calibration
    if any((record.parts, record.calibration) != parts for record in records):
        # what one of them was trained on must not judge the mean
        shared = shared.without_parts()
    return shared


def _note(models: Sequence[Checkpoint]) -> str:
    digests = [tensors_sha256(model.tensors)[:12] for model in models[:MAX_NAMED]]
    hidden = len(models) - len(digests)
    more = [f"{hidden} more"] if hidden else []
    return (
        f"The mean of the weights of {len(models)} models, by the digests of their "
        f"tensors: {', '.join([*digests, *more])}."
    )
