"""Settings: checked when built, the same again from JSON, and clear when refused."""

import dataclasses
import json
import math
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import (
    BudgetConfig,
    FormConfig,
    ModelConfig,
    OptimizerConfig,
    SampleConfig,
    TextConfig,
    TrainConfig,
    from_json,
    to_json,
)
from lstm_textgen.errors import ConfigError

KINDS = [
    TextConfig,
    ModelConfig,
    OptimizerConfig,
    BudgetConfig,
    TrainConfig,
    SampleConfig,
    FormConfig,
]
SMALLEST = math.ulp(0.0)
BELOW_1 = math.nextafter(1.0, 0.0)
HUGE = 10**400
"""A whole number that no float holds."""

RANGES = [  # setting, lowest and highest that are allowed, numbers just outside
    (TextConfig, "min_count", 1, 10**9, [0, -1]),
    (TextConfig, "validation", 0.0, 0.5, [-SMALLEST, 0.5000001, 1.0]),
    (TextConfig, "test", 0.0, 0.5, [-SMALLEST, 0.5000001, 1.0]),
    (ModelConfig, "layers", 1, 16, [0, 17, HUGE]),
    (ModelConfig, "hidden", 1, 8192, [0, 8193, HUGE]),
    (ModelConfig, "embedding", 1, 8192, [0, 8193, HUGE]),
    (OptimizerConfig, "streams", 1, 65536, [0, 65537, HUGE]),
    (OptimizerConfig, "window", 1, 65536, [0, 65537, HUGE]),
    (OptimizerConfig, "learning_rate", SMALLEST, 10.0, [0.0, -1.0, 10.1]),
    (OptimizerConfig, "warm_up", 0.0, 0.5, [-SMALLEST, 0.6]),
    (OptimizerConfig, "weight_decay", 0.0, 1e300, [-SMALLEST]),
    (OptimizerConfig, "beta2", 0.0, BELOW_1, [-SMALLEST, 1.0]),
    (OptimizerConfig, "basis_every", 0, 65536, [-1, 65537]),
    (OptimizerConfig, "clip", 0.0, 1e300, [-SMALLEST]),
    (OptimizerConfig, "dropout", 0.0, BELOW_1, [-SMALLEST, 1.0]),
    (OptimizerConfig, "weight_drop", 0.0, BELOW_1, [-SMALLEST, 1.0]),
    (OptimizerConfig, "patience", SMALLEST, 1.0, [0.0, 1.1]),
    (BudgetConfig, "minutes", SMALLEST, 1e18, [0.0, -1.0, 1e19]),
    (BudgetConfig, "epochs", SMALLEST, 1e18, [0.0, -1.0, 1e19]),
    (BudgetConfig, "steps", 1, 2**63 - 1, [0, -1, 2**63, HUGE]),
    (TrainConfig, "seed", 0, 2**63 - 1, [-1, 2**63, HUGE]),
    (SampleConfig, "repetition_penalty", SMALLEST, 100.0, [0.0, -1.0, 100.1]),
    (SampleConfig, "frequency_penalty", -100.0, 100.0, [-100.1, 100.1]),
    (SampleConfig, "presence_penalty", -100.0, 100.0, [-100.1, 100.1]),
    (SampleConfig, "no_repeat", 0, 65536, [-1, 65537]),
    (SampleConfig, "dry", 0.0, 100.0, [-SMALLEST, 100.1]),
    (SampleConfig, "dry_base", 1.0, 10.0, [BELOW_1, 10.1]),
    (SampleConfig, "dry_allowed", 1, 65536, [0, 65537]),
    (SampleConfig, "penalty_window", 1, 65536, [0, 65537]),
    (SampleConfig, "temperature", 0.0, 100.0, [-SMALLEST, 100.1]),
    (SampleConfig, "final_temperature", 0.0, 100.0, [-SMALLEST, 100.1]),
    (SampleConfig, "top_k", 0, 10**9, [-1]),
    (SampleConfig, "min_p", 0.0, 1.0, [-SMALLEST, 1.1]),
    (SampleConfig, "typical", SMALLEST, 1.0, [0.0, 1.1]),
    (SampleConfig, "eta", 0.0, BELOW_1, [-SMALLEST, 1.0]),
    (SampleConfig, "top_p", SMALLEST, 1.0, [0.0, 1.1]),
    (SampleConfig, "mirostat", 0.0, 100.0, [-SMALLEST, 100.1]),
    (SampleConfig, "mirostat_rate", SMALLEST, 1.0, [0.0, 1.1]),
    (SampleConfig, "seed", 0, 2**63 - 1, [-1, 2**63, HUGE]),
    (FormConfig, "length", 0, 2**62 - 1, [-1, 2**62, HUGE]),
    (FormConfig, "min_length", 0, 2**62 - 1, [-1, 2**62, HUGE]),
]
NUMBERS = [(kind, name) for kind, name, *_ in RANGES]
CHOICES = {
    (TextConfig, "tokenizer"): ["char", "byte"],
    (ModelConfig, "cell"): ["lstm", "gru", "rnn"],
    (TrainConfig, "precision"): ["auto", "float32", "bfloat16"],
}


