"""An inspection to show."""

import numpy as np
import pytest

from lstm_textgen.config import ModelConfig
from lstm_textgen.inspect.gates import CELL_SIGNALS
from lstm_textgen.inspect.inspection import Habits, Inspection, Trace
from lstm_textgen.inspect.probes import Finding


@pytest.fixture(scope="session")
def make_inspection():
    """An inspection whose arrays are made up: waves with noise."""

    def build(text, *, cell="lstm", layers=1, hidden=4, id_names=None, properties=()):
        count, rng = len(text), np.random.default_rng(1)
        id_names = tuple(id_names or sorted(set(text)))
        period = rng.uniform(6, 600, hidden).astype("f4")
        wave = np.sin(6.28 * np.arange(count, dtype="f4")[:, None] / period)
        wave += 0.1 * rng.standard_normal((count, hidden), np.float32)
        wave = wave.clip(-1, 1)
        kinds = {"share": (wave + 1) / 2, "memory": 3 * wave, "signed": wave}
        kinds = {kind: values.astype("f2") for kind, values in kinds.items()}
        layers_signals, habits = [], []
        for depth in range(layers):
            signals = {}
            for turn, name in enumerate(CELL_SIGNALS[cell].names):
                kind = "share" if name in CELL_SIGNALS[cell].gates else "signed"
                kind = "memory" if name == "memory" else kind
                moved = (17 * depth, turn + 5 * depth)
                signals[name] = np.roll(kinds[kind], moved, axis=(0, 1))
            layers_signals.append(signals)
            shares = {
                gate: rng.uniform(0, 0.5, hidden) for gate in CELL_SIGNALS[cell].gates
            }
            lives = rng.uniform(0, 99, hidden) if shares else None
            habits.append(Habits(shares, shares, lives))
        guesses = rng.integers(0, len(id_names), (count, min(5, len(id_names))))
        probs = np.sort(rng.dirichlet(np.ones(9), count)[:, : guesses.shape[1]])
        bits = rng.exponential(2, count)
        bits[0] = np.nan
        trace = Trace(
            cell, tuple(layers_signals), bits, guesses, probs[:, ::-1], tuple(habits)
        )
        units = layers * hidden
        findings = tuple(
            Finding(
                name,
                share=0.3,
                auc=rng.uniform(0.05, 0.95, units),
                null=np.full(units, 0.5),
                best_by_shift=np.full(100, 0.8),
            )
            for name in properties
        )
        model = ModelConfig(cell=cell, layers=layers, hidden=hidden)
        return Inspection(text, model, id_names, trace, findings)

    return build
