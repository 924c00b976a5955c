"""Tiny vocabularies, networks and records, and other things that tests share."""

import resource
import signal
from contextlib import contextmanager
from dataclasses import replace

import torch

from lstm_textgen.checkpoint.container import to_bfloat16
from lstm_textgen.checkpoint.format import Checkpoint, versions
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.model.weights import to_arrays
from lstm_textgen.text.tokenizer import CharTokenizer

RECORD = TrainingRecord(
    corpus="hällo",
    characters=100,
    sha256="ab" * 32,
    train_stop=90,
    validation_start=90,
    validation_stop=100,
    steps=7,
    epochs=1.5,
    seconds=2.25,
    seed=2**40,
    validation_nats_per_char=1.25,
    validation_characters=10,
)
"""The record of a model that was trained on a tiny text."""


def char_tokenizer(text):
    """The vocabulary of all characters of *text*."""
    return CharTokenizer("".join(sorted(set(text))))


def in_bfloat16(checkpoint):
    """The same model, with its weights rounded to bfloat16."""
    halved = {name: to_bfloat16(array) for name, array in checkpoint.tensors.items()}
    return replace(checkpoint, tensors=halved)


def tiny_model(vocabulary=5, *, seed=7, **shape):
    """A network of three units with its first weights, in float32."""
    model = CharModel(ModelConfig(**{"hidden": 3, "embedding": 2, **shape}), vocabulary)
    initialize(model, torch.Generator().manual_seed(seed))
    return model


@contextmanager
def file_size_limited(size_bytes):
    """No file can become larger: it stands in for a disk that gets full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def wrong_tensors(tensors):
    """One tensor more, one less, renamed, transposed, of another shape or format."""
    bias, weight = tensors["head.bias"], tensors["head.weight"]
    others = {name: array for name, array in tensors.items() if name != "head.bias"}
    return (
        {**tensors, "more": bias},
        {**tensors, "more": bias[:0]},
        others,
        {**others, "head.bais": bias},
        {**others, "head.bias": bias.reshape(-1, 1)},
        {**tensors, "head.weight": weight.T},
        {**others, "head.bias": to_bfloat16(bias)},
    )


def to_checkpoint(
    model, tokenizer, training, *, licence="", note="", dtype=torch.float32
):
    """A network as a checkpoint, its weights in *dtype*."""
    return Checkpoint(
        model=model.config,
        tokenizer=tokenizer,
        training=training,
        tensors=to_arrays(model.state_dict(), dtype),
        made_by=versions(),
        licence=licence,
        note=note,
    )
