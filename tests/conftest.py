"""A tiny network with random weights, and the same network as plain equations."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lstm_textgen.config import ModelConfig
from lstm_textgen.model.cells import cell_step
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.model.recurrent import LayerState, StackState
from tests.browser import Browser, Page, find_chromium
from tests.builders import RECORD, char_tokenizer, tiny_model, to_checkpoint


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """
    The order of sums, and so the last bits, do not depend on the machine.

    Nor do two processes that test side by side wait for each other's threads.
    """
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_model():
    """
    Build a network with random biases and initial state too, in float64 by default.
    """
    usual = {"hidden": 4, "embedding": 3, "initial_state": "learned"}

    def build(vocabulary=5, *, seed=7, dtype=torch.float64, **shape):
        config = ModelConfig(**{**usual, **shape})
        model = CharModel(config, vocabulary)
        generator = torch.Generator().manual_seed(seed)
        initialize(model, generator)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "bias" in name:
                    parameter += torch.randn(parameter.shape, generator=generator)
                if "initial" in name:  # where a memory can be
                    parameter += torch.rand(parameter.shape, generator=generator) - 0.5
        return model.to(dtype)

    return build


@pytest.fixture(scope="session")
def make_state():
    """Build a random memory for some streams, in float64."""

    def build(model, streams, *, seed=3):
        generator = torch.Generator().manual_seed(seed)

        def randomise(zeros):
            return torch.rand(zeros.shape, generator=generator).to(zeros) - 0.5

        return model.initial_state(streams).map(randomise)

    return build


@pytest.fixture(scope="session")
def read_slowly():
    """Read a window character by character and layer by layer, by the equations."""

    def read(model, ids, state, noise=None):
        memory, logits = list(state.layers), []
        for now in ids:
            x = model.embedding.weight[now]
            for depth, layer in enumerate(model.layers):
                weights = cell_weights(layer)
                if noise and noise.recurrent[depth] is not None:
                    drop = weights.recurrent * noise.recurrent[depth]
                    weights = replace(weights, recurrent=drop)
                memory[depth] = cell_step(model.config.cell, x, memory[depth], weights)
                out = memory[depth].hidden
                if noise and noise.outputs[depth] is not None:
                    out = out * noise.outputs[depth]
                x = x + out if depth and model.config.residual else out
            logits.append(x @ model.head.weight.T + model.head.bias)
        return torch.stack(logits), StackState(tuple(memory))

    return read


@pytest.fixture(scope="session")
def assert_same_state():
    """Compare two memories, of a layer or of a stack, number by number."""

    def compare(found, expected, **tolerances):
        found, expected = (
            StackState((state,)) if isinstance(state, LayerState) else state
            for state in (found, expected)
        )
        torch.testing.assert_close(found.tensors(), expected.tensors(), **tolerances)

    return compare


@pytest.fixture(scope="session")
def needs():
    """Skip a test whose tool is not here; fail where TEXTGEN_MUST_RUN is set."""

    def need(is_here, otherwise):
        if not is_here:
            fail = pytest.fail if os.environ.get("TEXTGEN_MUST_RUN") else pytest.skip
            fail(otherwise)

    return need


@pytest.fixture
def model():
    model = tiny_model(layers=2, initial_state="learned")
    for memory in model.initial.parameters():
        memory.detach().copy_(torch.tensor([0.5, -0.25, 1.0]))
    return model


@pytest.fixture
def checkpoint(model):
    """A model that knows the characters of `hällo` and NUL."""
    tokenizer = char_tokenizer("hällo\0")
    return to_checkpoint(model, tokenizer, RECORD, licence="CC0-1.0", note="😀 \x1b[2J")


@pytest.fixture(scope="session")
def browser(needs, tmp_path_factory):
    program = find_chromium()
    needs(program, "chromium is not installed: apt-get install chromium")
    started = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """
    Open a page: a file, or HTML as text or bytes.

    At the end no page has thrown or logged anything, or requested anything but itself.
    """
    pages = []

    def open_one(page, **view):
        if not isinstance(page, Path):
            html = page.encode("utf-8") if isinstance(page, str) else page
            page = tmp_path / f"page-{len(pages)}.html"
            page.write_bytes(html)
        pages.append(Page(browser, page, **view))
        return pages[-1]

    yield open_one
    for page in pages:
        if not page.may_complain:
            assert page.errors == []
        page.close()
    browser.events.clear()


SLOW = ("cli", "crash", "fuzzing", "test_wheel.py")
"""Tests of whole processes."""


def pytest_collection_modifyitems(items):
    """Mark what starts the program or a browser; `make check` leaves it out."""
    for item in items:
        place = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        if place in SLOW or "browser" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
