"""The model card: what the hub reads, and that a stranger's text formats nothing."""

import dataclasses

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import BudgetConfig, OptimizerConfig, TrainConfig
from lstm_textgen.hub.card import EIGHTHS, draw_curve, model_card
from lstm_textgen.remote.repository import Repository

HOSTILE = (
    'a`b```c"d\n---\n<img src=x onerror=alert(1)>: [e](http://f) \x1b[2J \u2028# g'
)
"""What a stranger might have put where a name or a text should be."""


def card_of(checkpoint, sample="The fox", **details):
    """The card of a push to alice/fox: the front matter as a value, and the body."""
    card = model_card(checkpoint, Repository("alice/fox"), sample, **details)
    before, front_matter, body = card.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(front_matter), body


@pytest.fixture
def fox(checkpoint):
    """A model of five characters that was trained on `fox`."""
    record = dataclasses.replace(
        checkpoint.training,
        corpus="fox",
        steps=700,
        seconds=3723.0,
        temperature=1.125,
    )
    return dataclasses.replace(checkpoint, training=record, note="")


def markdown_tokens(body):
    """What a page is formatted as: (kind, content)."""
    tokens = MarkdownIt("commonmark").parse(body)
    inner = [child for token in tokens for child in token.children or []]
    return [(t.type, t.content) for t in [*tokens, *inner] if not t.children]


def test_the_hub_s_own_client_reads_the_front_matter(fox):
    """License, task, library and the measured result."""
    card = model_card(fox, Repository("alice/fox"), "The fox", language="en")
    data = ModelCard(card).data
    [result] = data.eval_results

    assert (data.library_name, data.pipeline_tag) == ("lstm-textgen", "text-generation")
    assert (data.license, data.language) == ("cc0-1.0", ["en"])
    assert {"lstm", "character-level"} <= set(data.tags)
    assert (result.dataset_name, result.dataset_split) == ("fox", "validation")
    assert (result.metric_type, result.metric_value) == ("bits_per_character", 1.8034)


@pytest.mark.parametrize(
    ("license", "fields"),
    [
        ("MIT", {"license": "mit"}),
        ("", {"license": "unknown"}),
        (
            "Ours, see: the door",
            {"license": "other", "license_name": "Ours, see: the door"},
        ),
    ],
)
def test_a_license_is_one_that_the_hub_knows_or_other(fox, license, fields):
    """An unknown one keeps the name that its maker gave it."""
    front_matter, body = card_of(dataclasses.replace(fox, licence=license))

    assert fields.items() <= front_matter.items()
    assert license in body


def test_the_body_states_all_that_is_known(fox):
    """Command, sample and seed, text and digest, settings, time, loss, curve."""
    optimizer = OptimizerConfig(streams=12, window=34, learning_rate=0.005)
    config = TrainConfig(optimizer=optimizer, budget=BudgetConfig(minutes=62.0))
    losses = [(100, 2.5), (400, 1.5), (700, 1.3)]
    _, body = card_of(fox, train_config=config, losses=losses)

    for fact in (
        "# fox\n",
        "LSTM, 2 x 3 units",
        "textgen sample hf://alice/fox --length 400 --seed 1\n",
        "```text\nThe fox\n```",
        "textgen pull alice/fox",
        "`fox`, 100 characters",
        "ab" * 32,
        "700 steps, 1.50 epochs, 1:02:03",
        "12 streams of 34 characters",
        "learning rate: 0.005",
        "logits divided by 1.125",
        "1.2500 nats = **1.803 bits per character**",
        "  2.500 │█",
        "`CC0-1.0`",
    ):
        assert fact in body


def test_what_is_not_known_is_left_out(fox):
    """No validation loss, corpus, settings or log: no figure, and no curve."""
    unknown = dataclasses.replace(fox, training=TrainingRecord(steps=3))
    front_matter, body = card_of(unknown)

    assert not {"model-index", "language"} & front_matter.keys()
    for absent in ("nats", "│", "learning rate", "sha256"):
        assert absent not in body


def test_a_stranger_s_text_formats_nothing(fox):
    """Neither front matter nor page ends early, and no markup of it has an effect."""
    hostile = dataclasses.replace(
        fox,
        training=dataclasses.replace(fox.training, corpus=HOSTILE),
        licence=HOSTILE,
        note=HOSTILE,
        made_by={"lstm_textgen": HOSTILE},
    )
    front_matter, body = card_of(hostile, sample=HOSTILE)
    usual_keys = card_of(fox)[0].keys()
    tokens = markdown_tokens(body)
    code = [text for kind, text in tokens if kind in ("code_inline", "fence")]
    other = [text for kind, text in tokens if kind not in ("code_inline", "fence")]

    assert front_matter.keys() == usual_keys | {"license_name"}
    assert front_matter["license"] == "other"
    assert not {kind for kind, _ in tokens} & {"html_block", "html_inline", "link_open"}
    assert "alert" in "".join(code)
    assert "alert" not in "".join(other)
    assert "\x1b" not in body


def column_heights(lines):
    """How many eighths of a row each column is high, read off the curve."""
    rows = [line.partition("│")[2] for line in lines[:-2]]
    width = len(lines[-2].partition("└")[2])
    columns = zip(*(row.ljust(width) for row in rows), strict=True)
    return [sum(EIGHTHS.index(cell) for cell in column) for column in columns]


def test_a_straight_fall_is_a_straight_line():
    """From the full height to an eighth of a row."""
    heights = column_heights(draw_curve([(0, 3.0), (100, 1.0)]))

    assert heights == [1 + round((1 - i / 59) * 63) for i in range(60)]


@pytest.mark.parametrize("loss", [0.0, 1.5])
def test_a_constant_loss_is_a_flat_curve(loss):
    """An eighth of a row high, without a division by zero."""
    assert set(column_heights(draw_curve([(1, loss), (9, loss)]))) == {1}


def test_points_are_drawn_at_their_steps():
    """The fall of the first quarter of the steps takes a quarter of the width."""
    heights = column_heights(draw_curve([(0, 2.0), (25, 1.0), (100, 1.0)]))

    assert heights[0] == 64
    assert heights[:15] == sorted(set(heights[:15]), reverse=True)
    assert set(heights[15:]) == {1}


def test_the_axes_are_labeled():
    """Highest and lowest loss beside the curve, first and last step below it."""
    lines = draw_curve([(26, 2.4469), (700, 1.9), (1399, 1.4731)])

    assert lines[0].startswith("  2.447 │█")
    assert lines[7].startswith("  1.473 │")
    assert lines[-1].split() == ["26", "1,399"]
    assert len(lines[-1]) == len(lines[-2]) == 9 + 60
    assert len(lines) == 8 + 2
