"""How gates stand and how long units remember, on gates that are known."""

import math

import numpy as np
import pytest
import torch

from lstm_textgen.inspect.inspection import HabitCounter

EVERY = torch.ones(10, dtype=torch.bool)


def constant(**gates):
    """Ten characters of two units whose gates never move."""
    return {
        name: torch.tensor(values, dtype=torch.float64).expand(10, 2)
        for name, values in gates.items()
    }


def test_a_half_life_is_when_half_is_left():
    """A gate at 1/2 halves at once; at the tenth root of 1/2, in ten characters."""
    tally = HabitCounter("lstm", 2)
    tally.add(constant(forget=[0.5, 0.5**0.1], input=[0, 1], output=[0.5, 0.5]), EVERY)

    assert tally.habits().half_life.tolist() == pytest.approx([1.0, 10.0])


def test_a_character_of_several_bytes_counts_once():
    """
    A memory fades at every byte, and a half-life is told in characters.

    The tenth root of 1/2 at ten bytes of five characters: half is left after five.
    """
    tally, ends = HabitCounter("lstm", 2), EVERY.clone()
    ends[::2] = False
    gates = constant(forget=[0.5**0.1, 0.95], input=[0.5, 0.5], output=[0.5, 0.5])
    tally.add(gates, ends)

    habits = tally.habits()
    assert habits.half_life[0] == pytest.approx(5.0)
    assert habits.open["forget"].tolist() == [1.0, 1.0]


def test_the_mean_is_that_of_logarithms():
    """
    What is left of a memory is the product of all gates.

    Half of the time 1, half of the time 1/4: as 1/2 all of the time.
    """
    tally = HabitCounter("gru", 1)
    for update in (1.0, 0.25):
        column = torch.full((5, 1), update)
        tally.add({"update": column, "reset": column}, EVERY[:5])

    assert tally.habits().half_life.tolist() == pytest.approx([1.0])


def test_the_ends_of_a_gate_are_no_crash():
    """A gate that never lets go remembers for ever, one that is shut not at all."""
    tally = HabitCounter("lstm", 2)
    tally.add(constant(forget=[1.0, 0.0], input=[0, 0], output=[0, 0]), EVERY)

    assert tally.habits().half_life.tolist() == [math.inf, 0.0]


def test_saturation_counts_shut_and_open():
    """Below 0.1 and above 0.9, over all windows, neither at the limits themselves."""
    tally = HabitCounter("lstm", 1)
    for gate in ([0.05, 0.1, 0.5], [0.9, 0.95, 0.99]):
        column = torch.tensor(gate, dtype=torch.float64)[:, None]
        half = torch.full_like(column, 0.5)
        tally.add({"forget": column, "input": half, "output": half}, EVERY[:3])

    habits = tally.habits()
    assert habits.shut["forget"].tolist() == pytest.approx([1 / 6])
    assert habits.open["forget"].tolist() == pytest.approx([2 / 6])
    assert habits.saturation().tolist() == pytest.approx([3 / 6 / 3])


def test_an_rnn_has_neither():
    """No gates, no half-life."""
    tally = HabitCounter("rnn", 2)
    tally.add({"hidden": torch.zeros(10, 2)}, EVERY)

    habits = tally.habits()
    assert habits.half_life is None
    assert habits.saturation() is None
    assert np.array_equal(list(habits.shut), [])
