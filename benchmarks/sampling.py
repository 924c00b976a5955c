"""
Sampling speed: one stream and many, beside a loop that calls the module.

    python benchmarks/sampling.py

All figures of a row come from one run. The bound is what a core could do that only
reads the bytes of the weights: measured with a dot product over as many bytes.
"""

import argparse
import copy
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.config import ModelConfig, SampleConfig
from lstm_textgen.evaluation.part import read_part
from lstm_textgen.evaluation.perplexity import exact_loss
from lstm_textgen.model.machine import Machine, choose_machine
from lstm_textgen.model.matrix_speed import matrix_rate
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.weights import build_model
from lstm_textgen.paths import bundled_folder
from lstm_textgen.sampling.backend import Backend, choose_backend
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.generate import generate, read_prompt
from lstm_textgen.text.source import find_source

VOCABULARY = 65
SIZES = ((2, 128), (2, 256), (2, 512), (3, 1024))
COLUMNS = (
    "model",
    "module",
    "plain",
    "fast",
    "times",
    "bound",
    "share",
    "int8",
    "share",
)
WIDTHS = (14, 9, 9, 9, 8, 9, 8, 9, 8)


def rate(steps: Iterator[object], samples: int, seconds: float) -> float:
    """Characters a second of an iterator, after a few steps to warm up."""
    for _ in itertools.islice(steps, 3 if samples > 1 else 100):
        pass
    count, began_s = 0, time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        for _ in itertools.islice(steps, 1 if samples > 1 else 64):
            count += samples
    return count / (time.perf_counter() - began_s)


def ours(backend: Backend[Any], samples: int = 1) -> Iterator[object]:
    prompt = read_prompt(backend, [np.zeros(1, np.int64)])
    return generate(backend, prompt, SampleConfig(), samples=range(samples))


@torch.inference_mode()
def module_loop(model: CharModel) -> Iterator[object]:
    state, ids = model.initial_state(1), torch.zeros(1, 1, dtype=torch.int64)
    while True:
        logits, state = model(ids, state)
        ids = torch.multinomial(logits[0].softmax(-1), 1)
        yield ids


def bytes_read(model: CharModel) -> int:
    """Weights that a step reads: layers without the first one's inputs, and head."""
    first = model.layers[0].get_parameter("weight_ih_l0").numel()
    everything = sum(p.numel() for p in model.layers.parameters()) - first
    return 4 * (everything + model.head.weight.numel())


