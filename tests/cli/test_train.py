"""`textgen train`: what it says, where it writes, and which settings win."""

import json
import os
import re
import threading

import numpy as np
import pytest
from safetensors.numpy import load_file

ANNOUNCED = ["text", "model", "machine", "learning", "budget", "run"]


def first_words(lines):
    return [line.split()[0] for line in lines]


def steps_of(textgen):
    return textgen("info", "checkpoints/book", "--json").json["training"]["steps"]


def test_json_tells_how_the_run_went(trained):
    """One object with the keys that are promised, and no others."""
    told = trained.outcome.json

    assert trained.outcome.code == 0
    assert list(told) == [
        "checkpoint",
        "validation_nats_per_char",
        "characters_per_second",
        "elapsed_s",
        "steps",
        "epochs",
        "stopped_by",
    ]
    assert told["checkpoint"] == "checkpoints/book/model.safetensors"
    assert told["steps"] == 3
    assert told["stopped_by"] == "budget"
    assert told["epochs"] == pytest.approx(3 * 4 * 16 / (0.9 * 3990), rel=0.05)
    assert 2 < told["validation_nats_per_char"] < 4
    assert 0 < told["characters_per_second"] < 1e7
    assert 0 < told["elapsed_s"] < 60


def test_the_run_is_announced_before_it_begins(trained):
    """Text, model, parameters, speed, budget and end; then comes the first step."""
    lines = trained.outcome.stderr.splitlines()
    text, model, machine, learning, budget, run = lines[:6]

    assert first_words(lines[:6]) == ANNOUNCED
    assert re.search(r"4 streams, windows of 16, rate 0\.008, dropout", learning)
    assert "book: 3,990 characters, 39 different; the last 399 validate" in text
    assert "LSTM, 1 layer of 8 units, 955 parameters" in model
    assert re.search(r"cpu, 1 thread, float32; about [\d,]+ characters a sec", machine)
    assert re.search(r"3 steps, about 0\.1 epochs; done at about \d\d:\d\d", budget)
    assert run.endswith("checkpoints/book")
    assert re.search(r"step \d, (loss|held-out)", lines[6]) or "loss" in lines[6]
    assert lines[-1] == "Let it write: textgen sample checkpoints/book"


def test_without_a_terminal_lines_stay_lines(trained):
    """No carriage return and no escape code reaches a log."""
    assert not set("\r\x1b") & set(trained.outcome.stderr)


def test_quiet_says_nothing(textgen, book):
    """-q leaves only what was asked for, on stdout."""
    outcome = textgen.train(book, "-q")

    assert outcome.stderr == ""
    assert outcome.stdout == "checkpoints/book/model.safetensors\n"


def test_a_dry_run_announces_and_writes_nothing(textgen, book):
    """The folder is as it was."""
    outcome = textgen.train(book, "--dry-run")

    assert (outcome.code, outcome.stdout) == (0, "")
    assert first_words(outcome.stderr.splitlines()) == ANNOUNCED
    assert textgen.left() == ["book.txt"]


def test_stdin_teaches_what_the_file_teaches(textgen, trained):
    """`-` reads it, and the weights come out the same."""
    outcome = textgen.train("-", stdin=trained.text.read_bytes())
    ours, theirs = (
        load_file(textgen.folder / outcome.stdout.strip()),
        load_file(trained.model),
    )

    assert outcome.stdout == "checkpoints/stdin/model.safetensors\n"
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_file_goes_before_a_name(textgen):
    """What lies in the folder is what the user means."""
    textgen.write("fables", "not a fable. " * 100)
    outcome = textgen.train("fables", "--dry-run")

    assert "fables: 1,300 characters" in outcome.stderr


def test_a_run_of_a_name_is_not_the_text_of_that_name(textgen):
    """After `train fables -o fables`, `fables` once meant the logs of that run."""
    textgen.train("fables", "-o", "fables")
    outcome = textgen.train("fables", "--dry-run")
    textgen.write("notes.txt", "a note of its own. " * 100)
    folder = textgen.train(".", "--dry-run")

    assert re.search(r"fables: 26\d,\d{3} characters", outcome.stderr)
    assert ": 1,900 characters" in folder.stderr


