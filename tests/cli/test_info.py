"""`textgen info`: what a checkpoint is; what is none: `test_hostile_files.py`."""

import hashlib


def test_people_get_a_table(textgen, trained):
    """With the shape, the text, the figure of the held-out part; never cut short."""
    outcome = textgen("info", trained.model)
    nats = trained.outcome.json["validation_nats_per_char"]

    assert outcome.code == 0
    assert f"{trained.model} (" in outcome.stdout
    for fact in (
        "An LSTM with 1 layer of 8 units",
        "lstm, 1 x 8 units",
        "955",
        "39 characters: \"'",
        "book, 3,990 characters",
        hashlib.sha256(trained.text.read_bytes()).hexdigest(),
        "3 steps",
        f"{nats:.4f} nats",
        "as unsure as a choice among",
        f"textgen sample {trained.model}",
    ):
        assert fact in outcome.stdout


def test_json_has_it_all(textgen, trained):
    """A run and its model file are the same to it."""
    told = textgen("info", trained.run, "--json")

    assert told.json["model"]["hidden"] == 8
    assert told.json["training"]["corpus"] == "book"
    assert told.json["training"]["steps"] == 3
    assert told.json["made_by"]["lstm_textgen"]
    assert told.stdout == textgen("info", trained.model, "--json").stdout


def test_it_names_no_place_of_the_maker(textgen, trained):
    """A checkpoint is for sharing: no path is in it, but in the head of the table."""
    assert str(trained.run.parent) not in textgen("info", trained.run, "--json").stdout
