"""A tiny trained model, and files that are made from it."""

import pytest

from lstm_textgen.checkpoint.format import save_checkpoint
from tests.forging import container, take_apart


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
