"""A model as arrays, and the reader of them that the docs print."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.format import load_checkpoint, to_metadata
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import SampleConfig
from lstm_textgen.export.arrays import npz_bytes
from lstm_textgen.model.weights import to_checkpoint, to_tensors
from lstm_textgen.paths import bundled_folder
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.builders import char_tokenizer

PAGE = Path(__file__).parents[2] / "docs" / "format.md"
FABLES = bundled_folder("checkpoints") / "fables.safetensors"


@pytest.fixture(scope="module")
def code():
    """The program in the docs that reads an `.npz`."""
    page = PAGE.read_text(encoding="utf-8")
    [block] = [
        text
        for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "np.load" in text
    ]
    return block


@pytest.fixture(scope="module")
def reader(code):
    """What that program defines."""
    names = {"__name__": "reader"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_numpy_opens_it_without_pickle():
    """Every parameter under its name in float32, bfloat16 widened exactly."""
    checkpoint = load_checkpoint(FABLES)

    with np.load(io.BytesIO(npz_bytes(checkpoint)), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    metadata = json.loads(arrays.pop("metadata").tobytes())

    assert metadata == to_metadata(checkpoint)
    assert arrays.keys() == checkpoint.tensors.keys()
    for name, tensor in to_tensors(checkpoint.tensors).items():
        assert arrays[name].dtype == np.float32
        assert np.array_equal(arrays[name], tensor.float().numpy())


def test_the_same_model_gives_the_same_bytes():
    """No time and no name of a machine is in it."""
    checkpoint = load_checkpoint(FABLES)

    assert npz_bytes(checkpoint) == npz_bytes(checkpoint)


def test_the_reader_is_short(code):
    """Short enough to be written again in any language."""
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    assert set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)) == {
        *("json", "numpy")
    }


@pytest.mark.slow
@pytest.mark.parametrize(("prompt", "temperature"), [("The fox", 0.8), ("", 0.5)])
def test_the_reader_draws_the_text_of_the_sampler(
    tmp_path, reader, prompt, temperature
):
    """The same seed gives the same text, of a model that has learned."""
    path = tmp_path / "fables.npz"
    path.write_bytes(npz_bytes(load_checkpoint(FABLES)))
    config = SampleConfig(seed=7, temperature=temperature)

    expected = Writer.load(FABLES).generate(prompt, length=300, config=config)

    assert "".join(reader["write"](path, prompt, 300, 7, temperature)) == expected


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("residual", [True, False])
def test_the_reader_knows_every_cell(tmp_path, make_model, reader, cell, residual):
    """Its equations are ours, also without sums across layers."""
    model = make_model(
        *(6,), cell=cell, layers=3, residual=residual, dtype=torch.float32
    )
    tokenizer = char_tokenizer("\nabcde")
    checkpoint = to_checkpoint(model, tokenizer, TrainingRecord())
    path = tmp_path / "model.npz"
    path.write_bytes(npz_bytes(checkpoint))

    expected = Writer(model, tokenizer).generate(
        "abe", length=200, config=SampleConfig(seed=3)
    )

    assert "".join(reader["write"](path, "abe", 200, 3)) == expected


@pytest.mark.parametrize("temperature", [0.8, 0.01])
def test_the_reader_never_draws_the_unknown_mark(
    tmp_path, make_model, reader, temperature
):
    """
    A model from `--min-count` reads the mark for a rare character, and never writes it.

    The reader once drew from all logits: it wrote the mark, and another text from there
    on. And it failed on a prompt with a character that is not in the vocabulary.
    """
    model = make_model(4, dtype=torch.float32)
    with torch.no_grad():
        model.head.bias[3] += 9
    tokenizer = CharTokenizer("\nab\ufffd", "\ufffd")
    path = tmp_path / "model.npz"
    path.write_bytes(npz_bytes(to_checkpoint(model, tokenizer, TrainingRecord())))
    config = SampleConfig(seed=3, temperature=temperature)

    expected = Writer(model, tokenizer).generate("aé狐b", length=100, config=config)
    found = "".join(reader["write"](path, "aé狐b", 100, 3, temperature))

    assert found == expected
    assert "\ufffd" not in found


def test_the_reader_opens_a_text_as_the_sampler_does(tmp_path, make_model, reader):
    """Without a line end among the characters, after the first of them."""
    model = make_model(3, dtype=torch.float32)
    tokenizer = CharTokenizer("ab\ufffd", "\ufffd")
    path = tmp_path / "model.npz"
    path.write_bytes(npz_bytes(to_checkpoint(model, tokenizer, TrainingRecord())))

    expected = Writer(model, tokenizer).generate(
        length=100, config=SampleConfig(seed=3)
    )

    assert "".join(reader["write"](path, "", 100, 3)) == expected
