"""
The loss that a budget reaches, by both protocols: the real commands, several seeds.

    python benchmarks/quality.py tinyshakespeare.txt --minutes 2 --seeds 1 2 3

Stateful: one pass over the held-out part, every character counted once. Windowed: the
mean over windows of 256 characters, each read without what stands before it, as nanoGPT
prints it; it draws some at random, and here one begins at every 16th place, which is
close to what the mean of ever more random ones comes to. From zeros: the same without
the learned initial state.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.evaluation.part import read_part
from lstm_textgen.evaluation.perplexity import count_target_characters, summed_loss
from lstm_textgen.model.weights import build_model
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.text.source import find_source

WINDOW = 256
EVERY = 16
BATCH = 64


def command(*words: str) -> dict[str, Any]:
    """What a command of textgen says with --json."""
    run = subprocess.run(
        [sys.executable, "-m", "lstm_textgen", *words, "--json"],
        check=True,
        stdout=subprocess.PIPE,
    )
    result: dict[str, Any] = json.loads(run.stdout)
    return result


@torch.inference_mode()
def windowed(model_path: Path, corpus: str, *, zeros: bool = False) -> float:
    """
    Nats per character over windows of the held-out part, without context.

    Not a number where that part is shorter than a window.
    """
    checkpoint = load_checkpoint(model_path)
    model = build_model(checkpoint)
    if zeros and model.config.initial_state == "learned":
        for memory in model.initial.parameters():
            memory.zero_()
    source = find_source(resolve_names([corpus]))
    ids = read_part(checkpoint.tokenizer, checkpoint.training, source, "validation")
    places = np.arange(0, len(ids) - WINDOW, EVERY)
    total = Loss(0.0, 0)
    for starts in np.split(places, range(BATCH, len(places), BATCH)):
        read = ids[starts + np.arange(WINDOW + 1)[:, None]].astype(np.int64)
        window = torch.from_numpy(read)
        logits, _ = model(window[:-1], model.initial_state(len(starts)))
        count = count_target_characters(read[1:], checkpoint.tokenizer.begins)
        total += Loss(summed_loss(logits, window[1:]).item(), count)
    return total.nats_per_char


def measure(corpus: str, minutes: float, seed: int, folder: Path, more: list[str]):  # type: ignore[no-untyped-def]
    """Train with one seed, and judge what came of it."""
    run = folder / f"seed{seed}"
    settings = ("--minutes", str(minutes), "--seed", str(seed), *more)
    trained = command("train", corpus, "-o", str(run), *settings)
    judged = command("evaluate", str(run), corpus, "--split", "validation")
    path = run / "model.safetensors"
    model = load_checkpoint(path).model
    cold, empty = windowed(path, corpus), windowed(path, corpus, zeros=True)
    print(
        f"| {seed} | {model.cell} {model.layers}x{model.hidden} "
        f"| {trained['epochs']:.2f} | {trained['characters_per_second']:,.0f} "
        f"| {trained['elapsed_s']:.0f} s | {judged['nats_per_char']:.4f} "
        f"| {cold:.4f} | {empty:.4f} |",
        flush=True,
    )
    return judged["nats_per_char"], cold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", nargs="?", default="tinyshakespeare")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--keep", type=Path, help="a folder for the runs")
    arguments, more = parser.parse_known_args()
    print(f"{arguments.corpus}, {arguments.minutes:g} minutes {' '.join(more)}")
    columns = "seed | model | epochs | characters/s | took | stateful | windowed"
    print(f"| {columns} | from zeros |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        losses = [
            measure(arguments.corpus, arguments.minutes, seed, folder, more)
            for seed in arguments.seeds
        ]
    if len(losses) > 1:
        for name, column in zip(
            ("stateful", "windowed"), zip(*losses, strict=True), strict=True
        ):
            spread = statistics.stdev(column)
            print(f"{name}: mean {statistics.mean(column):.4f}, deviation {spread:.4f}")


if __name__ == "__main__":
    main()
