"""A tiny trained model, and files that are made from it."""

import pytest
import torch

from lstm_textgen.checkpoint.format import checkpoint_of, save_checkpoint
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.forging import container, take_apart
from tests.records import RECORD


@pytest.fixture
def model():
    shape = {"layers": 2, "hidden": 3, "embedding": 2, "initial_state": "learned"}
    model = CharModel(ModelConfig(cell="lstm", **shape), 5)
    initialise(model, torch.Generator().manual_seed(7))
    for memory in model.initial.parameters():
        memory.detach().copy_(torch.tensor([0.5, -0.25, 1.0]))
    return model


@pytest.fixture
def checkpoint(model):
    """A model that knows the characters of `hällo` and NUL."""
    tokenizer = CharTokenizer.from_text("hällo\0")
    return checkpoint_of(model, tokenizer, RECORD, licence="CC0-1.0", note="😀 \x1b[2J")


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