def valid(kind, name, low, high):
    """Values of one setting, its two ends among them."""
    whole = typing.get_type_hints(kind)[name] in (int, int | None)
    inside = st.integers(low, high) if whole else st.floats(low, high)
    return st.sampled_from([low, high]) | inside


def values_of(kind):
    """Any valid settings of one kind; a budget is one of its three lengths."""
    fields = {n: valid(k, n, lo, hi) for k, n, lo, hi, _ in RANGES if k is kind}
    if kind is BudgetConfig:
        return st.one_of(st.builds(kind, **{n: v}) for n, v in fields.items())
    for (owner, name), choices in CHOICES.items():
        if owner is kind:
            fields[name] = st.sampled_from(choices)
    if kind is TextConfig:
        fields["encoding"] = st.text(max_size=10)
    if kind is FormConfig:
        fields["until"] = st.sampled_from([None, "newline", "sentence", "paragraph"])
        fields["stop"] = st.lists(st.text(min_size=1), max_size=3).map(tuple)
        fields |= {name: st.text(max_size=5) for name in ("only", "ban")}
    if kind is ModelConfig:
        fields["residual"] = st.booleans()
    if kind is TrainConfig:
        parts = {"text": TextConfig, "model": ModelConfig}
        parts |= {"optimizer": OptimizerConfig, "budget": BudgetConfig}
        fields |= {name: values_of(part) for name, part in parts.items()}
    return st.builds(kind, **fields)


def build(kind, **values):
    """From JSON, with a budget where a run needs one."""
    if kind is TrainConfig:
        values = {"budget": {"steps": 1}, **values}
    return from_json(kind, values)


def refusal(kind, **values):
    """The error for these settings, which must be one."""
    with pytest.raises(ConfigError) as caught:
        build(kind, **values)
    return caught.value


# beartype looks at an item of a tuple by chance, while a strategy builds settings
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@given(st.one_of(values_of(kind) for kind in KINDS))
@settings(deadline=None)
def test_settings_come_back_from_json(config):
    """Through the text of a JSON file every setting returns as it was."""
    text = json.dumps(to_json(config), allow_nan=False)

    assert from_json(type(config), json.loads(text)) == config


def test_every_number_has_a_range_here():
    """The table of this file leaves out no numeric setting, so none goes unchecked."""
    numeric = {int, float, int | None, float | None}
    found = {
        (kind, name)
        for kind in KINDS
        for name, hint in typing.get_type_hints(kind).items()
        if hint in numeric
    }

    assert found == set(NUMBERS)


@pytest.mark.parametrize(("kind", "name", "low", "high", "outside"), RANGES)
def test_ranges_end_where_they_say(kind, name, low, high, outside):
    """
    Both ends are allowed, and what is just outside is refused in two parts.

    The problem names the setting and the value, the remedy what is allowed.
    """
    for value in (low, high):
        assert getattr(build(kind, **{name: value}), name) == value
    for value in outside:
        error = refusal(kind, **{name: value})
        assert name in error.problem
        assert repr(value)[:50] in error.problem
        assert f"Set {name} to" in error.remedy


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_no_setting_is_infinite_or_no_number(kind, name, value):
    """NaN and both infinities are refused for every number, and shown."""
    error = refusal(kind, **{name: value})

    assert name in error.problem
    assert repr(value) in error.problem
    assert name in error.remedy


