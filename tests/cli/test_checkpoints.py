"""`textgen checkpoints`: look at runs and models, check, compare and clear them."""

import shutil
import struct

import pytest

from tests.forging import take_apart


@pytest.fixture
def runs(textgen, trained):
    """The trained run in the folder `checkpoints`, where it is looked for."""
    run = textgen.folder / "checkpoints" / "book"
    shutil.copytree(trained.run, run)
    return run


@pytest.fixture(scope="session")
def other(workshop, trained):
    """A model of the same text and shape with another seed."""
    run = workshop.folder / "checkpoints" / "other"
    outcome = workshop.train(trained.text, "-o", run, "--seed", "9")
    assert outcome.code == 0, outcome.stderr
    return run / "model.safetensors"


def test_runs_and_bundled_models_are_listed(textgen, runs, trained):
    """Each in a line, with its shape, its vocabulary and its loss; the same as JSON."""
    outcome = textgen("checkpoints")
    book = textgen("checkpoints", "--in", runs.parent, "--json").json["checkpoints"][0]
    nats = trained.outcome.json["validation_nats_per_char"]
    [line] = [line for line in outcome.stdout.splitlines() if "book" in line]

    assert outcome.code == 0
    for fact in ("checkpoints/book", "lstm 1 x 8", " 39 ", f"{nats:.4f}", "kB"):
        assert fact in line
    assert "shakespeare" in outcome.stdout
    assert (book["name"], book["kind"]) == (str(runs), "run")
    assert (book["vocabulary"], book["corpus"], book["problem"]) == (39, "book", None)
    assert book["model"]["hidden"] == 8
    assert book["size_bytes"] == trained.model.stat().st_size < book["folder_bytes"]
    assert book["saved"].endswith("+00:00")
    assert textgen.left() == ["checkpoints"]


def test_a_whole_run_is_verified(textgen, runs):
    """The model and the states, each with the digest of its numbers."""
    outcome = textgen("checkpoints", "verify", "checkpoints/book")
    told = textgen("checkpoints", "verify", "checkpoints/book", "--json").json

    assert outcome.code == 0, outcome.stderr
    names = [each["path"].split("/")[-1] for each in told["checkpoints"]]
    assert names[:2] == ["model.safetensors", "state.safetensors"]
    assert all(each["ok"] for each in told["checkpoints"])
    for each in told["checkpoints"]:
        assert f"fine  {each['path']}  {each['tensors_sha256']}" in outcome.stdout


def test_every_bad_file_is_named_and_the_fine_ones_too(textgen, trained):
    """One that is cut, one with a flipped bit, one that is fine: exit 65."""
    good = trained.model.read_bytes()
    textgen.write("good.safetensors", good)
    textgen.write("cut.safetensors", good[:-9])
    textgen.write("flipped.safetensors", good[:-1] + bytes([good[-1] ^ 1]))
    names = [f"{name}.safetensors" for name in ("good", "cut", "flipped")]

    outcome = textgen("checkpoints", "verify", *names)
    told = textgen("checkpoints", "verify", *names, "--json")

    assert outcome.code == told.code == 65
    assert outcome.stdout.startswith("fine  good.safetensors")
    assert len(outcome.stdout.splitlines()) == 1
    for value in ("cut.safetensors", "flipped.safetensors", "2 of 3"):
        assert value in outcome.stderr
    assert [each["ok"] for each in told.json["checkpoints"]] == [True, False, False]


def test_a_state_that_ran_away_makes_its_run_bad(textgen, runs):
    """Its digest fits, and a run that went on from it would have nothing left."""
    parts = take_apart((runs / "state.safetensors").read_bytes())
    pieces = parts.pieces()
    dtype, shape, raw = pieces["model.head.bias"]
    nan = struct.pack("<f", float("nan"))
    pieces["model.head.bias"] = (dtype, shape, nan + raw[4:])
    (runs / "state.safetensors").write_bytes(parts.laid_out(pieces).sealed())

    outcome = textgen("checkpoints", "verify", "checkpoints/book")

    assert outcome.code == 65
    assert "model.head.bias" in outcome.stderr


def test_states_are_verified_where_there_is_no_model(textgen, runs):
    """A run that has not saved a model yet, or has lost it; that is still told."""
    (runs / "model.safetensors").unlink()

    outcome = textgen("checkpoints", "verify", "checkpoints/book")

    assert outcome.code == 66
    assert outcome.stdout.startswith("fine  checkpoints/book/state.safetensors")


def test_a_missing_file_is_a_missing_file(textgen):
    """66, as everywhere; among others it is one of the bad."""
    textgen("checkpoints", "verify", "nothing").assert_refused(66, "nothing")
    both = textgen("checkpoints", "verify", "nothing", "fables")
    assert both.code == 66
    assert "1 of 2" in both.stderr


