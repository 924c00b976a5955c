"""Speed and memory of encoding a large text: 1 GB, made on the spot and removed."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000_000

ENCODE = """
import resource, sys, time
from pathlib import Path
from lstm_textgen.config import TextConfig
from lstm_textgen.text.encode import encode_source
from lstm_textgen.text.source import find_source

source = find_source([sys.argv[1]])
for attempt in ("first time", "again"):
    began = time.perf_counter()
    text = encode_source(source, TextConfig(), cache=Path(sys.argv[2]))
    spent = time.perf_counter() - began
    print(f"{attempt:12} {spent:8.3f} s   {len(text.ids):,} characters")
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main() -> None:
    piece = Path(__file__).parents[1].joinpath("corpora/fables.txt").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.txt"
        with path.open("wb") as file:
            for _ in range(-(-SIZE // len(piece))):
                file.write(piece)
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        shown = subprocess.run(
            [sys.executable, "-c", ENCODE, path, folder],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        *lines, peak = shown.splitlines()
        print("\n".join(lines))
        peak_mb = int(peak.split()[1])
        print(
            f"{path.stat().st_size / 1e6:,.0f} MB encoded; peak memory {peak_mb} MB, "
            f"{peak_mb - bare_mb} MB above the bare interpreter "
            f"({time.perf_counter() - began_s:.0f} s in all)"
        )


if __name__ == "__main__":
    main()
