"""
Generate the texts in `docs/sampling.md` and `docs/how-it-works*.md` again.

    python docs/redraw.py

In the former an example is a block that begins with `$ textgen ...`, and what follows
is its output. In the latter three blocks are one sample: without a clamp, with the
forget gates shut, and with them open.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLE = re.compile(
    r"```console\n\$ textgen (?P<words>[^\n]*)\n(?P<output>.*?)```", re.DOTALL
)
SAMPLE = re.compile(r"```text\n.*?\n```", re.DOTALL)
SAMPLE_WORDS = ["inspect", "shakespeare", "--sample", "150", "--seed", "1", "--json"]


def examples(page: str) -> list[tuple[list[str], str]]:
    """The words after `textgen` and the output of each example."""
    return [
        (shlex.split(match["words"]), match["output"])
        for match in EXAMPLE.finditer(page)
    ]


def textgen(words: list[str]) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "lstm_textgen", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def redraw_example(match: re.Match[str]) -> str:
    output = textgen(shlex.split(match["words"]))
    return f"```console\n$ textgen {match['words']}\n{output}```"


def gate_samples() -> list[str]:
    """The sample without a clamp, with the forget gates shut, and with them open."""
    shut, open_ = (
        json.loads(textgen([*SAMPLE_WORDS, "-p", "ROMEO:\n", "--clamp", clamp]))
        for clamp in ("forget=0", "forget=1")
    )
    return [shut["unclamped"], shut["text"], open_["text"]]


def main() -> None:
    page = DOCS / "sampling.md"
    text = EXAMPLE.sub(redraw_example, page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")
    samples = gate_samples()
    for page in DOCS.glob("how-it-works*.md"):
        blocks = iter(samples)
        text = SAMPLE.sub(
            lambda _: "```text\n" + next(blocks).rstrip("\n") + "\n```",  # noqa: B023
            page.read_text(encoding="utf-8"),
        )
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
