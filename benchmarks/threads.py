"""
What threads bring: characters a second of training steps, by size and threads.

    python benchmarks/threads.py

All threads that a run would begin with, half of them, and so on, in float32. They take
turns, so that an hour in which others use the machine counts for all of them; medians
over the turns.
"""

import argparse
import os
from statistics import median

from lstm_textgen.cli import SPINS

os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is imported

from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.model.machine import choose_machine
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.plan import default_window
from lstm_textgen.training.speed import training_speed

VOCABULARY = 65
SIZES = ((1, 64), (2, 96), (2, 160), (2, 224), (2, 384))
LONG = 1_000_000
"""Characters of a text that is long enough for any window."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--turns", type=int, default=9)
    turns = parser.parse_args().turns
    counts = [choose_machine("cpu").threads]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    heads = " | ".join(f"{n} thread{'s' * (n > 1)}" for n in counts)
    print(f"| model | {heads} |\n|---|{'---|' * len(counts)}")
    for layers, hidden in SIZES:
        model = CharModel(ModelConfig(layers=layers, hidden=hidden), VOCABULARY)
        config = OptimizerConfig(window=default_window(64, hidden, LONG))
        measured: list[list[float]] = [[] for _ in counts]
        for _ in range(turns):
            for speeds, count in zip(measured, counts, strict=True):
                machine = choose_machine("cpu", count)
                speeds.append(training_speed(machine, model, config))
        cells = " | ".join(f"{median(speeds):,.0f}" for speeds in measured)
        print(f"| {layers}x{hidden} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
