"""Format 1: what is written, that it comes back, and that old files are read."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch

from lstm_textgen.checkpoint.format import (
    FORMAT,
    KEYS,
    load_checkpoint,
    save_checkpoint,
    to_metadata,
)
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.checkpoint.schema import parameter_count, tensor_shapes
from lstm_textgen.config import ModelConfig, SampleConfig, to_json
from lstm_textgen.errors import CheckpointError, ConfigError
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.weights import build_model, skeleton, to_tensors
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import ByteTokenizer
from tests.builders import char_tokenizer, to_checkpoint, wrong_tensors


def same_values(one, other):
    """Every field and every bit of the weights."""
    bits = [
        {name: (array.dtype, array.tobytes()) for name, array in model.tensors.items()}
        for model in (one, other)
    ]
    return to_metadata(one) == to_metadata(other) and bits[0] == bits[1]


def test_a_checkpoint_comes_back(saved, checkpoint):
    """Settings, vocabulary, record, texts and every bit of the weights are the same."""
    assert same_values(load_checkpoint(saved), checkpoint)


def test_the_record_keeps_the_order_of_its_keys(checkpoint):
    """
    The same model gives the same config.json, so pushing it again adds no commit.

    `newline`, which is no setting any more, once moved to the end.
    """
    keys = list(to_metadata(checkpoint)["training"])

    assert keys[:4] == ["corpus", "characters", "sha256", "encoding"]
    assert keys[4:6] == ["newline", "train_start"]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), char_tokenizer("ab")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_kind_of_model_comes_back(tmp_path, cell, tokenizer, dtype):
    """Each cell, each tokenizer and both types of numbers; bfloat16 stays that."""
    config = ModelConfig(cell=cell, layers=2, hidden=3, embedding=2, residual=False)
    model = CharModel(config, tokenizer.size)
    checkpoint = to_checkpoint(model, tokenizer, TrainingRecord(), dtype=dtype)

    save_checkpoint(tmp_path / "model", checkpoint)
    loaded = load_checkpoint(tmp_path / "model")

    assert same_values(loaded, checkpoint)
    assert {t.dtype for t in to_tensors(loaded.tensors).values()} == {dtype}


def test_the_built_model_speaks_as_the_old_one(saved, model):
    """The loaded network gives the same logits, bit for bit."""
    ids = torch.tensor([[0], [3], [1]])
    built = build_model(load_checkpoint(saved))

    with torch.no_grad():
        expected, _ = model(ids, model.initial_state(1))
        found, _ = built(ids, built.initial_state(1))

    assert torch.equal(found, expected)
    assert not any(p.requires_grad for p in built.parameters())
    assert not built.training


def test_the_built_model_is_a_copy(checkpoint, model):
    """Learning changes neither the checkpoint nor what it was made from."""
    built = build_model(checkpoint, requires_grad=True)
    before = checkpoint.tensors["head.bias"].copy()

    assert all(p.requires_grad for p in built.parameters())
    with torch.no_grad():
        built.head.bias.add_(1)
        model.head.bias.add_(1)
    assert np.array_equal(checkpoint.tensors["head.bias"], before)


def test_bfloat16_weights_are_widened_exactly(model):
    """A model built in float64 from bfloat16 has exactly those numbers."""
    tokenizer = char_tokenizer("hällo\0")
    checkpoint = to_checkpoint(model, tokenizer, TrainingRecord(), dtype=torch.bfloat16)

    built = build_model(checkpoint, dtype=torch.float64).state_dict()

    for name, tensor in model.state_dict().items():
        assert torch.equal(built[name], tensor.bfloat16().double())


def test_loading_draws_no_first_weights(saved, monkeypatch):
    """
    No weight is drawn only to be replaced, so seeds keep their meaning.

    On the meta device torch imports its compiler for that, which made the first
    load of a process 1.4 s slower.
    """

    def draw(*args, **kwargs):
        raise AssertionError("drawn")

    for name in ("normal_", "uniform_"):
        monkeypatch.setattr(torch.Tensor, name, draw)

    with pytest.raises(AssertionError, match="drawn"):
        torch.nn.Embedding(2, 3, device="meta")
    build_model(load_checkpoint(saved))


def test_the_same_model_has_the_same_bytes(tmp_path, saved, checkpoint):
    """Saving again, and saving what was loaded, gives the file again."""
    save_checkpoint(tmp_path / "again", checkpoint)
    save_checkpoint(tmp_path / "loaded", load_checkpoint(saved))

    assert (tmp_path / "again").read_bytes() == saved.read_bytes()
    assert (tmp_path / "loaded").read_bytes() == saved.read_bytes()


def test_safe_open_reads_the_model(saved, model):
    """The library that others use finds the parameters under torch's names."""
    with safetensors.safe_open(saved, framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        described = json.loads(file.metadata()["lstm_textgen"])

    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[k], v) for k, v in model.state_dict().items())
    assert described["model"]["cell"] == "lstm"
    checksums = {"tensors_sha256", "metadata_sha256"}
    assert set(described) == KEYS | checksums
    assert set(described["made_by"]) == {"lstm_textgen", "torch", "python"}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 2, 16])
