"""One step as an ONNX graph, run by onnxruntime and held to the network."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.format import load_checkpoint, to_metadata
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import CheckpointError
from lstm_textgen.model.weights import build_model
from lstm_textgen.paths import bundled_folder
from lstm_textgen.sampling.generate import UniformStream, draw_ids
from lstm_textgen.sampling.writer import Writer
from tests.builders import char_tokenizer, to_checkpoint

FABLES = bundled_folder("checkpoints") / "fables.safetensors"
TOLERANCE = 1e-5


@pytest.fixture(scope="session")
def onnx_bytes(needs):
    """The function under test."""
    needs(importlib.util.find_spec("onnx"), "needs onnx: pip install onnx")
    from lstm_textgen.export import onnx as onnx_graph

    return onnx_graph.onnx_bytes


@pytest.fixture(scope="session")
def run(onnx_bytes, needs):
    """Start a session of onnxruntime with a model's graph."""
    needs(importlib.util.find_spec("onnxruntime"), "needs onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def start(checkpoint):
        return onnxruntime.InferenceSession(onnx_bytes(checkpoint), options)

    return start


def empty(session, samples):
    """A memory of zeros, under the names of the inputs."""
    return {
        value.name: np.zeros((samples, value.shape[1]), np.float32)
        for value in session.get_inputs()
        if value.name != "id"
    }


def step(session, ids, memory):
    """Logits, and the memory under the names of the inputs again."""
    names = [value.name for value in session.get_outputs()]
    values = session.run(None, {"id": np.asarray(ids, np.int64), **memory})
    outputs = dict(zip(names, values, strict=True))
    logits = outputs.pop("logits")
    return logits, {k.removesuffix("_after"): v for k, v in outputs.items()}


def as_inputs(state, initial):
    """How far our network's memory is from *initial*, by the names of the graph."""
    begins, found = initial.tensors(), {}
    for name, tensor in state.tensors().items():
        layer, part = name.split(".")
        found[f"{part}_{layer}"] = (tensor - begins[name]).numpy()
    return found


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("begins", ["zeros", "learned"])
@torch.inference_mode()
def test_every_step_is_that_of_the_network(make_model, run, cell, residual, begins):
    """
    Logits and memory of three samples, over twenty steps, to 1e-5.

    Whatever the model's initial state is, the graph begins with zeros.
    """
    shape = {"cell": cell, "layers": 3, "residual": residual, "initial_state": begins}
    model = make_model(7, dtype=torch.float32, **shape)
    tokenizer = char_tokenizer("abcdefg")
    session = run(to_checkpoint(model, tokenizer, TrainingRecord()))
    ids = torch.randint(7, (20, 3), generator=torch.Generator().manual_seed(5))
    initial = state = model.initial_state(3)
    memory = empty(session, 3)

    for now in ids:
        expected, state = model(now.unsqueeze(0), state)
        logits, memory = step(session, now, memory)

        np.testing.assert_allclose(logits, expected[0].numpy(), atol=TOLERANCE)
        expected_memory = as_inputs(state, initial)
        assert memory.keys() == expected_memory.keys()
        for name, array in expected_memory.items():
            np.testing.assert_allclose(memory[name], array, atol=TOLERANCE)


@pytest.mark.slow
@torch.inference_mode()
def test_a_model_that_has_learned_writes_the_same_text(run):
    """Drawn with the numbers of the same seed, and to 1e-5 at every character."""
    checkpoint = load_checkpoint(FABLES)
    session, model = run(checkpoint), build_model(checkpoint)
    config = SampleConfig(seed=11)
    expected = Writer.load(FABLES).generate("The fox", length=200, config=config)
    ids = checkpoint.tokenizer.encode("The fox" + expected).astype(np.int64)
    reference, _ = model(torch.from_numpy(ids).unsqueeze(1), model.initial_state(1))

    memory, dice, written = empty(session, 1), UniformStream(config.seed), []
    for place, id in enumerate(ids):
        logits, memory = step(session, [id], memory)
        np.testing.assert_allclose(logits[0], reference[place, 0], atol=TOLERANCE)
        if place >= len("The fox") - 1:
            heated = torch.from_numpy(logits) / config.temperature
            roll = torch.tensor([dice.next()], dtype=torch.float64)
            written += draw_ids(heated, roll).tolist()

    assert checkpoint.tokenizer.decode(written[:-1]) == expected


def test_it_says_what_it_is(run):
    """Vocabulary and settings are in its metadata: the file is enough."""
    checkpoint = load_checkpoint(FABLES)
    session = run(checkpoint)

    about = session.get_modelmeta().custom_metadata_map["lstm_textgen"]

    assert json.loads(about) == to_metadata(checkpoint)
    assert [value.name for value in session.get_inputs()] == [
        *("id", "hidden_0", "cell_0", "hidden_1", "cell_1")
    ]
    assert session.get_outputs()[0].name == "logits"


def test_the_same_model_gives_the_same_bytes(onnx_bytes):
    """No time and no name of a machine is in it."""
    checkpoint = load_checkpoint(FABLES)

    assert onnx_bytes(checkpoint) == onnx_bytes(checkpoint)


def test_a_model_that_no_such_file_holds_is_refused(monkeypatch, onnx_bytes):
    """The limit is that of the container, 2 GiB."""
    from lstm_textgen.export import onnx as onnx_graph

    monkeypatch.setattr(onnx_graph, "MAX_WEIGHT_BYTES", 1_000_000)

    with pytest.raises(CheckpointError, match="2 GiB") as caught:
        onnx_bytes(load_checkpoint(FABLES))
    assert "npz" in caught.value.remedy
