"""How long `textgen --help` and the first drawn character take, as a person waits."""

import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 5


def seconds(command: list[str], first_byte: bool = False) -> float:
    """Wall-clock time until a command ends, or until it has written something."""
    began_s = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "lstm_textgen", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1 if first_byte else -1)
        spent_s = time.perf_counter() - began_s
        process.stdout.read()
    return spent_s


def report(what: str, command: list[str], first_byte: bool = False) -> None:
    seconds(command, first_byte)  # fills the disk cache
    spent = [seconds(command, first_byte) for _ in range(RUNS)]
    print(f"{what:28} {statistics.median(spent):.2f} s (best {min(spent):.2f} s)")


def main() -> None:
    report("textgen --help", ["--help"])
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        train = ["train", "fables", "-q", "--steps", "1", "--preset", "small"]
        seconds([*train, "-o", run])
        report("first character of a sample", ["sample", run, "-n", "1"], True)


if __name__ == "__main__":
    main()
