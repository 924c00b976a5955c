"""
Kill training at random moments, go on, and compare the end with that of a run that
nobody killed.

    python tests/crash/kill.py --kills 200

After every kill the state and the model must load, and no more work may be lost than
`--save-every` promises. Prints one JSON object; exits with 1 where a promise broke.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.runs.directory import RunDirectory

SAVE_EVERY_S = 0.6
SLACK_S = 2.0
"""For a step, an evaluation and a save on a busy machine."""

SETTINGS = (
    *("--hidden", "24", "--layers", "2", "--embedding", "8", "--threads", "1"),
    *("--streams", "8", "--window", "32", "--precision", "float32", "--lr", "0.01"),
    *("--dropout", "0.1", "--weight-drop", "0.1", "--save-every", str(SAVE_EVERY_S)),
)
TEXT = "".join(
    f"In the year {1500 + n * 7 % 400} the {who} of {where} lost {n % 23 + 2} ships.\n"
    for n in range(400)
    for who, where in (("queen", "Kent"), ("mayor", "Ghent"), ("duke", "Bohemia"))
)


@dataclass
class Report:
    """What the kills did."""

    kills: int = 0
    runs: int = 0
    most_lost_s: float = 0.0
    while_training: int = 0
    """Kills after the run was opened; the others hit the start of the process."""
    broken: list[str] = field(default_factory=list)


def command(book: Path, run: Path, steps: int, seed: int) -> list[str]:
    words = ["train", str(book), "-o", str(run), "--steps", str(steps)]
    words += ["--seed", str(seed), "--resume", "-q", *SETTINGS]
    return [sys.executable, "-m", "lstm_textgen", *words]


def digest(run: Path) -> str:
    """Of all that a finished run has learned, and where it is."""
    tensors, progress, _ = RunDirectory(run).load_state() or ({}, {}, False)
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].tobytes())
    position = progress["position"]
    exact = {k: v for k, v in position.items() if k != "spent_s"}
    total.update(json.dumps(exact, sort_keys=True).encode())
    model = load_checkpoint(RunDirectory(run).model_path)
    for name in sorted(model.tensors):
        total.update(model.tensors[name].tobytes())
    return total.hexdigest()


def logged(run: Path, *kinds: str) -> list[dict[str, Any]]:
    """The lines of the metrics about some events; a torn one may be the last."""
    path = RunDirectory(run).metrics_path
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    records = [json.loads(line) for line in lines]
    return [record for record in records if record["event"] in kinds]


def looks(run: Path) -> list[tuple[Any, ...]]:
    """What the metrics tell of the held-out text and of what the model writes."""
    found = ("event", "step", "nats_per_char", "characters", "text", "temperature")
    records = logged(run, "Evaluated", "Sampled", "Calibrated")
    return [tuple(record.get(name) for name in found) for record in records]


def inspect(run: Path, report: Report) -> None:
    """See that after a kill everything loads."""
    directory = RunDirectory(run)
    if directory.model_path.exists():
        load_checkpoint(directory.model_path)
    loaded = directory.load_state()
    if loaded is None:
        steps = logged(run, "StepDone")
        if steps:
            report.broken.append(f"{steps[-1]['step']} steps and no state")
        return
    if loaded[2]:
        report.broken.append("the newest state was damaged")


def run_and_kill(
    book: Path, run: Path, steps: int, seed: int, chance: random.Random, most: int
) -> Report:
    """Train to the end, killed again and again on the way, at most *most* times."""
    report = Report(runs=1)
    while True:
        process = subprocess.Popen(
            command(book, run, steps, seed), stdout=subprocess.DEVNULL
        )
        if report.kills < most and wait_a_while(process, run, chance):
            if is_open(run, process.pid):
                report.while_training += 1
                report.most_lost_s = max(report.most_lost_s, unsaved_s(run))
            process.send_signal(signal.SIGKILL)
            process.wait()
            report.kills += 1
            if run.exists():
                inspect(run, report)
            continue
        if process.wait():
            report.broken.append(f"exit code {process.returncode}")
        return report


def wait_a_while(
    process: subprocess.Popen[bytes], run: Path, chance: random.Random
) -> bool:
    """
    Wait for a random moment: one in four within the start, else while it trains.

    Returns:
        Whether the process is still there then.
    """
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0.0, 3.0))
    else:
        while process.poll() is None and not is_open(run, process.pid):
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 2.0))
    return process.poll() is None


def is_open(run: Path, number: int) -> bool:
    """Whether this process has the run locked, and so trains."""
    try:
        return (run / ".lock.pid").read_text() == str(number)
    except OSError:
        return False


def unsaved_s(run: Path) -> float:
    """How long the process that has the run open has worked since it last saved."""
    opened_s = (run / ".lock.pid").stat().st_mtime
    state = RunDirectory(run).state_path
    saved_s = state.stat().st_mtime if state.exists() else opened_s
    return time.time() - max(opened_s, saved_s)


def check_metrics(run: Path, whole: Path, steps: int, report: Report) -> None:
    """Each character and each look stands in the metrics once, as in *whole*."""
    if looks(run) != looks(whole):
        report.broken.append("the metrics tell of other looks than without kills")
    records = logged(run, "StepDone")
    told = [record["step"] for record in records]
    loaded = RunDirectory(run).load_state()
    assert loaded is not None
    characters = loaded[1]["position"]["characters"]
    if told != sorted(set(told)) or told[-1] != steps:
        report.broken.append("the steps of the metrics do not go up to the end")
    if sum(record["characters"] for record in records) != characters:
        report.broken.append("the metrics have gaps or say something twice")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, default=3000, help="of every run")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    total = Report()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TEXTGEN_CACHE"] = str(folder / "cache")
        book = folder / "book.txt"
        book.write_text(TEXT)
        with tqdm(total=arguments.kills, unit=" kills", disable=None) as bar:
            while total.kills < arguments.kills:
                seed = total.runs + 1
                whole, killed = folder / f"whole{seed}", folder / f"killed{seed}"
                subprocess.run(
                    command(book, whole, arguments.steps, seed),
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                left = arguments.kills - total.kills
                steps = arguments.steps
                one = run_and_kill(book, killed, steps, seed, chance, left)
                if digest(whole) != digest(killed):
                    one.broken.append(f"seed {seed}: another end than without kills")
                check_metrics(killed, whole, steps, one)
                total.kills += one.kills
                total.runs += 1
                total.while_training += one.while_training
                total.most_lost_s = max(total.most_lost_s, one.most_lost_s)
                total.broken += one.broken
                bar.update(one.kills)
    promised_s = SAVE_EVERY_S + SLACK_S
    if total.most_lost_s > promised_s:
        total.broken.append(f"more than {promised_s} s were lost")
    took_s = round(time.monotonic() - began_s, 1)
    print(json.dumps({**vars(total), "took_s": took_s}, indent=2))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