@pytest.mark.parametrize(("hidden", "embedding", "vocabulary"), [(1, 1, 1), (5, 3, 7)])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("initial", ["zeros", "learned"])
def test_the_schema_is_the_state_dict(
    cell, layers, hidden, embedding, vocabulary, residual, initial
):
    """Names, shapes and order computed without torch are those of the network."""
    sizes = {"layers": layers, "hidden": hidden, "embedding": embedding}
    config = ModelConfig(cell=cell, residual=residual, initial_state=initial, **sizes)

    model = CharModel(config, vocabulary)
    built = {name: tuple(t.shape) for name, t in model.state_dict().items()}

    assert list(tensor_shapes(config, vocabulary).items()) == list(built.items())
    assert parameter_count(config, vocabulary) == model.parameter_count()


def test_a_skeleton_takes_no_memory():
    """The largest settings have a skeleton, and all of it is on the meta device."""
    config = ModelConfig(layers=16, hidden=8192, embedding=8192)

    parameters = list(skeleton(config, 0x110000).parameters())

    assert sum(p.numel() for p in parameters) == parameter_count(config, 0x110000)
    assert {p.device for p in parameters} == {torch.device("meta")}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_model_that_ran_away_is_not_saved(tmp_path, checkpoint, value):
    """One weight that is not finite is refused, and no file appears."""
    checkpoint.tensors["head.bias"][1] = value

    with pytest.raises(CheckpointError, match=r"head\.bias"):
        save_checkpoint(tmp_path / "model", checkpoint)

    assert list(tmp_path.iterdir()) == []


def test_only_the_tensors_of_the_settings_are_saved(tmp_path, checkpoint):
    """One more, one less, another shape, another type: none is written."""
    tensors = checkpoint.tensors
    halves = {name: array.astype(np.float16) for name, array in tensors.items()}
    double = {**tensors, "head.bias": tensors["head.bias"].astype(np.float64)}

    for wrong in (*wrong_tensors(tensors), {}, halves, double):
        changed = dataclasses.replace(checkpoint, tensors=wrong)
        with pytest.raises(CheckpointError) as caught:
            save_checkpoint(tmp_path / "model", changed)
        assert caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["x" * 10_001, "a\0b", "\udcff"])
@pytest.mark.parametrize("field", ["licence", "note"])
def test_free_texts_have_bounds(checkpoint, field, text):
    """A text that could not be kept is refused where it is given."""
    with pytest.raises(ConfigError, match=field):
        dataclasses.replace(checkpoint, **{field: text})


GOLDEN = Path(__file__).with_name("golden")
VERSIONS = range(1, FORMAT + 1)


def golden(number):
    """A file of that format, written when it was the newest, and what it said then."""
    written = json.loads((GOLDEN / f"format-{number}.json").read_text(encoding="utf-8"))
    return GOLDEN / f"format-{number}.safetensors", written


def test_every_format_has_its_golden_file():
    """A new format comes with a file of its own; the old ones stay as they are."""
    names = {path.name for path in GOLDEN.glob("*.safetensors")}

    assert names == {f"format-{number}.safetensors" for number in VERSIONS}


@pytest.mark.parametrize("number", VERSIONS)
def test_a_golden_file_says_what_it_always_said(number):
    """Settings, vocabulary, record, and the text that its weights write."""
    path, written = golden(number)
    config = SampleConfig(seed=written["seed"])

    about = to_metadata(load_checkpoint(path))
    text = Writer.load(path).generate(
        written["prompt"], length=len(written["text"]), config=config
    )

    # fields added since then have their defaults
    defaults = to_json(TrainingRecord())
    written["about"]["training"] = defaults | written["about"]["training"]
    assert {k: about[k] for k in written["about"]} == written["about"]
    assert text == written["text"]
