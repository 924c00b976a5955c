"""Sampling speed of one stream, beside a loop that calls the module per character."""

import itertools
import time
from collections.abc import Iterator

import torch

from lstm_textgen.config import ModelConfig, SampleConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.sampling.engine import generate, read_prompt
from lstm_textgen.sampling.fast import FastStepper

VOCABULARY = 65
SECONDS = 2.0


def rate(steps: Iterator[object]) -> float:
    """How many items a second an iterator gives, after a few to warm up."""
    for _ in itertools.islice(steps, 50):
        pass
    count, began_s = 0, time.perf_counter()
    while time.perf_counter() - began_s < SECONDS:
        next(steps)
        count += 1
    return count / (time.perf_counter() - began_s)


def ours(model: CharModel) -> Iterator[object]:
    ids = torch.zeros(1, dtype=torch.int64).numpy().astype("uint8")
    logits, state = read_prompt(model, ids)
    return generate(FastStepper(model), logits, state, SampleConfig())


@torch.inference_mode()
def module_loop(model: CharModel) -> Iterator[object]:
    state, ids = model.zero_state(1), torch.zeros(1, 1, dtype=torch.int64)
    while True:
        logits, state = model(ids, state)
        ids = torch.multinomial(logits[0].softmax(-1), 1)
        yield ids


def main() -> None:
    torch.set_num_threads(1)
    print("one stream, one thread, float32, characters a second:")
    print(f"{'model':14}{'textgen':>10}{'module per character':>24}")
    for layers, hidden in ((1, 320), (2, 192), (2, 256), (2, 512)):
        model = CharModel(ModelConfig(layers=layers, hidden=hidden), VOCABULARY)
        model.requires_grad_(False)
        fast, slow = rate(ours(model)), rate(module_loop(model))
        print(f"lstm {layers}x{hidden:<8}{fast:10,.0f}{slow:24,.0f}", flush=True)


if __name__ == "__main__":
    main()
