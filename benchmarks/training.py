"""
Training speed of each size and cell, beside a plain loop over `nn.LSTM`.

    python benchmarks/training.py                     the CPU, or a GPU if there is one
    python benchmarks/training.py --device cuda --streams 128 --window 256
"""

import argparse
import os
import time

from lstm_textgen.cli import SPINS

os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is imported

import torch
from torch import nn
from torch.nn import functional

from lstm_textgen.config import Cell, ModelConfig, OptimizerConfig
from lstm_textgen.model.machine import Machine, choose_machine
from lstm_textgen.model.matrix_speed import matrix_rate
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.plan import default_window
from lstm_textgen.training.speed import choose_precision, training_speed

VOCABULARY = 65
SECONDS = 3.0
SIZES: tuple[tuple[Cell, int, int], ...] = (
    *(("lstm", layers, hidden) for layers, hidden in ((2, 128), (2, 256), (2, 512))),
    *(("lstm", layers, hidden) for layers, hidden in ((3, 512), (2, 1024))),
    *(("gru", 2, 256), ("rnn", 2, 256)),
)
LONG = 1_000_000
"""Characters of a text that is long enough for any window."""

COLUMNS = {
    "model": 14,
    "streams": 9,
    "window": 8,
    "precision": 10,
    "ours": 12,
    "share": 8,
    "plain loop": 12,
    "ratio": 8,
}
"""How wide each is."""


def plain_loop(
    cell: Cell, layers: int, hidden: int, config: OptimizerConfig, device: torch.device
) -> float:
    """Characters a second of the loop that one would write first, in float32."""
    module = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
    embedding, head = nn.Embedding(VOCABULARY, 64), nn.Linear(hidden, VOCABULARY)
    recurrent = module(64, hidden, num_layers=layers)
    parts = [part.to(device) for part in (embedding, recurrent, head)]
    parameters = [p for part in parts for p in part.parameters()]
    optimizer = torch.optim.AdamW(parameters)
    shape = config.window, config.streams
    ids = torch.zeros(shape, dtype=torch.int64, device=device)
    steps, began_s = -1, time.perf_counter()
    while steps < 1 or time.perf_counter() - began_s < SECONDS:
        logits = head(recurrent(embedding(ids))[0])
        loss = functional.cross_entropy(logits.flatten(0, 1), ids.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        steps += 1
        if steps == 0:
            began_s = time.perf_counter()
    return steps * ids.numel() / (time.perf_counter() - began_s)


def row(*cells: str) -> None:
    """Print one line of the table."""
    widths = COLUMNS.values()
    print("".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)), flush=True)


def measure(
    cell: Cell, layers: int, hidden: int, machine: Machine, config: OptimizerConfig
) -> None:
    """One size: our speed, its share of the rate of products, the plain loop."""
    settings = ModelConfig(cell=cell, layers=layers, hidden=hidden)
    model = CharModel(settings, VOCABULARY).to(machine.device)
    chosen, _ = choose_precision(machine, "auto", model, config)
    speed = training_speed(chosen, model, config, SECONDS)
    best = max(
        matrix_rate(
            Machine(machine.device, machine.threads, dtype),
            seconds=0.3,
            size=_products(machine),
        )
        for dtype in (torch.float32, chosen.dtype)
    )
    weights = model.parameter_count() - model.embedding.weight.numel()
    plain = plain_loop(cell, layers, hidden, config, machine.device)
    row(
        f"{cell} {layers}x{hidden}",
        str(config.streams),
        str(config.window),
        str(chosen.dtype).removeprefix("torch."),
        f"{speed:,.0f}",
        f"{6 * weights * speed / best:.0%}",
        f"{plain:,.0f}",
        f"{speed / plain:.2f}",
    )


def _products(machine: Machine) -> int:
    """Rows of a product that keeps the machine busy."""
    return 512 if machine.device.type == "cpu" else 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--streams", type=int, nargs="+", default=[64, 16])
    parser.add_argument("--window", type=int, help="default: that of the recipe")
    arguments = parser.parse_args()
    machine = choose_machine(arguments.device)
    print(f"torch {torch.__version__}, {machine.describe()}")
    for dtype in (torch.float32, torch.bfloat16):
        typed = Machine(machine.device, machine.threads, dtype)
        size = _products(machine)
        rate = matrix_rate(typed, seconds=1.0, size=size)
        print(f"products of {size} in {dtype}: {rate / 1e9:,.1f} GFLOP/s")
    print("characters a second:")
    row(*COLUMNS)
    for streams in arguments.streams:
        for cell, layers, hidden in SIZES:
            window = arguments.window or default_window(64, hidden, LONG)
            config = OptimizerConfig(streams=streams, window=window)
            measure(cell, layers, hidden, machine, config)


if __name__ == "__main__":
    main()
