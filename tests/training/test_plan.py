"""
What the plan promises, whatever numbers its rules have.

The speed of the machine is set by the test.
"""

import dataclasses

import numpy as np
import pytest
import torch

from lstm_textgen.config import (
    BudgetConfig,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
    TrainConfig,
)
from lstm_textgen.errors import ConfigError, CorpusError
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.overrides import PRESETS, Overrides
from lstm_textgen.training.plan import (
    LADDER,
    best_parameters,
    default_budget,
    default_dropout,
    default_unit,
    default_weight_drop,
    default_window,
    fitting_streams,
    make_plan,
    size_for,
)

CPU = Machine(torch.device("cpu"), 1)
SPEED = 10_000.0


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    """A machine whose speed is known, no waiting for it, and for no first weights."""
    monkeypatch.setattr("lstm_textgen.training.speed.initialize", lambda *args: None)
    monkeypatch.setattr(
        "lstm_textgen.training.speed.training_speed", lambda *args: SPEED
    )
    monkeypatch.setattr("lstm_textgen.training.plan.reading_speed", lambda *args: SPEED)


def plan(characters=100_000, *, budget=None, machine=CPU, **overrides):
    overrides.setdefault("run", {"precision": "float32"})
    given = Overrides(budget=BudgetConfig(**budget) if budget else None, **overrides)
    return make_plan(given, characters=characters, vocabulary=50, machine=machine)


def size(plan):
    return plan.config.model.layers, plan.config.model.hidden


TEXT = {"tokenizer": "byte", "validation": 0.25, "test": 0.125}
MODEL = {"cell": "gru", "layers": 3, "hidden": 5, "embedding": 7, "residual": False}
OPTIMIZER = {
    "streams": 3,
    "window": 11,
    "learning_rate": 0.5,
    "warm_up": 0.25,
    "weight_decay": 0.5,
    "beta2": 0.5,
    "basis_every": 4,
    "clip": 3.0,
    "dropout": 0.125,
    "weight_drop": 0.25,
    "patience": 0.75,
}


class TestOverrides:
    @pytest.mark.parametrize(
        "budget", [{"minutes": 3.5}, {"epochs": 7.0}, {"steps": 9}]
    )
    def test_all_of_them_stay(self, budget):
        """A plan for one who has set everything chooses nothing."""
        made = plan(
            text=TEXT, model=MODEL, optimizer=OPTIMIZER, budget=budget,
            run={"seed": 12, "precision": "float32"},
        )  # fmt: skip
        config = made.config

        assert dataclasses.asdict(config) == {
            "text": dataclasses.asdict(config.text) | TEXT,
            "model": {**MODEL, "initial_state": "zeros"},
            "optimizer": OPTIMIZER,
            "budget": {"minutes": None, "epochs": None, "steps": None} | budget,
            "seed": 12,
            "precision": "float32",
        }
        assert made.chosen == ()

    @pytest.mark.parametrize(
        ("group", "key", "value"),
        [("model", k, v) for k, v in MODEL.items()]
        + [("optimizer", k, v) for k, v in OPTIMIZER.items()]
        + [("text", k, v) for k, v in TEXT.items()],
    )
    def test_each_one_stays(self, group, key, value):
        """One setting among things that are left open is kept, with any budget."""
        for budget in (None, {"steps": 100}):
            config = plan(budget=budget, **{group: {key: value}}).config

            assert getattr(getattr(config, group), key) == value

    @pytest.mark.parametrize("preset", PRESETS)
    def test_a_preset_is_a_size(self, preset):
        """A preset decides on layers and units, and a setting is stronger."""
        layers, hidden = PRESETS[preset]["cpu"]

        assert size(plan(preset=preset)) == (layers, hidden)
        assert size(plan(preset=preset, model={"hidden": 9})) == (layers, 9)
        assert "size" not in plan(preset=preset).chosen

    def test_what_was_chosen_is_told(self):
        """So that it can be announced; nothing else is in that list."""
        assert set(plan().chosen) == {"size", "budget", "dropout"}
        assert "size" not in plan(model={"hidden": 5}).chosen
        assert "budget" not in plan(budget={"steps": 5}).chosen
        assert "dropout" not in plan(optimizer={"dropout": 0.0}).chosen