@pytest.mark.parametrize("value", [True, False, "1", [1], {}, None])
@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_a_number_is_a_number(kind, name, value):
    """
    Truth is not 1, and "1" is not 1 either.

    A length of the run may be left out, but then another one must be given; only
    the last temperature is none unless it is asked for.
    """
    if (name, value) == ("final_temperature", None):
        assert build(kind, **{name: value}).final_temperature is None
        return
    error = refusal(kind, **{name: value})

    assert error.problem
    assert error.remedy


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_whole_numbers_and_fractions(kind, name):
    """
    A whole setting takes no fraction, and a fraction no number that it would round.

    A whole number of 400 digits is an error like any other, not a crash.
    """
    whole = typing.get_type_hints(kind)[name] in (int, int | None)

    error = refusal(kind, **{name: 1.0 if whole else HUGE})

    assert name in error.problem
    assert "of type int" in error.remedy if whole else "smaller" in error.remedy


@pytest.mark.parametrize("value", ["LSTM", "", "transformer", 1, None, True, ["lstm"]])
@pytest.mark.parametrize(("kind", "name"), CHOICES)
def test_a_choice_is_one_of_a_few(kind, name, value):
    """Anything else is refused, and the remedy lists what there is."""
    error = refusal(kind, **{name: value})

    assert f"is {value!r}" in error.problem
    assert ", ".join(CHOICES[kind, name]) in error.remedy


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_switch_is_true_or_false(value):
    """No number or word stands for it."""
    assert "of type bool" in refusal(ModelConfig, residual=value).remedy


def test_a_whole_number_may_stand_for_a_fraction():
    """JSON writes 1.0 as 1 in other languages; it is a float all the same."""
    rate = build(OptimizerConfig, learning_rate=1).learning_rate

    assert rate == 1.0
    assert type(rate) is float


@pytest.mark.parametrize(
    ("kind", "key", "remedy"),
    [
        (ModelConfig, "hiden", "Did you mean 'hidden'?"),
        (OptimizerConfig, "learning-rate", "Did you mean 'learning_rate'?"),
        (SampleConfig, "topk", "Did you mean 'top_k'?"),
        (BudgetConfig, "xyz", "Known are minutes, epochs, steps."),
    ],
)
def test_an_unknown_setting_names_its_neighbour(kind, key, remedy):
    """The error shows the key that was found, and the nearest one that exists."""
    error = refusal(kind, **{key: 1})

    assert repr(key) in error.problem
    assert error.remedy == remedy


def test_an_error_says_where_it_is():
    """In settings within settings the whole path is named."""
    error = refusal(TrainConfig, model={"layers": "two"})

    assert error.problem == "settings.model.layers is 'two'."


@pytest.mark.parametrize("data", [None, 1, "x", [], [["layers", 1]]])
def test_settings_are_an_object(data):
    """Anything but an object is refused as a whole, and within."""
    with pytest.raises(ConfigError, match="settings is "):
        from_json(ModelConfig, data)
    with pytest.raises(ConfigError, match=r"settings\.model is "):
        build(TrainConfig, model=data)


def test_a_run_needs_a_budget():
    """The one setting without a default is asked for by name."""
    with pytest.raises(ConfigError, match=r"lacks a setting.*budget"):
        from_json(TrainConfig, {})


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "nothing"),
        ({"minutes": 1.0, "steps": 5}, "minutes 1.0 and steps 5"),
        ({"minutes": 1.0, "epochs": 2.0, "steps": 5}, "steps 5"),
    ],
)
def test_a_budget_is_exactly_one_length(given, found):
    """None or several are refused, with what was given."""
    error = refusal(BudgetConfig, **given)

    assert found in error.problem
    assert "exactly one" in error.remedy


def test_a_long_value_is_shortened():
    """An error about a page of text is not a page long."""
    error = refusal(ModelConfig, layers="x" * 10_000)

    assert len(error.problem) < 100


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_valid_and_last(kind):
    """Without settings each kind is built of its defaults, and cannot be changed."""
    config = BudgetConfig(steps=1) if kind is BudgetConfig else build(kind)

    assert dataclasses.replace(config) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(kind)[0].name, None)


def test_a_text_that_must_match_ends_nowhere_else():
    """An end in the middle of a pattern would be no match."""
    for other in ({"stop": ["a"]}, {"until": "newline"}):
        assert "match" in refusal(FormConfig, match="a+", **other).problem
    assert FormConfig(match="a+").stop == ()


@pytest.mark.parametrize("value", ["a", 1, None, [1], [["a"]], [""]])
def test_stop_is_a_list_of_strings(value):
    """Of at least one character each; a string alone is not taken apart."""
    assert "stop" in refusal(FormConfig, stop=value).problem
