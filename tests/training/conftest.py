"""Tiny trainers and whole runs on a small text, everything about them explicit."""

import numpy as np
import pytest
import torch

from lstm_textgen.config import BudgetConfig, ModelConfig, OptimizerConfig, TrainConfig
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.text.source import find_source
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.events import StepDone
from lstm_textgen.training.loop import Trainer
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.schedule import Meter
from lstm_textgen.training.start import open_session, prepare

CPU = Machine(torch.device("cpu"), 1)


def _ids(characters, vocabulary, seed=7):
    """Ids with something to learn: each is most often followed by the next one."""
    random = np.random.RandomState(seed)  # this one is frozen over versions
    jumps = np.where(random.rand(characters) < 0.7, 1, random.randint(0, 9, characters))
    return (np.cumsum(jumps) % vocabulary).astype(np.uint8)


@pytest.fixture(scope="session")
def make_ids():
    return _ids


@pytest.fixture(scope="session")
def make_trainer():
    """Build a trainer; what is not given is tiny."""

    def make(
        *,
        ids=None,
        held_out=None,
        cell="lstm",
        layers=2,
        hidden=6,
        vocabulary=7,
        steps=6,
        seed=3,
        dtype=torch.float32,
        sample=10_000,
        clock=None,
        **optimizer,
    ):
        batch = {"streams": 3, "window": 5, "learning_rate": 0.02} | optimizer
        config = TrainConfig(
            model=ModelConfig(cell=cell, layers=layers, hidden=hidden, embedding=4),
            optimizer=OptimizerConfig(**batch),
            budget=BudgetConfig(steps=steps),
            seed=seed,
            precision="float32",
        )
        streams = Streams(
            ids=_ids(40, vocabulary) if ids is None else ids,
            streams=config.optimizer.streams,
            window=config.optimizer.window,
            seed=seed,
        )
        model = CharModel(config.model, vocabulary)
        initialize(model, torch.Generator().manual_seed(seed))
        options = {"clock": clock} if clock else {}
        return Trainer(
            model.to(dtype),
            streams,
            _ids(30, vocabulary, seed=8) if held_out is None else held_out,
            config,
            machine=CPU,
            meter=Meter(
                config.budget,
                ticks=streams.ticks,
                started_s=0.0,
                **options,
            ),
            sample=sample,
        )

    return make


@pytest.fixture
def every_step(monkeypatch):
    """Report the loss of every step, however short it was."""
    monkeypatch.setattr("lstm_textgen.training.loop.REPORT_EVERY_S", 0.0)


@pytest.fixture
def seldom(monkeypatch):
    """Report losses only where an evaluation or the end asks for them."""
    monkeypatch.setattr("lstm_textgen.training.loop.REPORT_EVERY_S", 1e9)


@pytest.fixture
def machine(monkeypatch):
    """One thread in float32; no probes, few evaluations and previews of few words."""
    monkeypatch.setattr("lstm_textgen.training.loop.EVALUATIONS", 5)
    monkeypatch.setattr("lstm_textgen.training.session.PREVIEW_LENGTH", 3)
    for speed in (
        "speed.training_speed",
        "plan.reading_speed",
    ):
        monkeypatch.setattr(f"lstm_textgen.training.{speed}", lambda *args: 1e5)
    return CPU


@pytest.fixture
def make_source(tmp_path, monkeypatch):
    """Write a text; runs go below the same folder, and so does the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))

    def write(name, text):
        path = tmp_path / f"{name}.txt"
        path.write_text(text, encoding="utf-8", newline="")
        return find_source([str(path)])

    return write


@pytest.fixture
def make_wishes():
    """Wishes that leave nothing to the plan; 10 steps unless told."""

    def make(*, optimizer=None, minutes=None, steps=10, learning_rate=0.02, **groups):
        batch = {"streams": 3, "window": 5, "dropout": 0.0, "patience": 1.0}
        return Overrides(
            optimizer=batch | {"learning_rate": learning_rate} | (optimizer or {}),
            budget=BudgetConfig(
                minutes=minutes, steps=steps if minutes is None else None
            ),
            **{
                "model": {"hidden": 6, "layers": 2, "embedding": 4},
                "run": {"seed": 4, "precision": "float32"},
                **groups,
            },
        )

    return make


@pytest.fixture
def train(machine):
    """Prepare and run; stop politely after step *stop*, if one is given."""

    def run(source, wishes, *, stop=None, save_every_s=1e9, **options):
        prepared = prepare(source, wishes, machine, **options)
        with open_session(prepared, started_s=0.0, save_every_s=save_every_s) as (
            session,
            _,
        ):
            events = []
            for event in session.run():
                events.append(event)
                if isinstance(event, StepDone) and event.step == stop:
                    session.trainer.stop("interrupted")
        return prepared, events

    return run
