"""Training killed at random moments, and at every moment that touches the disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

KILL = Path(__file__).with_name("kill.py")


def test_ten_random_kills():
    """
    Nothing breaks, little is lost, and the end is that of a run without kills.

    `make crash-test` does the same with 200 kills.
    """
    done = subprocess.run(
        [sys.executable, KILL, "--kills", "10", "--steps", "2000"],
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=500,
    )
    report = json.loads(done.stdout)

    assert report["broken"] == []
    assert report["kills"] >= 10
    assert report["while_training"] >= 4
    assert done.returncode == 0
