"""The chain of transforms, held to definitions, exhaustive search and paper."""

import math
from itertools import combinations, compress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.generate import draw_ids
from lstm_textgen.sampling.transforms import (
    MAX_REPEAT_NATS,
    TRANSFORMS,
    Context,
    active,
    ban_repeated_ngrams,
    describe_chain,
    divide_by_temperature,
    first_limits,
    keep_below_limit,
    keep_eta,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    needs_history,
    next_limits,
    only_temperature,
    penalize_continued_repeats,
    penalize_frequency,
    penalize_presence,
    penalize_repetition,
    repeat_lengths,
)

V = 6

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
"""A value for every transform, in the order in which they act."""


def logits_of(*probs):
    return torch.tensor([probs], dtype=torch.float64).log()


def random_logits(*batch):
    generator = torch.Generator().manual_seed(7)
    return 2 * torch.randn(*batch, V, dtype=torch.float64, generator=generator)


def kept_ids(logits):
    """Which ids of each row are not masked, rows in order."""
    rows = logits.isfinite().reshape(-1, logits.shape[-1]).tolist()
    return [set(compress(range(len(row)), row)) for row in rows]


def float64s(*values):
    return torch.tensor(values, dtype=torch.float64)


# The chain


def context(*history, progress=0.0, limit=9.0):
    """What a chain may depend on, for one sample."""
    ids = torch.tensor([history], dtype=torch.int64)
    return Context(ids, progress, float64s(limit))


def apply(config, logits, now=None):
    for transform in active(config):
        logits = transform.act(logits, config, now or context())
    return logits


def test_the_table_has_the_order_of_the_settings():
    """Each transform is alone where its setting is, and none is left out."""
    assert [transform.name for transform in TRANSFORMS] == list(EVERYTHING)
    assert active(SampleConfig(**EVERYTHING)) == list(TRANSFORMS)
    for name, value in EVERYTHING.items():
        alone = active(SampleConfig(**{"temperature": 1.0, name: value}))
        assert [transform.name for transform in alone] == [name]
    assert active(SampleConfig(temperature=1.0)) == []


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_transform_changes_something(name):
    """None of them is wired to nothing: each alone changes these probabilities."""
    settings = {"temperature": 1.0, "dry_allowed": 2, name: EVERYTHING[name]}
    logits = float64s(3.0, 1.0, -2.0, -7.0, 0.5).unsqueeze(0)

    changed = apply(
        SampleConfig(**settings), logits, context(*[0, 1, 2, 3] * 5, limit=2.0)
    )

    assert not torch.equal(changed.softmax(-1), logits.softmax(-1))


