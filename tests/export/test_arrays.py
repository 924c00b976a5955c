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
from lstm_textgen.model.weights import build_model, to_tensors
from lstm_textgen.paths import bundled_folder
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.builders import char_tokenizer, to_checkpoint

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


@pytest.fixture
def both_write(tmp_path, code):
    """What that program and our sampler write, with the same model and seed."""
    names = {"__name__": "reader"}
    exec(compile(code, str(PAGE), "exec"), names)

    def write(checkpoint, prompt, length, *, temperature=0.8):
        path = tmp_path / "model.npz"
        path.write_bytes(npz_bytes(checkpoint))
        config = SampleConfig(seed=7, temperature=temperature)
        writer = Writer(build_model(checkpoint), checkpoint.tokenizer)
        expected = writer.generate(prompt, length=length, config=config)
        return "".join(names["write"](path, prompt, length, 7, temperature)), expected

    return write


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
def test_the_reader_draws_the_text_of_the_sampler(both_write, prompt, temperature):
    """The same seed gives the same text, of a model that has learned."""
    fables = load_checkpoint(FABLES)

    found, expected = both_write(fables, prompt, 300, temperature=temperature)

    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("residual", [True, False])
def test_the_reader_knows_every_cell(make_model, both_write, cell, residual):
    """Its equations are ours, also without sums across layers."""
    model = make_model(6, cell=cell, layers=3, residual=residual)
    checkpoint = to_checkpoint(model, char_tokenizer("\nabcde"), TrainingRecord())

    found, expected = both_write(checkpoint, "abe", 200)

    assert found == expected


@pytest.mark.parametrize("temperature", [0.8, 0.01])
def test_the_reader_never_draws_the_unknown_mark(make_model, both_write, temperature):
    """
    A model from `--min-count` reads the mark for a rare character, and never writes it.

    The reader once drew from all logits: it wrote the mark, and another text from there
    on. And it failed on a prompt with a character that is not in the vocabulary.
    """
    model = make_model(4)
    with torch.no_grad():
        model.head.bias[3] += 9
    tokenizer = CharTokenizer("\nab\ufffd", "\ufffd")
    checkpoint = to_checkpoint(model, tokenizer, TrainingRecord())

    found, expected = both_write(checkpoint, "aé狐b", 100, temperature=temperature)

    assert found == expected
    assert "\ufffd" not in found


def test_the_reader_opens_a_text_as_the_sampler_does(make_model, both_write):
    """Without a line end among the characters, after the first of them."""
    tokenizer = CharTokenizer("ab\ufffd", "\ufffd")
    checkpoint = to_checkpoint(make_model(3), tokenizer, TrainingRecord())

    found, expected = both_write(checkpoint, "", 100)

    assert found == expected
