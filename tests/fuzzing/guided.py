"""
The same promises for files that are found by what they reach in the reader.

    python -m tests.fuzzing.guided -runs=100000

Needs atheris, and takes the options of libFuzzer. Ends with an error at the first
promise that is broken, and leaves the file in the current folder.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["lstm_textgen.checkpoint", "lstm_textgen.config", "lstm_textgen.text"]
):
    from tests.fuzzing.bases import good_files
    from tests.fuzzing.mutations import mutated
    from tests.fuzzing.oracle import judge

LONGEST = 20_000
"""Bytes of a file that is tried."""


def changed(data: bytes, most: int, seed: int) -> bytes:
    """A file near *data*: by changes that know the format, else by any."""
    try:
        found, _ = mutated([data], seed, 0)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        found = atheris.Mutate(data, most)  # it is no container any more
    return found[:most]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        beginnings = Path(folder) / "good"
        beginnings.mkdir()
        for number, data in enumerate(good_files()):
            (beginnings / str(number)).write_bytes(data)
        path = Path(folder) / "mutated.safetensors"
        words = [*sys.argv, f"-max_len={LONGEST}", "-timeout=20", str(beginnings)]

        def try_one(data: bytes) -> None:
            judge(path, data)

        atheris.Setup(words, try_one, custom_mutator=changed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
