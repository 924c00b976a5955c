"""`textgen info`: what a checkpoint is, and what is none."""

import hashlib
import io
import pickle
import zipfile

import pytest


def zipped():
    """As torch.save writes: a zip with a pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"weight": 1}))
    return file.getvalue()


def test_people_get_a_table(textgen, trained):
    """With the shape, the text, the figure of the held-out part; never cut short."""
    outcome = textgen("info", trained.model)
    nats = trained.outcome.json["validation_nats_per_char"]

    assert outcome.code == 0
    assert f"{trained.model} (" in outcome.stdout
    for fact in (
        "lstm, 1 x 8 units",
        "955",
        "39 characters: \"'",
        "book, 3,990 characters",
        hashlib.sha256(trained.text.read_bytes()).hexdigest(),
        "3 steps",
        f"{nats:.4f} nats",
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


def test_no_pickle_is_opened(textgen):
    """It could run code; both kinds that PyTorch writes are refused by name."""
    textgen.write("zipped.pt", zipped())
    textgen.write("old.pt", pickle.dumps({"weight": 1}))

    textgen("info", "zipped.pt").assert_refused(65, "zipped.pt", ".safetensors")
    textgen("info", "old.pt").assert_refused(65, "old.pt is a pickle", ".safetensors")


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("cut", lambda model: model[:-10], ["damaged", "announced"]),
        ("flipped", lambda model: model[:-1] + b"\x7f", ["damaged"]),
        ("noise", lambda model: bytes(range(255, 0, -1)) * 9, ["not a safetensors"]),
        ("nothing", lambda model: b"", ["is empty"]),
        ("text", lambda model: b"Once upon a time", ["is a text", "textgen train"]),
    ],
)
@pytest.mark.parametrize("command", ["info", "sample"])
def test_what_is_no_checkpoint_is_refused(
    textgen, trained, command, name, spoil, words
):
    """Whichever command meets it, and with a word on what it is instead."""
    textgen.write(name, spoil(trained.model.read_bytes()))

    textgen(command, name).assert_refused(65, name, *words)
