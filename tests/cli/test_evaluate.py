"""`textgen evaluate`: figures for a text, and for the part that was held out."""

import math

import pytest


@pytest.fixture
def evaluate(textgen, trained):
    """`textgen evaluate` with the trained model."""
    return lambda *arguments, **more: textgen(
        "evaluate", trained.run, *arguments, **more
    )


def test_json_has_the_figures_and_they_belong_together(evaluate, trained):
    """The first character has nothing before it; all others are counted once."""
    told = evaluate(trained.text, "--json").json
    nats = told["nats_per_char"]

    assert list(told) == ["characters", "nats_per_char", "bits_per_char", "perplexity"]
    assert told["characters"] == 3990 - 1
    assert told["bits_per_char"] == pytest.approx(nats / math.log(2))
    assert told["perplexity"] == pytest.approx(math.exp(nats))


def test_the_held_out_part_is_found_again(evaluate, trained):
    """The figure is the one that train told at its end."""
    told = evaluate(trained.text, "--split", "validation", "--json").json
    recorded = trained.outcome.json["validation_nats_per_char"]

    assert told["nats_per_char"] == pytest.approx(recorded, abs=1e-6)
    assert told["characters"] == 399


def test_people_get_the_figure(evaluate, trained):
    """In a sentence, beside that of a model that knows nothing."""
    outcome = evaluate(trained.text)
    nats = evaluate(trained.text, "--json").json["nats_per_char"]

    assert f"{nats:.4f}" in outcome.stdout
    assert "39" in outcome.stdout
    assert outcome.stderr == ""


def test_any_text_can_be_read_but_only_its_own_has_parts(textgen, evaluate):
    """Another text has no part that this model was kept from."""
    other = textgen.write("other.txt", "Said the crow to the fox")

    assert evaluate(other, "--json").json["characters"] == 23
    evaluate(other, "--split", "validation").assert_refused(65, "'other'", "--split")


@pytest.mark.parametrize(
    ("text", "values"), [("", []), ("S", ["2"]), ("Said “the", ["U+201C", "5"])]
)
def test_a_text_without_figures(evaluate, text, values):
    """Too short, or with characters that the model has never seen."""
    evaluate("-", stdin=text.encode()).assert_refused(65, *values)
