"""
Draw the examples of `docs/sampling.md` anew.

    python docs/redraw.py

An example is a block that begins with `$ textgen ...`; what follows is its output.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("sampling.md")
BLOCK = re.compile(
    r"```console\n\$ textgen (?P<words>[^\n]*)\n(?P<output>.*?)```", re.DOTALL
)


def examples(page: str) -> list[tuple[list[str], str]]:
    """The words after `textgen` and the output of each example."""
    return [
        (shlex.split(block["words"]), block["output"]) for block in BLOCK.finditer(page)
    ]


def drawn(block: re.Match[str]) -> str:
    """The same block with what the command says now."""
    done = subprocess.run(
        [sys.executable, "-m", "lstm_textgen", *shlex.split(block["words"])],
        check=True,
        capture_output=True,
        text=True,
    )
    return f"```console\n$ textgen {block['words']}\n{done.stdout}```"


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(drawn, before), encoding="utf-8")
