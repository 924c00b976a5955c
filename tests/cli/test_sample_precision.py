"""`textgen sample --precision`: done as asked for, and told where it is slow."""

import json

import pytest
import torch

from lstm_textgen.cli.sample import model_loader
from lstm_textgen.cli.sample_output import SampleRequest
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.training import speed

FAR = ("-n", "60", "--temperature", "1", "--seed", "1")


@pytest.fixture
def sample(textgen, trained):
    """The texts that `textgen sample` draws with the trained model."""

    def draw(*arguments):
        outcome = textgen("sample", trained.run, *FAR, *arguments, "--json")
        assert outcome.code == 0, outcome.stderr
        return [json.loads(line)["text"] for line in outcome.stdout.splitlines()]

    return draw


@pytest.fixture
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_float32_unless_another_is_asked_for(sample):
    """No machine chooses by itself, since another precision is another text."""
    assert sample() == sample("--precision", "float32")


@pytest.mark.parametrize(
    ("precision", "several"), [("bfloat16", "1"), ("bfloat16", "4"), ("int8", "4")]
)
def test_another_precision_is_repeatable(sample, precision, several):
    """One text or several: as long as asked for, and the same ones the next time."""
    if precision == "int8":
        pytest.importorskip("numba")
    texts, again = (
        sample("--precision", precision, "--samples", several) for _ in "ab"
    )

    assert [len(text) for text in texts] == [60] * int(several)
    assert texts == again


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize(
    ("precision", "pays", "quiet", "noted"),
    [
        ("bfloat16", False, False, True),
        ("bfloat16", False, True, False),
        ("bfloat16", True, False, False),
        ("float32", False, False, False),
    ],
)
def test_bfloat16_that_does_not_pay_is_noted(
    precision, pays, quiet, noted, trained, monkeypatch, capsys
):
    """In one line, unless it is to be quiet; the model is opened all the same."""
    monkeypatch.setattr(speed, "products_pay", lambda machine: pays)
    load = model_loader(
        SampleRequest(config=SampleConfig(), form=FormConfig()),
        device="cpu",
        threads=1,
        precision=precision,
        quiet=quiet,
    )
    writer = load(trained.model)
    told = capsys.readouterr().err

    assert len(writer.generate(length=5)) == 5
    assert told.count("\n") == (1 if noted else 0)
    assert told.startswith("note: ") == noted
    assert ("--precision float32" in told) == noted
