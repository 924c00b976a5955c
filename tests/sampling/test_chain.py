"""From settings to a chain: what acts, in which order, and on what."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.generate import draw_ids
from lstm_textgen.sampling.transforms import (
    Context,
    make_chain,
    needs_history,
    only_temperature,
)

HIGHEST = 1 - 2**-53
"""The greatest number that dice can show."""

EVERYTHING = {
    "repetition_penalty": 1.1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "no_repeat": 3,
    "dry": 1.0,
    "temperature": 0.5,
    "top_k": 3,
    "min_p": 0.05,
    "typical": 0.9,
    "eta": 0.01,
    "top_p": 0.9,
    "mirostat": 1.0,
}
"""One of each, in the order in which they act."""


def moment(*history, progress=0.0, limit=9.0):
    """What a chain may look at, for one sample."""
    seen = torch.tensor([history], dtype=torch.int64)
    return Context(seen, progress, torch.tensor([limit], dtype=torch.float64))


def apply(config, logits, now=None):
    now = now or moment()
    for link in make_chain(config):
        logits = link.act(logits, now)
    return logits


def kept(config, logits, now=None):
    """Which ids of the one row are left."""
    return set(apply(config, logits, now)[0].isfinite().nonzero()[:, 0].tolist())


def rows(*uniforms):
    return torch.tensor(uniforms, dtype=torch.float64)


def test_settings_that_do_nothing_make_no_link():
    """At temperature 1 and without anything else the model speaks for itself."""
    assert make_chain(SampleConfig(temperature=1.0)) == []
    assert len(make_chain(SampleConfig(temperature=0.5, top_k=3, top_p=0.9))) == 3


def test_every_setting_makes_its_link_in_the_order_of_the_fields():
    """The chain reads like the settings, from the first penalty to mirostat."""
    chain = make_chain(SampleConfig(**EVERYTHING))

    assert [link.option.replace("-", "_") for link in chain] == list(EVERYTHING)
    assert [float(link.value) for link in chain] == list(EVERYTHING.values())
    for name, value in EVERYTHING.items():
        alone = make_chain(SampleConfig(**{"temperature": 1.0, name: value}))
        assert [link.option.replace("-", "_") for link in alone] == [name]


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_link_changes_something(name):
    """None of them is wired to nothing: each alone moves these logits."""
    config = SampleConfig(**{"temperature": 1.0, name: EVERYTHING[name]})
    history = [0, 1, 2, 3] * 5
    if name == "dry":
        config = SampleConfig(temperature=1.0, dry=1.0, dry_allowed=2)
    logits = torch.tensor([[3.0, 1.0, -2.0, -7.0, 0.5]], dtype=torch.float64)

    changed = apply(config, logits, moment(*history, limit=2.0))

    assert not torch.equal(changed.softmax(-1), logits.softmax(-1))


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"temperature": 1.0, "top_p": 0.7}, {0}),
        ({"temperature": 2.0, "top_p": 0.7}, {0, 1}),
        ({"temperature": 2.0, "top_p": 0.7, "top_k": 1}, {0}),
        ({"temperature": 2.0, "top_p": 0.9}, {0, 1, 2}),
        ({"temperature": 2.0, "top_p": 0.66, "top_k": 2}, {0}),
        ({"temperature": 1.0, "min_p": 0.2}, {0, 1}),
        ({"temperature": 2.0, "min_p": 0.2}, {0, 1, 2}),
    ],
)
def test_transforms_act_in_the_order_of_the_settings(chosen, left):
    """
    Temperature, then top-k, then the others, worked out on paper.

    Probabilities are 16 : 4 : 1, and 4 : 2 : 1 at temperature 2. The likeliest has
    76 %, at temperature 2 it has 57 %, and 67 % when only two are left.
    """
    logits = torch.tensor([[16.0, 4.0, 1.0]], dtype=torch.float64).log()

    assert kept(SampleConfig(**chosen), logits) == left


def test_penalties_act_before_the_temperature():
    """Two nats off at temperature 2 are one nat off in the end."""
    config = SampleConfig(temperature=2.0, presence_penalty=2.0)
    logits = torch.zeros(1, 3, dtype=torch.float64)

    changed = apply(config, logits, moment(1, 1)).log_softmax(-1)[0]

    assert (changed[0] - changed[1]).item() == pytest.approx(1.0)
    assert changed[0] == changed[2]


def test_greedy_heeds_penalties_and_nothing_else():
    """The likeliest that may be written: what follows the temperature has no say."""
    config = SampleConfig(**EVERYTHING | {"temperature": 0.0, "no_repeat": 1})
    logits = torch.tensor([[5.0, 4.0, 3.0, 2.0]], dtype=torch.float64)

    assert kept(config, logits, moment(0)) == {1}
    assert [link.option for link in make_chain(config)][-1] == "temperature"


@given(
    logits=st.lists(st.integers(-3, 3), min_size=1, max_size=6),
    uniform=st.floats(0, HIGHEST),
)
@settings(deadline=None)
def test_greedy_is_the_likeliest(logits, uniform):
    """At temperature 0 the first of the highest logits is drawn, whatever the dice."""
    config = SampleConfig(temperature=0.0, top_k=3, top_p=0.5)
    row = torch.tensor([logits], dtype=torch.float64)

    drawn = draw_ids(apply(config, row), rows(uniform))

    assert drawn.tolist() == [logits.index(max(logits))]


@pytest.mark.parametrize(("progress", "heat"), [(0.0, 2.0), (0.5, 1.25), (1.0, 0.5)])
def test_the_temperature_goes_from_its_first_value_to_its_last(progress, heat):
    """In even steps over the sample."""
    config = SampleConfig(temperature=2.0, final_temperature=0.5)
    logits = torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    changed = apply(config, logits, moment(progress=progress))[0]

    assert (changed[0] - changed[1]).item() == pytest.approx(1 / heat)


def test_a_temperature_may_end_at_zero():
    """The last character is then the likeliest, not an error."""
    config = SampleConfig(temperature=1.0, final_temperature=0.0)
    logits = torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    middle = apply(config, logits, moment(progress=0.5)).softmax(-1)
    end = apply(config, logits, moment(progress=1.0)).softmax(-1)

    assert 0.1 < middle[0, 1] < 0.2
    assert end.tolist() == [[1.0, 0.0]]


def test_what_looks_back_and_what_is_a_plain_temperature():
    """Machine code may draw only where the chain is a temperature alone."""
    assert only_temperature(SampleConfig(temperature=0.7)) == 0.7
    assert only_temperature(SampleConfig(temperature=1.0)) == 1.0
    others = [{name: value} for name, value in EVERYTHING.items()]
    others += [{"temperature": 0.0}, {"temperature": 1.0, "final_temperature": 0.5}]
    for other in others[:5] + others[6:]:
        assert only_temperature(SampleConfig(**other)) is None
    assert [needs_history(SampleConfig(**other)) for other in others[:6]] == [
        *([True] * 5),
        False,
    ]