def bandwidth(size_bytes: int, seconds: float = 0.5) -> float:
    """Bytes a second that one core reads again and again."""
    numbers = np.ones(size_bytes // 4, np.float32)
    np.dot(numbers, numbers)
    count, began_s = 0, time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        np.dot(numbers, numbers)
        count += 1
    return count * size_bytes / (time.perf_counter() - began_s)


def row(*cells: str) -> None:
    print("".join(f"{c:>{w}}" for c, w in zip(cells, WIDTHS, strict=True)), flush=True)


def module_speed(model: CharModel, threads: int, seconds: float) -> float:
    """Characters a second of the loop over the module, by the better of 1 and all."""
    best = 0.0
    for count in (1, threads, 1, threads):
        torch.set_num_threads(count)
        best = max(best, rate(module_loop(model), 1, seconds / 2))
    return best


def one_stream(layers: int, hidden: int, threads: int, seconds: float) -> float:
    """
    One size, one stream: module, plain step, machine code, the same in 8 bits.

    Returns:
        Characters a second of the loop over the module.
    """
    model = CharModel(ModelConfig(layers=layers, hidden=hidden), VOCABULARY)
    model.requires_grad_(False)
    slow = module_speed(model, threads, seconds)
    torch.set_num_threads(1)
    plain = rate(ours(BatchedBackend(model)), 1, seconds)
    size = bytes_read(model)
    bound = bandwidth(size) / size
    cells = [f"{slow:,.0f}", f"{plain:,.0f}"]
    fast, small = plain, 0.0
    if find_spec("numba"):
        fast = rate(ours(choose_backend(model, characters=10**9)), 1, seconds)
        small = rate(ours(choose_backend(model, precision="int8")), 1, seconds)
    cells += [f"{fast:,.0f}", f"{fast / slow:.1f}", f"{bound:,.0f}"]
    cells += [f"{fast / bound:.0%}", f"{small:,.0f}", f"{small / bound:.0%}"]
    row(f"lstm {layers}x{hidden}", *cells)
    return slow


def precisions(plain: Machine) -> list[Machine]:
    """
    In float32, and in bfloat16 where its products are faster here.

    Where they are not, a line says so, with both rates.
    """
    half = replace(plain, dtype=torch.bfloat16)
    plain_rate, half_rate = (matrix_rate(each, seconds=0.5) for each in (plain, half))
    if half_rate > plain_rate:
        return [plain, half]
    print(
        f"no rows in bfloat16: its products run at {half_rate / 1e9:,.1f} GFLOP/s "
        f"here, those in float32 at {plain_rate / 1e9:,.1f}"
    )
    return [plain]


def many_streams(
    layers: int, hidden: int, alone: float, machine: Machine, seconds: float
) -> None:
    """
    One size and type, 64 and 512 streams: speed, times one stream, share of the
    products in that type.
    """
    torch.set_num_threads(machine.threads)
    model = CharModel(ModelConfig(layers=layers, hidden=hidden), VOCABULARY)
    model.requires_grad_(False)
    products = matrix_rate(machine, seconds=0.5)
    backend = BatchedBackend(model, products=machine.dtype)
    precision = str(machine.dtype).removeprefix("torch.")
    for samples in (64, 512):
        speed = rate(ours(backend, samples), samples, seconds)
        share = speed * bytes_read(model) / 4 * 2 / products
        print(
            f"{f'lstm {layers}x{hidden}':>14}{precision:>10}{samples:>9}"
            f"{speed:>12,.0f}{speed / alone:>10.1f}{share:>8.0%}",
            flush=True,
        )


def on_gpu(layers: int, hidden: int, machine: Machine, seconds: float) -> None:
    """One size on a GPU: the plain step and the captured one, 1 to 512 streams."""
    model = CharModel(ModelConfig(layers=layers, hidden=hidden), VOCABULARY)
    model.requires_grad_(False).to(machine.device)
    for samples in (1, 64, 512):
        plain, graph = (
            rate(ours(make(model), samples), samples, seconds)
            for make in (BatchedBackend, choose_backend)
        )
        name = f"lstm {layers}x{hidden}"
        print(f"{name:>14}{samples:>9}{plain:>12,.0f}{graph:>12,.0f}", flush=True)


def cost_of_eight_bits() -> None:
    """What rounding the weights costs the bundled fables on their held-out part."""
    from lstm_textgen.sampling.compiled import round_weights

    checkpoint = load_checkpoint(bundled_folder("checkpoints") / "fables.safetensors")
    source = find_source([str(bundled_folder("corpora") / "fables.txt")])
    ids = read_part(checkpoint.tokenizer, checkpoint.training, source, "validation")
    model = build_model(checkpoint)
    exact = exact_loss(model, ids).nats_per_char
    rounded = exact_loss(round_weights(copy.deepcopy(model)), ids).nats_per_char
    print(
        f"fables, held-out part: {exact:.4f} nats a character, "
        f"{rounded - exact:+.4f} with weights in 8 bits"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    machine = choose_machine(arguments.device)
    if machine.device.type == "cuda":
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, float32")
        print("characters a second: model, streams, plain step, captured graph")
        for size in SIZES:
            on_gpu(*size, machine, arguments.seconds)
        return
    threads = machine.threads
    print(f"torch {torch.__version__}, {threads} threads for several streams")
    print("one stream, float32, characters a second:")
    row(*COLUMNS)
    alone = {size: one_stream(*size, threads, arguments.seconds) for size in SIZES}
    print("several streams (times one stream of the module; share of matrix products):")
    torch.set_num_threads(threads)
    for size, typed in itertools.product(SIZES, precisions(machine)):
        many_streams(*size, alone[size], typed, arguments.seconds)
    if find_spec("numba"):
        cost_of_eight_bits()


if __name__ == "__main__":
    main()