@pytest.mark.parametrize(
    ("settings", "kept"),
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
def test_transforms_act_in_their_order(settings, kept):
    """
    Temperature, then top-k, then the other masks, worked out on paper.

    Probabilities are 16 : 4 : 1, and 4 : 2 : 1 at temperature 2. The most likely has
    76 %, at temperature 2 it has 57 %, and 67 % when only two are left.
    """
    changed = apply(SampleConfig(**settings), logits_of(16.0, 4.0, 1.0))

    assert kept_ids(changed) == [kept]


def test_penalties_act_before_the_temperature():
    """Two nats off at temperature 2 are one nat off in the end."""
    config = SampleConfig(temperature=2.0, presence_penalty=2.0)

    changed = apply(config, logits_of(1.0, 1.0, 1.0), context(1, 1)).log_softmax(-1)[0]

    assert (changed[0] - changed[1]).item() == pytest.approx(1.0)
    assert changed[0] == changed[2]


@given(
    logits=st.lists(st.integers(-3, 3), min_size=1, max_size=6),
    uniform=st.floats(0, 1 - 2**-53),
)
@settings(deadline=None)
def test_greedy_is_the_first_of_the_highest_logits(logits, uniform):
    """Whatever the random number and the masks behind the temperature."""
    config = SampleConfig(temperature=0.0, top_k=3, top_p=0.5)

    drawn = draw_ids(apply(config, float64s(*logits).unsqueeze(0)), float64s(uniform))

    assert drawn.tolist() == [logits.index(max(logits))]


def test_greedy_takes_penalties_into_account():
    """And leaves out the masks behind the temperature."""
    config = SampleConfig(**EVERYTHING | {"temperature": 0.0, "no_repeat": 1})

    assert kept_ids(apply(config, logits_of(4.0, 3.0, 2.0, 1.0), context(0))) == [{1}]
    assert [transform.name for transform in active(config)][-1] == "temperature"


@pytest.mark.parametrize(("progress", "heat"), [(0.0, 2.0), (0.5, 1.25), (1.0, 0.5)])
def test_the_temperature_goes_from_its_first_value_to_its_last(progress, heat):
    """In even steps over the sample."""
    config = SampleConfig(temperature=2.0, final_temperature=0.5)

    changed = apply(config, logits_of(math.e, 1.0), context(progress=progress))[0]

    assert (changed[0] - changed[1]).item() == pytest.approx(1 / heat)


def test_a_temperature_may_end_at_zero():
    """The last character is then the most likely one, not an error."""
    config = SampleConfig(temperature=1.0, final_temperature=0.0)

    middle, end = (
        apply(config, logits_of(math.e, 1.0), context(progress=progress)).softmax(-1)
        for progress in (0.5, 1.0)
    )

    assert 0.1 < middle[0, 1] < 0.2
    assert end.tolist() == [[1.0, 0.0]]


def test_what_only_needs_a_temperature_and_what_needs_history():
    """Compiled code may draw only where a constant temperature above 0 is all."""
    assert only_temperature(SampleConfig(temperature=0.7)) == 0.7
    assert only_temperature(SampleConfig(temperature=1.0)) == 1.0
    others = [
        {name: value} for name, value in EVERYTHING.items() if name != "temperature"
    ]
    others += [{"temperature": 0.0}, {"temperature": 1.0, "final_temperature": 0.5}]
    for other in others:
        assert only_temperature(SampleConfig(**other)) is None
    needing = [other for other in others if needs_history(SampleConfig(**other))]
    assert needing == others[:5]


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ({"temperature": 0.5, "top_k": 3}, ["temperature 0.5: ", "top-k 3: "]),
        ({"temperature": 1.0, "final_temperature": 0.5}, ["temperature 1:0.5: "]),
        ({"temperature": 0.0, "top_k": 3}, ["temperature 0: "]),
        ({"temperature": 1.0, "no_repeat": 4}, ["no-repeat 4: "]),
    ],
)
def test_the_chain_is_described_by_options_and_values(settings, values):
    """A line for each active transform, and no blank left in any template."""
    lines = describe_chain(SampleConfig(**settings))

    for line, value in zip(lines, values, strict=True):
        assert line.startswith(value)
    everything = " ".join(
        describe_chain(SampleConfig(**EVERYTHING, penalty_window=1234))
    )
    assert everything.count("1,234") == 4
    assert "{" not in everything


# Penalties, over histories of a, b and c


def written(*rows):
    return torch.tensor([["abc".index(char) for char in row] for row in rows]).long()


def zeros_for(history):
    return torch.zeros(len(history), 3, dtype=torch.float64)


def masked(logits):
    rows = (logits == -torch.inf).tolist()
    return ["".join(compress("abc", row)) for row in rows]