def test_two_models_are_compared(textgen, trained, other):
    """What differs in their training, and how far each tensor is from the other."""
    outcome = textgen("checkpoints", "diff", trained.model, other)
    told = textgen("checkpoints", "diff", trained.model, other, "--json").json

    assert outcome.code == 0
    assert "layers.0.weight_hh_l0" in outcome.stdout
    assert told["training"]["seed"] == [1, 9]
    assert told["settings"] == {}
    assert not told["same"]
    assert all(each["distance"] > 0 for each in told["tensors"])


def test_a_model_is_the_same_as_itself(textgen, trained):
    """By its run or by its file."""
    outcome = textgen("checkpoints", "diff", trained.run, trained.model)
    told = textgen("checkpoints", "diff", trained.run, trained.model, "--json").json

    assert "All weights are the same." in outcome.stdout
    assert "training are the same." in outcome.stdout
    assert told["same"]


def test_a_mean_of_models_is_judged_by_a_text(textgen, trained, other):
    """Of a model and itself it is that model; the figures stand beside the names."""
    same = textgen(
        *("checkpoints", "average", trained.model, trained.model, "-o", "same.st"),
        *("--text", trained.text, "--split", "validation", "--json"),
    ).json
    mean = textgen(
        *("checkpoints", "average", trained.model, other, "-o", "mean.safetensors"),
        *("--text", trained.text, "--split", "validation"),
    )
    nats = trained.outcome.json["validation_nats_per_char"]
    info = textgen("info", "mean.safetensors", "--json").json

    assert same["nats_per_char"] == pytest.approx(nats, abs=1e-6)
    assert same["each"] == pytest.approx([nats, nats], abs=1e-6)
    assert mean.stdout == "mean.safetensors\n"
    assert mean.stderr.count("nats per character") == 3
    figure = info["training"]["validation_nats_per_char"]
    assert f"{figure:.4f} nats per character  their mean" in mean.stderr


def test_a_mean_overwrites_nothing(textgen, trained):
    """Not even one of the models that it is made of."""
    textgen.write("model.safetensors", trained.model.read_bytes())
    command = ("checkpoints", "average", "model.safetensors", trained.model)

    outcome = textgen(*command, "-o", "model.safetensors")

    outcome.assert_refused(73, "model.safetensors", "-o")
    assert (textgen.folder / "model.safetensors").read_bytes() == (
        trained.model.read_bytes()
    )


def test_nothing_goes_before_it_was_shown(textgen, runs):
    """Without --yes it is a list; with --yes the same list is gone."""
    (runs / "state.previous.safetensors").write_bytes(b"old")
    notes = textgen.write("checkpoints/book/notes.txt", "mine")

    shown = textgen("checkpoints", "prune")
    assert "state.previous.safetensors" in shown.stdout
    assert "Nothing was removed; --yes removes 1 file" in shown.stderr
    assert (runs / "state.previous.safetensors").exists()

    told = textgen("checkpoints", "prune", "--keep", "0", "--json").json
    assert {each["path"].split("/")[-1] for each in told["files"]} == {
        *("model.safetensors", "state.safetensors", "state.previous.safetensors"),
        *("metrics.jsonl", "run.json"),
    }
    assert not told["removed"]

    done = textgen("checkpoints", "prune", "--yes")
    assert "Removed 1 file" in done.stderr
    assert not (runs / "state.previous.safetensors").exists()
    assert (runs / "model.safetensors").exists()
    assert notes.read_text() == "mine"
    assert "nothing to remove" in textgen("checkpoints", "prune", "--yes").stderr

    textgen("checkpoints", "prune", "--states", "--yes")
    assert not (runs / "state.safetensors").exists()
    assert textgen("checkpoints", "verify", "checkpoints/book").code == 0


@pytest.mark.parametrize(
    ("words", "option"),
    [(["--in", "elsewhere"], "--in"), (["--json"], "--json"), (["-q"], "--quiet")],
)
def test_no_option_before_a_command_is_lost(textgen, runs, words, option):
    """Or the runs of another folder would be pruned, or lines come in place of JSON."""
    outcome = textgen("checkpoints", *words, "prune", "--keep", "0", "--yes")

    outcome.assert_refused(2, option, "prune")
    assert (runs / "model.safetensors").exists()


@pytest.mark.parametrize("command", [(), ("prune",)])
def test_a_folder_that_is_not_there(textgen, command):
    """A slip of the finger once looked like a folder without runs."""
    textgen("checkpoints", *command, "--in", "nosuch").assert_refused(66, "nosuch")
    assert textgen("checkpoints", *command).code == 0


def test_a_part_of_no_text(textgen, trained):
    """`--split` without `--text` would silently do nothing."""
    outcome = textgen(
        *("checkpoints", "average", trained.run, trained.run, "-o", "mean.safetensors"),
        *("--split", "validation"),
    )

    outcome.assert_refused(2, "--split validation", "--text")
