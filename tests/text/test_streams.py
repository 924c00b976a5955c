"""Read heads over the ids: every character once, from any position."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.text.streams import IGNORE, Streams


@st.composite
def any_streams(draw) -> Streams:
    """Streams over ids that are all different, so that each is known again."""
    count = draw(st.integers(2, 300))
    start, gap = draw(st.integers(0, count)), draw(st.integers(0, 30))
    before, after = np.split(np.arange(count, dtype=np.uint16), [start])
    return Streams(
        ids=np.concatenate([before, np.full(gap, 999, np.uint16), after]),
        calibration=(start, start + gap),
        streams=draw(st.integers(1, count)),
        window=draw(st.integers(1, 40)),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


@given(any_streams(), st.integers(0, 1000), st.none() | st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_every_character_is_a_target_once(streams, epoch, end_at):
    """
    In an epoch each character is predicted once, from the one before it.

    The text is a circle, so the first character follows the last; the calibration
    slice is skipped. What a head reads next is what it predicted, over all ticks.
    """
    count = streams.characters
    windows = [
        streams.window_at(epoch, tick, end_at=end_at) for tick in range(streams.ticks)
    ]
    inputs, targets = map(np.concatenate, zip(*windows, strict=True))
    counted = targets != IGNORE

    assert sorted(targets[counted]) == list(range(count))
    assert ((inputs[counted] + 1) % count == targets[counted]).all()
    assert (inputs[1:] == targets[:-1]).all()
    assert counted[:-1].all()  # only the very last step may be without target


@given(any_streams())
@settings(deadline=None)
def test_streams_and_windows_are_nearly_equal(streams):
    """Heads stand equally far apart and windows differ by one step at most."""
    count, heads = streams.characters, streams.streams
    windows = [streams.window_at(0, tick)[1] for tick in range(streams.ticks)]
    steps = [len(window) for window in windows]
    lengths = (np.concatenate(windows) != IGNORE).sum(axis=0)
    starts = streams.window_at(0, 0)[0][0].astype(int)

    assert max(steps) <= streams.window
    assert max(steps) - min(steps) <= 1
    assert sum(steps) == math.ceil(count / heads)
    assert lengths.max() - lengths.min() <= 1
    expected = [(starts[0] + b * count // heads) % count for b in range(heads)]
    assert starts.tolist() == expected


@given(any_streams(), st.data())
@settings(deadline=None)
def test_columns_are_a_share_of_the_whole(streams, data):
    """A share of the columns is exactly those columns, from the position alone."""
    tick = data.draw(st.integers(0, streams.ticks - 1))
    columns = data.draw(st.slices(streams.streams))
    again = Streams(
        ids=streams.ids,
        calibration=streams.calibration,
        streams=streams.streams,
        window=streams.window,
        seed=streams.seed,
    )

    whole = streams.window_at(3, tick)
    share = again.window_at(3, tick, columns)

    for part, full in zip(share, whole, strict=True):
        np.testing.assert_array_equal(part, full[:, columns])
        assert part.dtype == np.int64


def test_window_worked_by_hand():
    """Seven characters in two streams: the shorter ends one step early."""
    streams = Streams(ids=np.arange(7, dtype=np.uint8), streams=2, window=2, seed=0)
    start = int(streams.window_at(0, 0)[0][0, 0])

    windows = [streams.window_at(0, tick) for tick in range(2)]

    def turned(rows):
        return [[(start + place) % 7 for place in row] for row in rows]

    assert windows[0][0].tolist() == turned([[0, 3], [1, 4]])
    assert windows[0][1].tolist() == turned([[1, 4], [2, 5]])
    assert windows[1][0].tolist() == turned([[2, 5], [3, 6]])
    last = turned([[3, 6], [0, 7]])
    last[1][0] = IGNORE
    assert windows[1][1].tolist() == last


def test_epochs_begin_at_fresh_places():
    """Epochs and seeds begin at different places, and always at the same ones."""

    def begins(seed: int, epoch: int) -> int:
        ids = np.arange(60_000, dtype=np.uint16)
        streams = Streams(ids=ids, streams=1, window=1, seed=seed)
        return int(streams.window_at(epoch, 0)[0][0, 0])

    assert len({begins(1, epoch) for epoch in range(50)}) == 50
    assert len({begins(seed, 0) for seed in range(50)}) == 50
    # written down once: a resumed run must find its place in any version
    assert [begins(1, epoch) for epoch in range(3)] == [49920, 19579, 3131]


@pytest.mark.parametrize("end_at", [0.0, 0.01, 0.3, 0.85, 1.0])
def test_the_end_of_the_text_is_read_when_it_should_be(end_at):
    """One stream of four predicts the last character after that share of an epoch."""
    ids = np.arange(4000, dtype=np.uint16)
    streams = Streams(ids=ids, streams=4, window=8, seed=1)
    windows = [
        streams.window_at(5, tick, end_at=end_at) for tick in range(streams.ticks)
    ]
    targets = np.concatenate([targets for _, targets in windows])
    ((step, _),) = np.argwhere(targets == 3999)

    assert (1000 * end_at - step) % 1000 <= 2


def test_inputs_and_targets_do_not_share_memory():
    """Changing one in place leaves the other as it is."""
    ids = np.arange(9, dtype=np.uint8)
    streams = Streams(ids=ids, streams=1, window=4, seed=0)

    inputs, targets = streams.window_at(0, 0)

    assert not np.shares_memory(inputs, targets)


@pytest.mark.parametrize("count", [0, 1])
def test_too_short_a_text(count):
    """With less than two characters there is nothing to predict."""
    with pytest.raises(CorpusError, match=f"has {count} characters"):
        Streams(ids=np.zeros(count, np.uint8), streams=1, window=1, seed=0)


@pytest.mark.parametrize(("streams", "window"), [(6, 1), (0, 1), (1, 0)])
def test_settings_out_of_range(streams, window):
    """More streams than characters, or none, is a setting out of range."""
    with pytest.raises(ConfigError, match=r"(streams|window) is"):
        Streams(ids=np.zeros(5, np.uint8), streams=streams, window=window, seed=0)
