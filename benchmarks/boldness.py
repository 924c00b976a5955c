"""
What temperature and masks do to a text: how many words are words, how various it is.

    python benchmarks/boldness.py MODEL TEXT

Words: the share of the words written that stand somewhere in the text. Various: how
many different words there are among the first 5,000 of all samples. Copied: the share
of characters inside runs of 30 or more that stand in the text just so.
"""

import argparse
import re
from pathlib import Path

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.runs.find import resolve_checkpoint
from lstm_textgen.sampling.writer import Writer

SETTINGS = (
    *(SampleConfig(temperature=t) for t in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
    *(SampleConfig(temperature=1.0, min_p=p) for p in (0.02, 0.05, 0.1)),
    *(SampleConfig(temperature=1.0, top_p=p) for p in (0.98, 0.95, 0.9)),
    SampleConfig(temperature=0.8, min_p=0.02),
)
SAMPLES, LENGTH, RUN = 32, 1000, 30
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def copied(text: str, source: str) -> float:
    """Share of the characters that lie in a run which *source* has too."""
    inside = [False] * len(text)
    for start in range(len(text) - RUN + 1):
        if text[start : start + RUN] in source:
            inside[start : start + RUN] = [True] * RUN
    return sum(inside) / len(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("text", type=Path)
    arguments = parser.parse_args()
    writer = Writer.load(resolve_checkpoint(arguments.model))
    source = arguments.text.read_text(encoding="utf-8")
    known = set(WORD.findall(source))
    prompt, form = writer.read([]), FormConfig(length=LENGTH)
    print("| setting | words | various | nats a character | copied |")
    print("|---|---|---|---|---|")
    for config in SETTINGS:
        samples = list(writer.samples(prompt, config, form, numbers=range(SAMPLES)))
        # the first and the last word of a sample may be cut
        words = [w for sample in samples for w in WORD.findall(sample.text)[1:-1]]
        share = sum(word in known for word in words) / len(words)
        nats = sum(sample.nats for sample in samples) / (SAMPLES * LENGTH)
        same = sum(copied(sample.text, source) for sample in samples) / SAMPLES
        name = f"temperature {config.temperature:g}"
        name += f", min-p {config.min_p:g}" if config.min_p else ""
        name += f", top-p {config.top_p:g}" if config.top_p < 1 else ""
        print(
            f"| {name} | {share:.1%} | {len(set(words[:5000])):,} | {nats:.2f} "
            f"| {same:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