def test_penalties_on_paper():
    """
    Repetition divides positive logits and multiplies negative ones, frequency counts,
    presence does not.
    """
    history = written("aab", "ccc")
    logits = float64s(3.0, -1.0, 2.0).expand(2, 3)

    repetition = penalize_repetition(logits, history, 2.0)
    frequency = penalize_frequency(zeros_for(history), history, 0.5)
    presence = penalize_presence(zeros_for(history), history, 0.25)

    assert repetition.tolist() == [[1.5, -2.0, 2.0], [3.0, -1.0, 1.0]]
    assert frequency.tolist() == [[-1.0, -0.5, 0.0], [0.0, 0.0, -1.5]]
    assert presence.tolist() == [[-0.25, -0.25, 0.0], [0.0, 0.0, -0.25]]


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("abcab", 3, "c"),  # abc was there
        ("abcab", 1, ""),  # everything was there: nothing would be left
        ("ab", 1, "ab"),
        ("aaa", 2, "a"),
        ("abacab", 3, "a"),
        ("ab", 3, ""),
        ("", 2, ""),
    ],
)
def test_repeated_runs_on_paper(text, size, expected):
    """What would complete a run for the second time is masked."""
    history = written(text).reshape(1, len(text))

    assert masked(ban_repeated_ngrams(zeros_for(history), history, size)) == [expected]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_repeated_runs_are_those_of_a_loop(size):
    """Every row of a batch has its own history."""
    generator = torch.Generator().manual_seed(1)
    history = torch.randint(0, 3, (40, 12), generator=generator)

    changed = ban_repeated_ngrams(zeros_for(history), history, size)

    for row, banned in zip(history.tolist(), masked(changed), strict=True):
        runs = {tuple(row[k : k + size]) for k in range(len(row) - size + 1)}
        ending = tuple(row[len(row) - size + 1 :])
        twice = "".join("abc"[c] for c in range(3) if (*ending, c) in runs)
        assert banned == ("" if len(twice) == 3 else twice)


def test_lengths_of_repeats_are_those_of_a_loop():
    """For each place, the longest common ending of the text up to it and of all."""
    generator = torch.Generator().manual_seed(2)
    history = torch.randint(0, 2, (40, 11), generator=generator)

    lengths = repeat_lengths(history, longest=99)

    for row, row_lengths in zip(history.tolist(), lengths.tolist(), strict=True):
        for place, length in enumerate(row_lengths):
            part = row[: place + 1]
            common = [
                n
                for n in range(len(part) + 1)
                if part[len(part) - n :] == row[11 - n :]
            ]
            # a common ending of n characters has common endings of all shorter lengths
            assert length == max(common)
    assert repeat_lengths(history[:, :1], longest=99).shape == (40, 0)
    assert repeat_lengths(history[:, :0], longest=99).shape == (40, 0)


@pytest.mark.parametrize(
    ("text", "allowed", "costs"),
    [
        ("abcab", 2, [0, 0, 1.0]),  # "ab" was followed by c: 2 characters, 1 * 2^0
        ("cabcab", 2, [0, 0, 2.0]),  # "cab" too: 3 characters
        ("abcaba", 2, [0, 0, 0]),  # "a" alone is allowed
        ("aaaa", 2, [2.0, 0, 0]),  # the last three stand one place earlier
        ("a", 2, [0, 0, 0]),
        ("bcabcaabc", 1, [4.0, 0, 0]),  # a after "bc" and after "abc": the longer one
    ],
)
def test_continuing_a_repeat_on_paper(text, allowed, costs):
    """A nat from the allowed length on, twice as much with each further character."""
    history = written(text)

    changed = penalize_continued_repeats(
        zeros_for(history), history, multiplier=1.0, base=2.0, allowed=allowed
    )

    assert (-changed[0]).tolist() == costs


@pytest.mark.parametrize("base", [2.0, 10.0])
def test_an_endless_repeat_stays_finite(base):
    """
    What has been repeated for thousands of characters is not infinitely unlikely.

    In float32 ten to the 64th was, and where nothing else may be written the draw
    then had nothing to draw from.
    """
    history = torch.zeros(1, 5000, dtype=torch.int64)

    changed = penalize_continued_repeats(
        zeros_for(history).float(), history, multiplier=1.0, base=base, allowed=1
    )

    assert changed.tolist() == [[-MAX_REPEAT_NATS, 0, 0]]


