"""
The mean of the weights of several models: one model that is often better than each.

It works where the models lie in one valley of the loss: those that one run saved one
after the other, or runs that went on from the same model. Models that were born apart
give noise.

Source:
    Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better
    Generalization. https://arxiv.org/abs/1803.05407
"""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from lstm_textgen.checkpoint.container import tensors_sha256
from lstm_textgen.checkpoint.format import HEAD, Checkpoint, as_trained, versions
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import CheckpointError, ConfigError

TOLD = 8
"""How many models the note names."""


def average_models(models: Sequence[Checkpoint], names: Sequence[str]) -> Checkpoint:
    """
    The model whose every number is the mean of those of *models*.

    It is summed in float64, and kept in bfloat16 only if all of them are. Its logits
    are divided by the mean of the temperatures of those that were calibrated, and it
    begins with the mean of what those begin with that have learned it.

    Args:
        models: At least 2, with the same settings and the same vocabulary.
        names: What they are called, for an error.

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
    return dataclasses.replace(
        first,
        model=fullest.model,
        tensors={name: _mean(models, name, temperature) for name in fullest.tensors},
        training=dataclasses.replace(record, temperature=temperature),
        made_by=versions(),
        licence=licences.pop() if len(licences) == 1 else "",
        note=_note(models),
    )


def _mean(models: Sequence[Checkpoint], name: str, temperature: float | None) -> Tensor:
    """A head that was calibrated counts as it was before, so that all are alike."""
    having = [model for model in models if name in model.tensors]
    halved = all(m.tensors["head.bias"].dtype == torch.bfloat16 for m in models)
    total = torch.zeros_like(having[0].tensors[name], dtype=torch.float64)
    for model in having:  # one after the other: many models need no more memory
        was = model.training.temperature if name in HEAD else None
        total += model.tensors[name].double() * (was or 1.0)
    mean = total / len(having) / ((temperature or 1.0) if name in HEAD else 1.0)
    return mean.to(torch.bfloat16 if halved else torch.float32)


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
    What can be said of the training of all of them, without a loss.

    Steps, epochs and time are the largest: what one run saved later contains what it
    saved before. A seed is told only if it is that of all.
    """
    most = TrainingRecord(
        steps=max(each.steps for each in records),
        epochs=max(each.epochs for each in records),
        seconds=max(each.seconds for each in records),
    )
    first = records[0]
    if any(each.sha256 != first.sha256 for each in records):
        return most
    about = ("corpus", "characters", "sha256", "encoding", "newline", "seed")
    parts = [
        f"{p}_{end}"
        for p in ("train", "calibration", "validation", "test")
        for end in ("start", "stop")
    ]
    same = all(all(getattr(r, p) == getattr(first, p) for p in parts) for r in records)
    # what one of them has learned from must not judge the mean
    kept = {name: getattr(first, name) for name in (*about, *(parts if same else ()))}
    if any(each.seed != first.seed for each in records):
        del kept["seed"]
    return dataclasses.replace(most, **kept)


def _note(models: Sequence[Checkpoint]) -> str:
    told = [tensors_sha256(model.tensors)[:12] for model in models[:TOLD]]
    more = [f"{len(models) - TOLD} more"] if len(models) > TOLD else []
    return (
        f"The mean of the weights of {len(models)} models, by the digests of their "
        f"tensors: {', '.join([*told, *more])}."
    )


def with_loss(checkpoint: Checkpoint, nats: float, characters: int) -> Checkpoint:
    """The same model, with the loss that its held-out part was found to cost."""
    record = dataclasses.replace(
        checkpoint.training,
        validation_nats_per_char=nats,
        validation_characters=characters,
    )
    return dataclasses.replace(checkpoint, training=record)
