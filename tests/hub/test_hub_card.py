"""The page about a shared model: what the hub reads, and that nothing gets out."""

import dataclasses

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import BudgetConfig, ModelConfig, OptimizerConfig, TrainConfig
from lstm_textgen.hub.card import CardDetails, model_card
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.model.weights import to_checkpoint
from lstm_textgen.text.tokenizer import CharTokenizer
from tests.records import RECORD

HOSTILE = (
    'a`b```c"d\n---\n<img src=x onerror=alert(1)>: [e](http://f) \x1b[2J \u2028# g'
)
"""What a stranger might have put where a name or a text should be."""

DETAILS = CardDetails(name="alice/fox", sample="The fox", sample_length=7, seed=1)


@pytest.fixture
def checkpoint():
    """A model of five characters that was trained on `fox.txt`."""
    model = CharModel(ModelConfig(layers=2, hidden=3, embedding=2), 5)
    initialize(model, torch.Generator().manual_seed(7))
    record = dataclasses.replace(
        RECORD, corpus="fox", steps=700, seconds=3723.0, seed=4
    )
    tokenizer = CharTokenizer.from_text("hällo\0")
    return to_checkpoint(model, tokenizer, record, licence="CC0-1.0")


def taken_apart(card):
    """The head as a value, and the body."""
    empty, head, body = card.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(head), body


def text_of(body):
    """What formats itself in a page, code left out: as (kind, content)."""
    tokens = MarkdownIt("commonmark").parse(body)
    inner = [child for token in tokens for child in token.children or []]
    return [(t.type, t.content) for t in [*tokens, *inner] if not t.children]


def test_the_head_is_what_the_hub_wants(checkpoint):
    """Its own client reads licence, task, library and the measured result."""

    card = model_card(checkpoint, dataclasses.replace(DETAILS, language="en"))
    data = ModelCard(card).data
    [result] = data.eval_results

    assert (data.library_name, data.pipeline_tag) == ("lstm-textgen", "text-generation")
    assert (data.license, data.language) == ("cc0-1.0", ["en"])
    assert {"lstm", "character-level"} <= set(data.tags)
    assert (result.dataset_name, result.dataset_split) == ("fox", "validation")
    assert (result.metric_type, result.metric_value) == ("bits_per_character", 1.8034)


@pytest.mark.parametrize(
    ("licence", "found"),
    [
        ("MIT", {"license": "mit"}),
        ("", {"license": "unknown"}),
        ("Ours, see: the door", {"license": "other", "license_name": None}),
    ],
)
def test_a_licence_that_the_hub_has_no_name_for(checkpoint, licence, found):
    """It is `other`, with the name that its maker gave it."""
    head, body = taken_apart(
        model_card(dataclasses.replace(checkpoint, licence=licence), DETAILS)
    )
    if "license_name" in found:
        found = found | {"license_name": licence}

    assert found.items() <= head.items()
    assert (licence or "not stated") in body


def test_the_body_says_what_was_asked_for(checkpoint):
    """Command, sample and seed, text and digest, settings, time, loss, warning."""
    optimizer = OptimizerConfig(streams=12, window=34, learning_rate=0.005)
    config = TrainConfig(optimizer=optimizer, budget=BudgetConfig(minutes=62.0))
    losses = [(100, 2.5), (400, 1.5), (700, 1.3)]
    about = dataclasses.replace(DETAILS, config=config, losses=losses)
    _, body = taken_apart(model_card(checkpoint, about))

    for fact in (
        "# fox\n",
        "LSTM, 2 x 3 units",
        "textgen sample hf://alice/fox --length 7 --seed 1\n",
        "```text\nThe fox\n```",
        "textgen pull alice/fox",
        "`fox`, 100 characters",
        "ab" * 32,
        "700 steps, 1.50 epochs, 1:02:03 by the clock",
        "12 streams of 34 characters",
        "learning rate: 0.005",
        "1.2500 nats = **1.803 bits per character**",
        "the 10 characters that were held out",
        "  2.500 │█",
        "Licence: `CC0-1.0`.",
        "may repeat its training text word for word",
    ):
        assert fact in body


def test_what_is_not_known_is_not_said(checkpoint):
    """Nothing held out, no corpus, no settings, no log: no figure, no picture."""
    record = TrainingRecord(steps=3)
    head, body = taken_apart(
        model_card(dataclasses.replace(checkpoint, training=record), DETAILS)
    )

    assert "model-index" not in head
    assert "language" not in head
    assert "Nothing of the text was held out" in body
    assert "│" not in body
    assert "learning rate" not in body
    assert "sha256" not in body


def test_a_stranger_s_text_formats_nothing(checkpoint):
    """Neither the head nor the page ends early, and no markup of it is in force."""
    record = dataclasses.replace(checkpoint.training, corpus=HOSTILE)
    hostile = dataclasses.replace(
        checkpoint,
        training=record,
        licence=HOSTILE,
        note=HOSTILE,
        made_by={"lstm_textgen": HOSTILE},
    )
    card = model_card(hostile, dataclasses.replace(DETAILS, sample=HOSTILE))
    head, body = taken_apart(card)
    tokens = text_of(body)
    formatted = "".join(c for k, c in tokens if k not in ("code_inline", "fence"))

    assert set(head) == set(taken_apart(model_card(checkpoint, DETAILS))[0]) | {
        "license_name"
    }
    assert head["license"] == "other"
    assert not {kind for kind, _ in tokens} & {"html_block", "html_inline", "link_open"}
    assert "alert" not in formatted
    assert "alert" in "".join(c for k, c in tokens if k in ("code_inline", "fence"))
    assert "\x1b" not in card