@pytest.mark.parametrize(
    ("cell", "announced"), [("lstm", "LSTM"), ("gru", "GRU"), ("rnn", "classic RNN")]
)
def test_every_cell_trains_and_writes(textgen, book, cell, announced):
    """The checkpoint remembers its cell, and samples."""
    trained = textgen.train(book, "--cell", cell)
    written = textgen("sample", "-n", "20", "--seed", "1")

    assert f"model    {announced}," in trained.stderr
    assert textgen("info", "--json").json["model"]["cell"] == cell
    assert len(written.stdout) == len("\n") + 20


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(textgen, book):
    """
    Each of them sets the size and the budget, and takes its turn.

    `--steps` once clashed with a budget in other units, of the file or a variable.
    """
    textgen.write("run.toml", "minutes = 3\nhidden = 8\nlayers = 1")
    command = ("train", book, "--config", "run.toml", "--threads", "1", "--dry-run")
    environment = {"TEXTGEN_TRAIN_EPOCHS": "2", "TEXTGEN_TRAIN_HIDDEN": "12"}
    file = textgen(*command)
    variable = textgen(*command, env=environment)
    flag = textgen(*command, "--steps", "6", "--hidden", "16", env=environment)

    for outcome, hidden, budget in (
        (file, 8, "3 minutes"),
        (variable, 12, "2 epochs"),
        (flag, 16, "6 steps"),
    ):
        assert f"LSTM, 1 layer of {hidden} units" in outcome.stderr
        assert f"budget   {budget}" in outcome.stderr


def test_the_file_takes_an_option_by_any_of_its_names(textgen, book):
    """A user of --lr writes lr, and dashes are as good as underscores."""
    textgen.write("run.toml", "lr = 0.25\nweight-decay = 0.5")
    textgen.train(book, "--config", "run.toml")
    settings = json.loads((textgen.folder / "checkpoints/book/run.json").read_text())

    assert settings["config"]["optimizer"]["learning_rate"] == 0.25
    assert settings["config"]["optimizer"]["weight_decay"] == 0.5


@pytest.mark.parametrize(
    ("toml", "values"),
    [
        ("steps = 2\nhiden = 5", ["hiden", "'hidden'"]),
        ("steps = ", []),
        ("steps = 2\n[model]\nhidden = 5", ["model"]),
        ("steps = " + "[" * 5_000, []),
        ("#" * (2**20 + 1), ["1,048,576"]),
    ],
    ids=["a slip", "not TOML", "a table", "too deep", "too large"],
)
def test_a_settings_file_is_taken_whole_or_not_at_all(textgen, book, toml, values):
    """A slip in it is named, with the nearest setting that exists."""
    textgen.write("run.toml", toml)

    textgen("train", book, "--config", "run.toml").assert_refused(
        65, "run.toml", *values
    )
    assert textgen.left() == ["book.txt", "run.toml"]


def test_a_reader_of_the_log_who_leaves_does_not_end_the_run(textgen, book, tmp_path):
    """
    `textgen train ... 2>&1 | head -n 1` once left a run without a model.

    What is said on stderr is talk; the model is the work.
    """
    os.mkfifo(tmp_path / "log")
    lines = []

    def read_one_line():
        with open(tmp_path / "log") as log:
            lines.append(log.readline())

    reader = threading.Thread(target=read_one_line)
    reader.start()
    with open(tmp_path / "log", "wb") as log:
        outcome = textgen.train(book, stderr=log)
    reader.join()

    assert lines[0].startswith("text ")
    assert (outcome.code, outcome.stdout) == (0, "checkpoints/book/model.safetensors\n")
    assert steps_of(textgen) == 3


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_process_without_a_stream_trains_all_the_same(textgen, book, closed):
    """Some launchers close stdout or stderr; that once was a defect."""
    outcome = textgen.train(book, **{closed: None})

    assert outcome.code == 0
    assert steps_of(textgen) == 3


def test_a_full_disk_behind_stdout_is_an_error_of_its_own(textgen, book):
    """Not a defect of the program; the model is safe by then."""
    with open("/dev/full", "wb") as full:
        outcome = textgen.train(book, "-q", stdout=full)

    outcome.assert_refused(74)
    assert (textgen.folder / "checkpoints/book/model.safetensors").is_file()
