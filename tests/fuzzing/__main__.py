"""
Give the reader of checkpoints many thousand files that are wrong somewhere.

    python -m tests.fuzzing 100000 --seed 1

Ends with 1 at the first promise that is broken, and leaves the file in `--keep`.
"""

import argparse
import faulthandler
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from tests.fuzzing.bases import good_files
from tests.fuzzing.mutations import mutated
from tests.fuzzing.oracle import ACCEPTED, judge, memory_limited

HANGS_S = 20
"""Seconds by the clock after which a file hangs."""


class Hang(BaseException):
    """A file took longer than `HANGS_S`."""


@dataclass
class Tally:
    """What became of the files so far."""

    began_s: float = field(default_factory=time.monotonic)
    reasons: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    """Seconds of the processor, and the number of the file."""

    def show(self, memory_bytes: int) -> None:
        """A summary on stdout."""
        count = self.reasons.total()
        refused = count - self.reasons[ACCEPTED]
        speed = count / (time.monotonic() - self.began_s)
        print(f"{count:,} files, {speed:.0f} a second")
        print(f"{self.reasons[ACCEPTED]:,} accepted, and each means what it says")
        print(f"{refused:,} refused, for {len(self.reasons) - 1} kinds of reasons:")
        for reason, times in self.reasons.most_common(26):
            if reason != ACCEPTED:
                print(f"{times:9,}  {reason}")
        seconds, number = self.slowest
        print(f"slowest: {1000 * seconds:.0f} ms of the processor, file {number}")
        print(f"memory: at most {memory_bytes / 1e6:.0f} MB above the start")
        print(f"changes: {', '.join(f'{n} {c:,}' for n, c in self.changes.items())}")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    words.add_argument("count", type=int, nargs="?", default=100_000)
    words.add_argument(
        "--seed", type=int, default=1, help="another one looks elsewhere"
    )
    words.add_argument("--first", type=int, default=0, help="number of the first file")
    words.add_argument(
        "--keep", type=Path, default=Path(), help="for a file that fails"
    )
    given = words.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _hang)
    tqdm.monitor_interval = 0  # its thread would take from the memory that is measured
    bases, tally = good_files(), Tally()
    with tempfile.TemporaryDirectory() as folder, memory_limited():
        path = Path(folder) / "mutated.safetensors"
        for base in bases:
            assert judge(path, base).reason == ACCEPTED
        start_bytes = _forget_peak()
        numbers = range(given.first, given.first + given.count)
        rarely = 0.1 if sys.stderr.isatty() else 60.0  # seconds between two lines
        for number in tqdm(numbers, unit=" files", mininterval=rarely):
            data, names = mutated(bases, given.seed, number)
            signal.setitimer(signal.ITIMER_REAL, HANGS_S)
            try:
                verdict = judge(path, data)
            except (Exception, Hang):
                kept = given.keep / f"fuzz-{given.seed}-{number}.safetensors"
                kept.write_bytes(data)
                traceback.print_exc()
                print(f"{kept} was made by {', '.join(names)}")
                return 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            tally.reasons[verdict.reason] += 1
            tally.changes.update(names)
            tally.slowest = max(tally.slowest, (verdict.load_s, number))
        tally.show(_memory("VmHWM") - start_bytes)
    return 0


def _hang(*_: object) -> None:
    raise Hang(f"it took longer than {HANGS_S} s")


def _forget_peak() -> int:
    """Bytes that are taken now; from here on the system looks for the most again."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    sys.exit(main())
