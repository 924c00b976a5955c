"""A tiny trained model, and a way to make files that are wrong in one place only."""

import json

import pytest
import torch

from lstm_textgen.checkpoint.format import MODEL, checkpoint_of, save_checkpoint
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.tokenizer import CharTokenizer


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
def metadata(saved):
    """What the good file says of itself, without its checksums."""
    with open_container(saved, MODEL) as container:
        return container.metadata


@pytest.fixture
def split(saved):
    """The good file as its header, read with json, and the bytes of its tensors."""
    data = saved.read_bytes()
    stop = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:stop]), data[stop:]


@pytest.fixture
def forge(tmp_path):
    """Write a container with any header, given as a value or as bytes."""

    def write(header, data=b""):
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        path = tmp_path / "forged.safetensors"
        path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)
        return path

    return write
