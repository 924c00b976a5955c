"""Whatever a file or a name holds, only `TextgenError` leaves the public functions."""

import contextlib
import copy
import dataclasses
import io
import json
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstm_textgen import config
from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import from_json, to_json
from lstm_textgen.errors import TextgenError
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.runs.find import resolve_checkpoint
from lstm_textgen.text.source import Source, find_source
from lstm_textgen.text.tokenizer import CharTokenizer, tokenizer_from_json
from lstm_textgen.training.prepare import check_free
from tests.fuzzing.bases import good_states
from tests.fuzzing.mutations import mutated
from tests.fuzzing.values import VALUES, change

STATES = good_states()

many = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
numbers = st.integers(0, 2**32)

JSON = st.recursive(
    st.sampled_from(VALUES) | st.text(st.characters(codec=None)) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=9,
)
"""Anything that JSON can say, and NaN, infinities and halves of characters."""

SETTINGS = {
    config.TrainConfig: config.TrainConfig(budget=config.BudgetConfig(steps=3)),
    config.ModelConfig: config.ModelConfig(),
    config.TextConfig: config.TextConfig(),
    config.OptimizerConfig: config.OptimizerConfig(),
    config.BudgetConfig: config.BudgetConfig(minutes=1.5),
    config.SampleConfig: config.SampleConfig(),
    config.FormConfig: config.FormConfig(stop=("a", "b"), until="newline"),
    TrainingRecord: TrainingRecord(corpus="fables", validation_nats_per_char=1.5),
}
"""Every kind of settings that is read from JSON, with a good value."""

NAMES = st.text(st.sampled_from("ab*?[]{}!-./\\~ \0\n\x1b\u202eé\ud800\udcff"))
ODD_NAMES = st.one_of(
    NAMES.filter(lambda name: ".." not in name and not name.startswith("/")),
    st.sampled_from(
        ["", ".", "-", "a" * 300, "a/" * 3000, "**", "**/*", "[!", "a\0/*"]
    ),
)
"""Names below the current folder: patterns, NUL, halves of characters, endless."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder but for a few files; nobody types anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    for name in ("a", "b.txt", "folder/a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("Once upon a time")
    os.mkfifo(tmp_path / "ab")
    (tmp_path / "aa").symlink_to("aa")
    return tmp_path


@many
@given(numbers, st.sampled_from(["newest", "both"]))
def test_a_state_file(tmp_path, number, spoilt):
    """A spoilt state gives the one before, or an error where that is spoilt too."""
    run = RunDirectory(tmp_path)
    run.previous_state_path.write_bytes(STATES[0])
    run.state_path.write_bytes(mutated(STATES, 12, number)[0])
    if spoilt == "both":
        run.previous_state_path.write_bytes(mutated(STATES, 13, number)[0])
    try:
        assert run.load_state() is not None
    except TextgenError:
        assert spoilt == "both"


@many
@given(st.one_of(st.binary(), st.text().map(str.encode), JSON.map(json.dumps)))
def test_a_settings_file(tmp_path, content):
    """Bytes, text, and JSON of anything in the place of run.json."""
    run = RunDirectory(tmp_path)
    run.settings_path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    with contextlib.suppress(TextgenError):
        assert isinstance(run.settings(), dict)


@many
@given(JSON, st.sampled_from(list(SETTINGS)))
def test_settings_from_any_json(value, kind):
    """Nothing but an object of settings is taken."""
    with contextlib.suppress(TextgenError):
        assert isinstance(from_json(kind, value), kind)


@many
@given(numbers, st.sampled_from(list(SETTINGS)))
def test_settings_that_are_nearly_good(number, kind):
    """What is accepted is again what was given: nothing is read as something else."""
    good = to_json(SETTINGS[kind])
    data = json.loads(json.dumps(copy.deepcopy(good)))
    dice = Random(number)
    for _ in range(dice.choice([1, 1, 2])):
        change(data, dice)
    with contextlib.suppress(TextgenError):
        told = to_json(from_json(kind, data))
        assert json.loads(json.dumps(told)) == filled_in(kind, data)


def filled_in(kind, data):
    """*data* with the defaults where it says nothing."""
    whole = {}
    for field in dataclasses.fields(kind):
        if field.default_factory is not dataclasses.MISSING:
            default = to_json(field.default_factory())
            whole[field.name] = {**default, **data.get(field.name, {})}
        elif field.name in data and dataclasses.is_dataclass(field.type):
            whole[field.name] = filled_in(field.type, data[field.name])
        else:
            whole[field.name] = data.get(field.name, field.default)
    return json.loads(json.dumps(whole))


@many
@given(numbers, JSON)
def test_a_vocabulary(number, value):
    """From anything, and from what is nearly one; what is accepted is just that."""
    nearly = CharTokenizer("abc\u202e", "c").to_json()
    change(nearly, Random(number))
    for data in (value, nearly):
        with contextlib.suppress(TextgenError):
            assert tokenizer_from_json(data).to_json() == data


@many
@given(st.lists(ODD_NAMES, max_size=3))
def test_names_of_texts(here, names):
    """Patterns, pipes, circles, NUL: a source or an error, and never a wait."""
    with contextlib.suppress(TextgenError):
        assert isinstance(find_source(names), Source)


@many
@given(ODD_NAMES)
def test_names_of_models_and_runs(here, name):
    """Whatever is asked for under any name."""
    run = RunDirectory(Path(name))
    for ask in (
        lambda: resolve_checkpoint(name),
        lambda: load_checkpoint(Path(name)),
        run.settings,
        run.load_state,
        run.check_idle,
        lambda: check_free(run.path),
    ):
        with contextlib.suppress(TextgenError):
            ask()


def test_a_pipe_in_the_place_of_the_settings(tmp_path):
    """Nobody writes into it, and reading it waited for ever."""
    os.mkfifo(tmp_path / "run.json")

    with pytest.raises(TextgenError, match="not a regular file"):
        RunDirectory(tmp_path).settings()
