"""A tiny trained model, and files that are made from it."""

import pytest
import torch

from lstm_textgen.checkpoint.format import checkpoint_of, save_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.forging import container, take_apart


@pytest.fixture
def model():
    config = ModelConfig(cell="lstm", layers=2, hidden=3, embedding=2)
    model = CharModel(config, 5)
    initialise(model, torch.Generator().manual_seed(7))
    return model


@pytest.fixture
def checkpoint(model):
    """A model that knows the characters of `hällo` and NUL."""
    record = TrainingRecord(
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
    tokenizer = CharTokenizer.from_text("hällo\0")
    return checkpoint_of(model, tokenizer, record, licence="CC0-1.0", note="😀 \x1b[2J")


@pytest.fixture
def saved(tmp_path, checkpoint):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, checkpoint)
    return path


@pytest.fixture
def parts(saved):
    """The good file, taken apart."""
    return take_apart(saved.read_bytes())


@pytest.fixture
def forge(tmp_path):
    """Write a container with any header, given as a value or as bytes."""

    def write(header, body=b""):
        path = tmp_path / "forged.safetensors"
        path.write_bytes(container(header, body))
        return path

    return write
