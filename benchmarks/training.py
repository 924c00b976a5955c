"""Training speed of each size and cell, beside a plain loop over `nn.LSTM`."""

import time

import torch
from torch import nn
from torch.nn import functional

from lstm_textgen.config import Cell, ModelConfig, OptimizerConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.training.machine import (
    Machine,
    choose_machine,
    choose_precision,
    matrix_rate,
)

VOCABULARY = 65
SECONDS = 3.0
SIZES: tuple[tuple[Cell, int, int], ...] = (
    *(("lstm", layers, hidden) for layers, hidden in ((1, 320), (2, 192), (2, 256))),
    *(("lstm", layers, hidden) for layers, hidden in ((2, 512), (3, 512))),
    *(("gru", 2, 256), ("rnn", 2, 256)),
)


def plain_loop(layers: int, hidden: int, config: OptimizerConfig) -> float:
    """Characters a second of the loop that one would write first, in float32."""
    embedding, head = nn.Embedding(VOCABULARY, 64), nn.Linear(hidden, VOCABULARY)
    lstm = nn.LSTM(64, hidden, num_layers=layers)
    parameters = [p for m in (embedding, lstm, head) for p in m.parameters()]
    optimizer = torch.optim.AdamW(parameters)
    ids = torch.zeros(config.window, config.streams, dtype=torch.int64)
    steps, began_s = -1, time.perf_counter()
    while steps < 1 or time.perf_counter() - began_s < SECONDS:
        logits = head(lstm(embedding(ids))[0])
        loss = functional.cross_entropy(logits.flatten(0, 1), ids.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
        if steps == 0:
            began_s = time.perf_counter()
    return steps * ids.numel() / (time.perf_counter() - began_s)


def main() -> None:
    machine = choose_machine()
    config = OptimizerConfig()
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    for dtype in (torch.float32, torch.bfloat16):
        typed = Machine(machine.device, machine.threads, dtype)
        rate = matrix_rate(typed, seconds=1.0, size=1024)
        print(f"{dtype} products: {rate / 1e9:,.1f} GFLOP/s")
    print(f"{config.streams} streams, window {config.window}, characters a second:")
    print(f"{'model':16}{'ours':>10}{'precision':>12}{'GFLOP/s':>10}{'plain loop':>12}")
    for cell, layers, hidden in SIZES:
        model = CharModel(
            ModelConfig(cell=cell, layers=layers, hidden=hidden), VOCABULARY
        ).to(machine.device)
        chosen, speed = choose_precision(machine, "auto", model, config)
        rate = 6 * model.parameter_count() * speed / 1e9
        plain = f"{plain_loop(layers, hidden, config):12,.0f}" if cell == "lstm" else ""
        name = f"{cell} {layers}x{hidden}"
        precision = str(chosen.dtype).removeprefix("torch.")
        print(f"{name:16}{speed:10,.0f}{precision:>12}{rate:10,.0f}{plain}", flush=True)


if __name__ == "__main__":
    main()