class TestSize:
    @pytest.mark.parametrize("unit", ["minutes", "epochs", "steps"])
    def test_grows_with_the_budget(self, unit):
        """More to read is a larger model, or the same; far more is a larger one."""
        amounts = [1, 100, 10_000]
        made = [
            plan(10**7, budget={unit: amount if unit == "steps" else float(amount)})
            for amount in amounts
        ]
        parameters = [each.parameters for each in made]

        assert parameters == sorted(parameters)
        assert parameters[0] < parameters[-1]
        assert all(size(each) in LADDER for each in made)

    @pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
    def test_the_nearest_rung(self, cell):
        """Asked for the weights that a rung has, it is that rung."""
        rows = {"lstm": 4, "gru": 3, "rnn": 1}[cell]
        for layers, hidden in LADDER:
            config = ModelConfig(cell=cell, layers=layers, hidden=hidden, embedding=64)
            with torch.device("meta"):  # shapes only
                network = CharModel(config, 2)
            weights = sum(
                p.numel() for p in network.layers.parameters() if p.dim() == 2
            )

            assert size_for(float(weights), rows) == (layers, hidden)

    def test_beyond_the_ladder(self):
        """Hardly anything to read and far too much are its two ends."""
        assert size_for(1.0, 4) == LADDER[0]
        assert size_for(1e15, 4) == LADDER[-1]

    def test_four_times_the_arithmetic_feeds_a_model_twice_as_large(self):
        """As many characters for every parameter, whatever the machine."""
        few, many = (best_parameters(work, 10**9) for work in (1e12, 4e12))

        assert many == pytest.approx(2 * few)

    def test_a_short_text_has_a_small_model(self):
        """However much time there is: a large one would learn it by heart."""
        sizes = [
            plan(characters, budget={"minutes": 1e4}).parameters
            for characters in (1_000, 100_000, 1_000_000)
        ]

        assert best_parameters(1e30, 1_000) == best_parameters(1e20, 1_000)
        assert sizes == sorted(set(sizes))

    def test_a_model_beyond_the_checkpoint_is_refused_before_it_is_built(self):
        """Not even to measure its speed."""
        with pytest.raises(ConfigError, match="a checkpoint holds at most"):
            plan(model={"layers": 16, "hidden": 8192})

    def test_parameters_are_counted(self):
        """The number that is announced is that of the model that will be built."""
        made = plan(model={"hidden": 5, "layers": 1, "embedding": 4})

        gates = 4 * 5 * (4 + 5 + 2)
        assert made.parameters == 50 * 4 + gates + 50 * (5 + 1)


class TestShortTexts:
    @pytest.mark.parametrize(
        ("characters", "streams"),
        [(11, 1), (20, 2), (29, 2), (79, 7), (80, 8), (10_000, 8)],
    )
    def test_fewer_streams(self, characters, streams):
        """Every stream has a window at least; there are never more than given."""
        config = OptimizerConfig(streams=8, window=10)

        assert fitting_streams(characters, config) == streams

    def test_streams_that_are_set(self):
        """They stay, if each has only a part of a window."""
        setting = {"streams": 8, "window": 10}

        assert plan(20, optimizer=setting).config.optimizer.streams == 8
        assert plan(20, optimizer={"window": 10}).config.optimizer.streams == 2

    @pytest.mark.parametrize(("characters", "window"), [(1, 10), (10, 10), (50, 64)])
    def test_too_short(self, characters, window):
        """
        Less than a window and the character after it is refused.

        What the error proposes is then accepted, if there is a text for it.
        """
        with pytest.raises(CorpusError, match=f"{characters} characters") as caught:
            plan(characters, optimizer={"window": window})
        proposed = int(caught.value.remedy.rstrip(".").split()[-1])

        assert characters == 1 or plan(characters, optimizer={"window": proposed})


