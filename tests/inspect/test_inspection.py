"""A trace is the equations at every character; habits and ranking follow from it."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lstm_textgen.inspect import inspection as under_test
from lstm_textgen.inspect.inspection import HabitCounter, inspect_text, trace_text
from lstm_textgen.model.cells import (
    UPDATES,
    from_hidden,
    from_input,
    gru_gates,
    lstm_gates,
)
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer

CELLS = ["lstm", "gru", "rnn"]
WORDS = np.random.default_rng(2).choice(["I", "am", "one", "three.", "afternoon"], 350)
TEXT = " ".join(WORDS)  # no pattern that a shift could meet again
TOKENIZER = CharTokenizer("".join(sorted(set(TEXT) | {"\n"})))
ALL_TEN = torch.ones(10, dtype=torch.bool)


def text_of(length, vocabulary=5):
    return np.random.default_rng(3).integers(0, vocabulary, length, dtype=np.uint8)


def character_by_character(model, ids):
    """Every signal of every layer, and the logits, one character after the other."""
    cell, states = model.config.cell, list(model.initial_state(1).layers)
    gates_of = {"lstm": lstm_gates, "gru": gru_gates}.get(cell)
    signals, logits = [[] for _ in model.layers], []
    for id in ids.tolist():
        x = model.embedding.weight[[id]]
        for depth, layer in enumerate(model.layers):
            weights, before = cell_weights(layer), states[depth]
            a, m = from_input(x, weights), from_hidden(before.hidden, weights)
            states[depth] = after = UPDATES[cell](a, m, before)
            now = asdict(gates_of(a, m)) if gates_of else {}
            now |= {"hidden": after.hidden}
            now |= {"memory": after.cell} if cell == "lstm" else {}
            signals[depth].append({name: values[0] for name, values in now.items()})
            x = x + after.hidden if depth and model.config.residual else after.hidden
        logits.append(model.head(x)[0])
    return signals, torch.stack(logits)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("residual", [True, False])
def test_arrays_are_the_equations_character_by_character(
    make_model, monkeypatch, cell, residual
):
    """In float64, across windows, every signal of every layer to 1e-12."""
    monkeypatch.setattr(under_test, "TRACE_WINDOW", 7)
    model = make_model(cell=cell, layers=3, residual=residual)
    ids = text_of(30)

    trace = trace_text(model, ids, dtype=np.float64)

    with torch.no_grad():
        signals, _ = character_by_character(model, ids)
    for layer, expected in zip(trace.layers, signals, strict=True):
        assert layer.keys() == expected[0].keys()
        for name, values in layer.items():
            by_hand = torch.stack([step[name] for step in expected]).numpy()
            np.testing.assert_allclose(values, by_hand, rtol=0, atol=1e-12)


def test_bits_and_guesses_are_those_of_the_model(make_model, monkeypatch):
    """Surprise at each character by what stood before; the likeliest that follow."""
    monkeypatch.setattr(under_test, "TRACE_WINDOW", 7)
    model, ids = make_model(7, layers=2), text_of(30, 7)

    trace = trace_text(model, ids)

    with torch.no_grad():
        chances = character_by_character(model, ids)[1].softmax(dim=-1).numpy()
    expected = [-math.log2(chances[t - 1, ids[t]]) for t in range(1, 30)]
    assert math.isnan(trace.bits[0])
    np.testing.assert_allclose(trace.bits[1:], expected, atol=1e-9)
    order = np.argsort(-chances, axis=1)[:, :5]
    np.testing.assert_array_equal(trace.guesses, order)
    np.testing.assert_allclose(trace.guess_probs, np.take_along_axis(chances, order, 1))


def test_a_small_vocabulary_has_fewer_guesses(make_model):
    """Never more than there are characters."""
    assert trace_text(make_model(3), text_of(4, 3)).guesses.shape == (4, 3)


def test_only_the_ends_of_characters_are_kept(make_model):
    """A character of several bytes is told by its last, and pays for all of them."""
    model, ids = make_model(layers=2), text_of(6)
    ends = np.array([True, False, True, False, False, True])

    whole, some = trace_text(model, ids), trace_text(model, ids, char_ends=ends)

    for all_rows, kept in zip(whole.layers, some.layers, strict=True):
        for name, values in kept.items():
            np.testing.assert_array_equal(values, all_rows[name][ends])
    np.testing.assert_array_equal(some.guesses, whole.guesses[ends])
    paid = [math.nan, whole.bits[1:3].sum(), whole.bits[3:6].sum()]
    np.testing.assert_allclose(some.bits, paid)


def test_half_precision_is_the_same_rounded(make_model):
    """For the page the arrays take a quarter of the room, and lose three digits."""
    model, ids = make_model(), text_of(20)

    exact, small = (
        trace_text(model, ids, dtype=np.float64),
        trace_text(model, ids, dtype=np.float16),
    )

    for name, values in small.layers[0].items():
        assert values.dtype == np.float16
        np.testing.assert_allclose(values, exact.layers[0][name], rtol=2e-3, atol=1e-4)


def test_what_was_read_before_is_left_out(make_model):
    """Its memory stays: what follows is as surprising as it was."""
    model, ids = make_model(), text_of(9)
    whole = trace_text(model, ids)

    rest = whole.after(4)

    assert (len(rest), len(whole)) == (5, 9)
    np.testing.assert_array_equal(rest.bits, whole.bits[4:])
    np.testing.assert_array_equal(
        rest.layers[0]["hidden"], whole.layers[0]["hidden"][4:]
    )


def test_progress_adds_up(make_model, monkeypatch):
    """To the number of ids, window by window."""
    monkeypatch.setattr(under_test, "TRACE_WINDOW", 8)
    steps = []

    trace_text(make_model(), text_of(20), progress=steps.append)

    assert steps == [8, 8, 4]


def constant(**gates):
    """Ten characters of two units whose gates never move."""
    return {
        name: torch.tensor(values, dtype=torch.float64).expand(10, 2)
        for name, values in gates.items()
    }


def test_a_half_life_is_when_half_is_left():
    """A gate at 1/2 halves at once; at the tenth root of 1/2, in ten characters."""
    counter = HabitCounter("lstm", 2)
    counter.add(
        constant(forget=[0.5, 0.5**0.1], input=[0, 1], output=[0.5, 0.5]), ALL_TEN
    )

    assert counter.habits().half_life.tolist() == pytest.approx([1.0, 10.0])


def test_a_character_of_several_bytes_counts_once():
    """
    A memory fades at every byte, and a half-life is told in characters.

    The tenth root of 1/2 at ten bytes of five characters: half is left after five.
    """
    counter, ends = HabitCounter("lstm", 2), ALL_TEN.clone()
    ends[::2] = False
    gates = constant(forget=[0.5**0.1, 0.95], input=[0.5, 0.5], output=[0.5, 0.5])
    counter.add(gates, ends)

    habits = counter.habits()
    assert habits.half_life[0] == pytest.approx(5.0)
    assert habits.open["forget"].tolist() == [1.0, 1.0]


def test_the_mean_is_that_of_logarithms():
    """
    What is left of a memory is the product of all gates.

    Half of the time 1, half of the time 1/4: as 1/2 all of the time.
    """
    counter = HabitCounter("gru", 1)
    for update in (1.0, 0.25):
        column = torch.full((5, 1), update)
        counter.add({"update": column, "reset": column}, ALL_TEN[:5])

    assert counter.habits().half_life.tolist() == pytest.approx([1.0])


def test_the_ends_of_a_gate_are_no_crash():
    """A gate that never lets go remembers for ever, one that is shut not at all."""
    counter = HabitCounter("lstm", 2)
    counter.add(constant(forget=[1.0, 0.0], input=[0, 0], output=[0, 0]), ALL_TEN)

    assert counter.habits().half_life.tolist() == [math.inf, 0.0]


def test_saturation_counts_shut_and_open():
    """Below 0.1 and above 0.9, over all windows, neither at the limits themselves."""
    counter = HabitCounter("lstm", 1)
    for gate in ([0.05, 0.1, 0.5], [0.9, 0.95, 0.99]):
        column = torch.tensor(gate, dtype=torch.float64)[:, None]
        half = torch.full_like(column, 0.5)
        counter.add({"forget": column, "input": half, "output": half}, ALL_TEN[:3])

    habits = counter.habits()
    assert habits.shut["forget"].tolist() == pytest.approx([1 / 6])
    assert habits.open["forget"].tolist() == pytest.approx([2 / 6])
    assert habits.saturation().tolist() == pytest.approx([3 / 6 / 3])


def test_an_rnn_has_neither():
    """No gates, no half-life."""
    counter = HabitCounter("rnn", 2)
    counter.add({"hidden": torch.zeros(10, 2)}, ALL_TEN)

    habits = counter.habits()
    assert habits.half_life is None
    assert habits.saturation() is None
    assert np.array_equal(list(habits.shut), [])


@pytest.fixture(scope="module")
def inspection(make_model):
    """Two layers of four units over some sentences."""
    return inspect_text(make_model(TOKENIZER.size, layers=2), TOKENIZER, TEXT)


def test_units_are_numbered_layer_by_layer(inspection):
    """Number and place lead to each other, and the memory follows the numbers."""
    assert [inspection.index_of(inspection.unit_at(n)) for n in range(8)] == list(
        range(8)
    )
    assert inspection.unit_at(5) == (1, 1)
    memory = inspection.signal((1, 1), "memory")
    np.testing.assert_array_equal(inspection.memory[:, 5], memory)


def test_every_unit_is_ranked_once(inspection):
    """The best one of the clearest property first; of one layer, only those."""
    ranked = inspection.ranked()
    clearest = max(inspection.findings, key=lambda f: f.strength.max() - f.chance)

    assert sorted(ranked) == [inspection.unit_at(n) for n in range(8)]
    assert ranked[0] == inspection.unit_at(int(clearest.strength.argmax()))
    assert sorted(inspection.ranked([1])) == [(1, unit) for unit in range(4)]


def test_interest_is_how_far_beyond_chance(inspection):
    """0 for a unit that follows nothing; else that of its best property."""
    for index in range(8):
        above = [f.strength[index] - f.chance for f in inspection.findings]
        assert inspection.interest[index] == pytest.approx(max(0, *above))
        best = inspection.best_property(index)
        assert (best is None) == (max(above) <= 0)


def test_what_opens_a_text_is_read_and_not_shown(make_model):
    """Its first character then has a surprise."""
    model = make_model(TOKENIZER.size)

    opened = inspect_text(model, TOKENIZER, "one", opening="\n")
    whole = inspect_text(model, TOKENIZER, "\none")

    assert (opened.text, len(opened.trace)) == ("one", 3)
    np.testing.assert_array_equal(opened.trace.bits, whole.trace.bits[1:])
    assert np.isfinite(opened.trace.bits).all()


def test_a_model_of_bytes_is_shown_by_characters(make_model):
    """As many rows as characters; guesses that are none by themselves by number."""
    inspection = inspect_text(make_model(256), ByteTokenizer(), "añ漢b")

    assert len(inspection.trace) == 4
    assert inspection.trace.layers[0]["memory"].shape == (4, 4)
    assert (inspection.id_names[0x61], inspection.id_names[0xE6]) == ("a", "\\xe6")
    assert inspection.findings == ()
    assert inspection.bits_per_char > 8


def test_a_single_character_is_no_crash(make_model):
    """Nothing was predicted, so there is no mean."""
    inspection = inspect_text(make_model(TOKENIZER.size), TOKENIZER, "o")

    assert np.isnan(inspection.bits_per_char)
    assert len(inspection.ranked()) == 4
