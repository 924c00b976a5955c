"""
What threads bring: characters a second of training steps, by size and threads.

    python benchmarks/threads.py

All usable cores, half of them, and so on. The numbers of threads take turns, so that an
hour in which others use the machine counts for all of them; medians over the turns.
"""

import argparse
import os
from statistics import median

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command sets it

from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.machine import choose_machine, usable_cores
from lstm_textgen.training.recipe import default_batch
from lstm_textgen.training.speed import training_speed

VOCABULARY = 65
SIZES = ((1, 64), (2, 96), (2, 160), (2, 224), (2, 384))
SECONDS = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--turns", type=int, default=9)
    turns = parser.parse_args().turns
    counts = [usable_cores()]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    config = OptimizerConfig(**default_batch(choose_machine("cpu")))
    heads = " | ".join(f"{n} thread{'s' * (n > 1)}" for n in counts)
    print(f"| model | {heads} |\n|---|{'---|' * len(counts)}")
    for layers, hidden in SIZES:
        model = CharModel(ModelConfig(layers=layers, hidden=hidden), VOCABULARY)
        measured: list[list[float]] = [[] for _ in counts]
        for _ in range(turns):
            for speeds, count in zip(measured, counts, strict=True):
                machine = choose_machine("cpu", count)
                speeds.append(training_speed(machine, model, config, SECONDS))
        cells = " | ".join(f"{median(speeds):,.0f}" for speeds in measured)
        print(f"| {layers}x{hidden} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