@pytest.mark.parametrize(
    ("budget", "characters", "seconds"),
    [
        ({"steps": 50}, 50 * 80, 50 * 80 / SPEED),
        ({"epochs": 2.0}, 200_000, 200_000 / SPEED),
        ({"minutes": 2.0}, 120 * SPEED, 120),
    ],
)
def test_the_forecast(budget, characters, seconds):
    """What is read, and for how long, at the speed that was measured."""
    made = plan(budget=budget, optimizer={"streams": 8, "window": 10})

    assert (made.characters, made.seconds) == (characters, seconds)
    assert made.characters_per_second == SPEED


class TestDefaults:
    def test_a_longer_text_gets_more_time(self):
        """Never none, never without end."""
        texts = (1, 10**5, 10**6, 10**9)
        budgets = [default_budget(characters, CPU) for characters in texts]
        minutes = [budget.minutes for budget in budgets]

        assert minutes == sorted(minutes)
        assert 0 < minutes[0] < minutes[-1] < 60
        assert plan(100_000).config.budget == default_budget(100_000, CPU)

    def test_the_rate_falls_with_the_width(self):
        """Twice as wide, half the rate; narrow layers keep it, and a setting stays."""

        def rate(hidden, **optimizer):
            made = plan(model={"hidden": hidden}, optimizer=optimizer)
            return made.config.optimizer.learning_rate

        assert rate(8) == rate(256) == 2 * rate(512)
        assert rate(512, learning_rate=0.125) == 0.125

    def test_wide_layers_have_a_longer_window(self):
        """Unless the text is too short for it, or a window was given."""
        assert default_window(64, 256, 10**6) == 64
        assert default_window(64, 512, 100) == default_window(64, 512, 65) == 64

        wide, given = {"hidden": 512}, {"window": 64}
        assert plan(model=wide).config.optimizer.window == 128
        assert plan(model=wide, optimizer=given).config.optimizer.window == 64

    def test_who_sets_the_dropout_decides_on_all_noise(self):
        """Without dropout nothing rests, however often the text is read."""
        often = {"epochs": 40.0}
        chosen = plan(budget=often).config.optimizer
        given = plan(budget=often, optimizer={"dropout": 0.0}).config.optimizer
        other = plan(budget=often, optimizer={"weight_drop": 0.1}).config.optimizer

        assert chosen.dropout > 0
        assert chosen.weight_drop > 0
        assert (given.dropout, given.weight_drop) == (0, 0)
        assert (other.dropout, other.weight_drop) == (chosen.dropout, 0.1)

    def test_the_shares_that_the_trials_found(self):
        """
        Those of `docs/recipe.md`: 5, 12.7 and 95 epochs.

        A text that is read often is memorized, unless there is noise.
        """
        shares = [
            (default_dropout(epochs), default_weight_drop(epochs))
            for epochs in (0.0, 2.1, 5.0, 12.7, 95.0, 1e9)
        ]

        assert shares[:2] == [(0.0, 0.0)] * 2
        assert shares[2:] == [(0.12, 0.1), (0.15, 0.29), (0.5, 0.3), (0.5, 0.3)]

    def test_the_size_is_that_of_the_threads_that_are_taken(self, monkeypatch):
        """
        Threads once were chosen after the size, which all cores had decided slowly.

        One machine then had two recipes: as many threads, set by hand, made of the same
        minutes a model four times as large.
        """

        def speed(machine, *args):
            return SPEED * 8 / max(machine.threads, 64 // machine.threads)

        def planned(threads, **options):
            machine = Machine(torch.device("cpu"), threads, **options)
            return plan(900_000, budget={"minutes": 10.0}, machine=machine)

        monkeypatch.setattr("lstm_textgen.training.speed.training_speed", speed)
        monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
        found, told = planned(64, threads_open=True), planned(8)

        assert found.machine.threads == 8
        assert found.config == told.config
        assert size(found) != size(planned(64))

    @pytest.mark.parametrize(
        ("budget", "threads"), [({"minutes": 1.0}, 1), ({"steps": 9}, 2)]
    )
    def test_threads_are_chosen_where_the_clock_counts(
        self, monkeypatch, budget, threads
    ):
        """A number of steps is to come to the same weights whenever it is run."""
        monkeypatch.setattr(
            "lstm_textgen.training.speed.training_speed",
            lambda machine, *args: SPEED / machine.threads,
        )
        monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
        made = plan(
            budget=budget,
            model={"hidden": 4},
            machine=Machine(torch.device("cpu"), 2, threads_open=True),
        )

        assert made.machine.threads == threads
        assert made.characters_per_second == SPEED / threads
        assert ("threads" in made.chosen) == (threads == 1)

    def test_the_precision_is_resolved(self, monkeypatch):
        """The settings of a run say what it computes in, never `auto`."""
        for half_is_better, precision in ((True, "bfloat16"), (False, "float32")):
            monkeypatch.setattr(
                "lstm_textgen.training.speed.training_speed",
                lambda machine, *args, better=half_is_better: (
                    SPEED * (5 if better == (machine.dtype == torch.bfloat16) else 1)
                ),
            )
            monkeypatch.setattr(
                "lstm_textgen.training.speed.products_pay", lambda *pair: True
            )
            made = plan(run={}, model={"hidden": 4})

            assert made.config.precision == precision
            assert made.characters_per_second == 5 * SPEED


class TestGolden:
    """What the recipe makes of one text: a change of its numbers is seen here."""

    @pytest.mark.parametrize(
        ("minutes", "model", "window", "rate", "noise"),
        [
            (2.0, (2, 224), 64, 8e-3, (0.0, 0.0)),
            (10.0, (2, 320), 64, 6.4e-3, (0.11, 0.08)),
            (60.0, (2, 512), 128, 4e-3, (0.15, 0.26)),
        ],
    )
    def test_tinyshakespeare(self, monkeypatch, minutes, model, window, rate, noise):
        """On two cores that do 60 GFLOP/s in steps, as those of the trials did."""

        def speed(machine, network, *args):
            weights = network.parameter_count() - network.embedding.weight.numel()
            return 60e9 / 6 / weights

        monkeypatch.setattr("lstm_textgen.training.speed.training_speed", speed)
        made = plan(987_470, budget={"minutes": minutes})
        dropout, weight_drop = noise

        assert made.config == TrainConfig(
            text=TextConfig(validation=0.1, test=0.0),
            model=ModelConfig(layers=model[0], hidden=model[1], embedding=64),
            optimizer=OptimizerConfig(
                streams=16,
                window=window,
                basis_every=5,
                clip=1.0,
                learning_rate=rate,
                warm_up=0.02,
                weight_decay=0.01,
                beta2=0.99,
                dropout=dropout,
                weight_drop=weight_drop,
            ),
            budget=BudgetConfig(minutes=minutes),
            seed=1,
            precision="float32",
        )

    @pytest.mark.parametrize(
        ("kind", "hidden"), [("cpu", {96, 160, 224, 320}), ("cuda", set())]
    )
    def test_rungs_of_a_gpu(self, kind, hidden):
        """There hidden units are multiples of 128, as the persistent kernels want."""
        unit = default_unit(Machine(torch.device(kind), 1))
        rungs = {size_for(10.0**power, 4, unit)[1] for power in np.arange(4, 8, 0.05)}

        assert {rung for rung in rungs if rung % 128} == hidden | (
            {192} if kind == "cpu" else set()
        )