# Temperature


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0.5, [256 / 273, 16 / 273, 1 / 273]),
        (1.0, [16 / 21, 4 / 21, 1 / 21]),
        (2.0, [4 / 7, 2 / 7, 1 / 7]),
    ],
)
def test_temperature_by_hand(temperature, expected):
    """Probabilities 16 : 4 : 1 become their squares at 1/2, and their roots at 2."""
    logits = logits_of(16.0, 4.0, 1.0) + 100
    before = logits.clone()

    probs = divide_by_temperature(logits, temperature).softmax(-1)

    assert probs[0].tolist() == pytest.approx(expected)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-46, 1e-300, 5e-324])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_tiny_temperature_is_greedy(dtype, temperature):
    """
    Near zero all probability is on the most likely, shared between equals.

    In float32 a temperature of 1e-46 is 0, and once gave 0 / 0 for the most likely.
    """
    logits = torch.tensor([[-50.0, 33.0, 32.0], [80.0, -1e4, 80.0]], dtype=dtype)

    probs = divide_by_temperature(logits, temperature).softmax(-1)

    assert probs.tolist() == [[0, 1, 0], [0.5, 0, 0.5]]


# Masks


def surprise(p):
    return -math.log(p)


def entropy(probs):
    return math.fsum(p * surprise(p) for p in probs)


def nucleus(probs, mass):
    """Try every set, smallest first; of those that suffice, the most likely."""
    for size in range(1, V):
        sums = {
            ids: math.fsum(probs[i] for i in ids)
            for ids in combinations(range(V), size)
        }
        enough = [ids for ids, total in sums.items() if total >= mass]
        if enough:
            return set(max(enough, key=sums.__getitem__))
    return set(range(V))


def typical_set(probs, mass):
    """The smallest set of the characters nearest to the entropy that suffices."""
    distances = [abs(surprise(p) - entropy(probs)) for p in probs]
    nearest = sorted(range(V), key=distances.__getitem__)
    sets = (set(nearest[:size]) for size in range(1, V + 1))
    return next(
        (s for s in sets if math.fsum(probs[i] for i in s) >= mass), set(nearest)
    )


def eta_set(probs, epsilon):
    eta = min(epsilon, math.sqrt(epsilon) * math.exp(-entropy(probs)))
    return {i for i, p in enumerate(probs) if p >= eta or p == max(probs)}


def min_p_set(probs, share):
    return {i for i, p in enumerate(probs) if p >= share * max(probs)}


MASKS = [
    *[(keep_top_p, nucleus, mass) for mass in (0.01, 0.3, 0.6, 0.95)],
    *[(keep_typical, typical_set, mass) for mass in (0.05, 0.4, 0.8, 0.99)],
    *[(keep_eta, eta_set, epsilon) for epsilon in (0.01, 0.1, 0.5)],
    *[(keep_min_p, min_p_set, share) for share in (0.1, 0.3, 0.6, 1.0)],
]


@pytest.mark.parametrize(("mask", "definition", "value"), MASKS)
@pytest.mark.parametrize("batch", [(), (3,), (3, 1), (2, 2)])
def test_a_mask_keeps_what_its_definition_keeps(batch, mask, definition, value):
    """
    Found for every row by itself, for top-p by trying every set.

    A top-p of 0.01 is below the most likely character and (3, 1) has a time axis:
    published samplers keep too much in both.
    """
    logits = random_logits(*batch)

    changed = mask(logits, value)

    probs = logits.softmax(dim=-1).reshape(-1, V).tolist()
    assert kept_ids(changed) == [definition(row, value) for row in probs]
    assert changed.shape == logits.shape


@pytest.mark.parametrize("top_k", range(1, V + 1))
@pytest.mark.parametrize("batch", [(), (3,), (3, 1), (2, 2)])
def test_top_k_keeps_the_most_likely_set(batch, top_k):
    """
    Of all sets of that size the best; of equally good ones that with the lowest ids.

    Logits are small whole numbers, so most rows have ties.
    """
    logits = random_logits(*batch).div(2).round()

    changed = keep_top_k(logits, top_k)

    sets = list(combinations(range(V), top_k))
    rows = logits.reshape(-1, V).tolist()
    best = [set(max(sets, key=lambda ids: sum(row[i] for i in ids))) for row in rows]
    assert kept_ids(changed) == best
    assert changed.shape == logits.shape


