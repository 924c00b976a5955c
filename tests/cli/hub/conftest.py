"""The program beside a small hub that runs in a process of its own."""

import base64
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


class Hub:
    """A hub on this machine, and what tests want to know of it."""

    def __init__(self):
        self.server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = f"http://127.0.0.1:{int(self.server.stdout.readline())}"

    def close(self):
        self.server.stdin.close()
        self.server.wait(10)
        self.server.stdout.close()

    def _ask(self, path, value=None):
        data = None if value is None else json.dumps(value).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.address}/_test/{path}", data, timeout=10) as answer:
            return json.loads(answer.read())

    def reset(self):
        self._ask("reset", {})

    def misbehave(self, step, mood, times=1000):
        """See `server.py` for the steps and the moods."""
        self._ask("mood", {"step": step, "mood": mood, "times": times})

    def seed(self, name, *, private=False, **files):
        """Put files there by other ways than a push; the name of the commit."""
        return self.seed_files(name, files, private=private)

    def seed_files(self, name, files, *, private=False):
        packed = {k: base64.b64encode(v).decode() for k, v in files.items()}
        asked = {"name": name, "files": packed, "private": private}
        return self._ask("seed", asked)["oid"]

    def repository(self, name):
        """Whether it is private, and its commits."""
        return self._ask("state")["repositories"].get(name)

    def commits(self, name):
        """The commits, each as its name, its message and its files."""
        there = self.repository(name)
        return [
            (each["oid"], each["message"], _unpacked(each["files"]))
            for each in (there["commits"] if there else [])
        ]

    def files(self, name):
        """The files of the newest commit."""
        commits = self.commits(name)
        return commits[-1][2] if commits else {}

    def steps(self):
        """What was asked for, in its order."""
        return [entry["step"] for entry in self._ask("state")["log"]]

    def users(self, step):
        """Who was logged in when a step was taken; None for nobody."""
        return {e["user"] for e in self._ask("state")["log"] if e["step"] == step}

    def paths(self):
        """The addresses that were asked for."""
        return [entry["path"] for entry in self._ask("state")["log"]]


def _unpacked(files):
    return {path: base64.b64decode(data) for path, data in files.items()}


@pytest.fixture(scope="session")
def hub_process():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def hub(hub_process):
    """An empty hub that behaves."""
    hub_process.reset()
    return hub_process


@pytest.fixture
def env(hub, tmp_path):
    """Alice's login at that hub, a cache of her own, and no waiting between tries."""
    return {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": "hf_alice",
        "TESTS_DO_NOT_WAIT": "1",
    }


@pytest.fixture
def shared(hub, trained):
    """The trained model as alice/book: the name of the commit."""
    files = {
        "model.safetensors": trained.model.read_bytes(),
        "config.json": b'{"library": "lstm-textgen"}\n',
        "README.md": b"# book\n",
    }
    return hub.seed_files("alice/book", files)


@pytest.fixture
def left_by_a_failure(textgen, tmp_path):
    """What lies anywhere about after a command that failed, but caches and streams."""

    def look():
        known = (tmp_path / "hf", tmp_path / "here.streams")
        found = [p for p in tmp_path.rglob("*") if p.is_file()]
        return [p for p in found if not any(k in p.parents for k in known)]

    return look