@pytest.mark.parametrize(
    ("mask", "value", "probs", "kept"),
    [
        # of equally likely characters those with lower ids go first
        (keep_top_p, 0.1, [0.25] * 4, {0}),
        (keep_top_p, 0.25, [0.25] * 4, {0}),
        (keep_top_p, 0.3, [0.25] * 4, {0, 1}),
        (keep_top_p, 0.76, [0.25] * 4, {0, 1, 2, 3}),
        # none is less likely than the most likely
        (keep_min_p, 1.0, [0.4, 0.4, 0.2], {0, 1}),
        # entropy 1.089; surprises 0.511, 1.609, 2.303, 2.303: the second is nearest
        (keep_typical, 0.15, [0.6, 0.2, 0.1, 0.1], {1}),
        (keep_typical, 0.5, [0.6, 0.2, 0.1, 0.1], {0, 1}),
        (keep_typical, 0.85, [0.6, 0.2, 0.1, 0.1], {0, 1, 2}),
    ],
)
def test_masks_on_paper(mask, value, probs, kept):
    """Ties, and the typical set that leaves out the most likely character."""
    assert kept_ids(mask(logits_of(*probs), value)) == [kept]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    ("mask", "off"),
    [
        *((keep_top_p, 1.0), (keep_typical, 1.0), (keep_min_p, 0.0), (keep_eta, 0.0)),
        *((keep_top_k, 0), (keep_top_k, V), (keep_top_k, 10**30)),
    ],
)
def test_a_mask_that_is_off_changes_nothing(mask, off, dtype):
    """It gives every number back, as a new tensor."""
    logits = random_logits(3).to(dtype)
    logits[0, 0] = -200.0  # its probability vanishes beside the others

    changed = mask(logits, off)

    assert torch.equal(changed, logits)
    assert changed.data_ptr() != logits.data_ptr()


ANY_LOGITS = st.lists(
    st.floats(-1e4, 1e4) | st.just(-math.inf), min_size=1, max_size=V
).filter(lambda row: max(row) > -math.inf)


@pytest.mark.parametrize(
    ("mask", "value"),
    [(mask, value) for mask, _, value in MASKS]
    + [(keep_top_k, 2), (keep_top_p, 5e-324)],
)
@given(row=ANY_LOGITS)
@settings(deadline=None, max_examples=40)
def test_something_is_left_and_unchanged(mask, value, row):
    """For any logits, masked ones too: no row is emptied, none revived or altered."""
    logits = float64s(*row).unsqueeze(0)
    before = logits.clone()

    changed = mask(logits, value)

    kept = changed.isfinite()
    assert torch.equal(logits, before)
    assert kept.any()
    assert torch.equal(changed[kept], logits[kept])
    assert (changed[~kept] == -torch.inf).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("top_p", [5e-324, 1e-12])
def test_the_smallest_nucleus_is_one_character(top_p, dtype):
    """It is never empty, however small the mass; 5e-324 is 0 in float32."""
    logits = random_logits(3).to(dtype)

    best = [{id} for id in logits.argmax(-1).tolist()]
    assert kept_ids(keep_top_p(logits, top_p)) == best


# Mirostat


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(0.1, {0}), (0.69, {0}), (0.7, {0}), (1.4, {0, 1}), (2.1, {0, 1, 2, 3})],
)
def test_what_surprises_more_than_the_limit_is_masked(limit, kept):
    """Probabilities 1/2, 1/4, 1/8, 1/8 surprise by 0.69, 1.39, 2.08, 2.08 nats."""
    logits = logits_of(0.5, 0.25, 0.125, 0.125)

    assert kept_ids(keep_below_limit(logits, float64s(limit))) == [kept]


def test_every_row_has_its_own_limit():
    """And the most likely character of each stays."""
    logits = logits_of(1.0, 1.0, 3.0, 1.0).expand(2, 4)

    assert kept_ids(keep_below_limit(logits, float64s(9.0, 0.0))) == [{0, 1, 2, 3}, {2}]


def test_limits_move_against_the_error():
    """Too surprising lowers, too dull raises, by the rate."""
    assert first_limits(2, 1.5).tolist() == [3.0, 3.0]
    moved = next_limits(float64s(3.0, 3.0), float64s(2.5, 0.5), target=1.5, rate=0.1)

    assert moved.tolist() == pytest.approx([2.9, 3.1])
