"""The program as its users meet it: a process with arguments, streams and an end."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

import lstm_textgen

PROGRAM = [sys.executable, "-m", "lstm_textgen"]
PATIENCE_S = 60
"""How long a process may take that takes two seconds on a quiet machine."""

TINY = (
    *("--steps", "3", "--hidden", "8", "--layers", "1", "--embedding", "4"),
    *("--streams", "4", "--window", "16", "--threads", "1"),
)
"""The smallest run that is one."""

SMALL = (
    *("--hidden", "8", "--layers", "1", "--embedding", "4", "--threads", "1"),
    *("--streams", "4", "--window", "16", "--precision", "float32", "--lr", "0.01"),
)
"""The settings of a run that can be resumed exactly, all but its length."""

TEXT = "".join(
    f"Said the {bird} to the {beast}, \"It's {n} o'clock,\" and slept.\n"
    for n in range(1, 13)
    for bird in ("crow", "wren", "jay")
    for beast in ("fox", "mule")
)
"""About 4,000 characters with straight quotes, of ASCII only."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self):
        """The one object on stdout."""
        return json.loads(self.stdout)

    @property
    def notes(self):
        """The notes on stderr, one a line."""
        return [line for line in self.stderr.splitlines() if line[:6] == "note: "]

    def assert_refused(self, code, *values):
        """
        Exit code, nothing on stdout, and an error and its remedy that name *values*.

        Args:
            code: The exit code.
            values: Numbers, names, paths and options, never phrases.
        """
        *before, problem, remedy = self.stderr.splitlines()

        assert (self.code, self.stdout) == (code, ""), self.stderr
        assert problem.startswith("error: ")
        assert remedy.startswith("  try: ")
        assert min(len(problem), len(remedy)) > len("error: ") + 10
        assert all(line.startswith("note: ") for line in before), before
        assert [v for v in values if str(v) not in problem + remedy] == []


class Warm:
    """Runs the program in forks of a process that has imported torch."""

    def __init__(self, environment):
        self.server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("warm.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def run(self, arguments, *, folder, environment, memory_bytes=None, **files):
        """
        The exit code.

        Args:
            files: The paths of stdin, stdout and stderr.
        """
        request = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder),
            "environment": environment,
            "memory_bytes": memory_bytes,
        } | {name: path and str(path) for name, path in files.items()}
        self.server.stdin.write(json.dumps(request).encode() + b"\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())

    def close(self):
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait(PATIENCE_S)


class Screen:
    """A terminal, 100 columns wide, that remembers all it was sent."""

    def __enter__(self):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
        self.name = os.ttyname(self.slave)
        self._sent = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def _read(self):
        while True:
            try:
                self._sent += os.read(self.master, 65536)
            except OSError:  # the last one has left the terminal
                return

    def __exit__(self, *_):
        os.close(self.slave)
        self._reader.join(PATIENCE_S)
        os.close(self.master)

    @property
    def text(self):
        """What was sent; complete once the screen is closed."""
        return self._sent.decode("utf-8").replace("\r\n", "\n")


def restore_signals():
    """A shell starts the background deaf to Ctrl-C, and nohup to a closed terminal."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Textgen:
    """
    Starts the program in *folder*.

    `run` and `running` start the real one. The call of the object itself does the same
    in a fork of a process that has imported torch, which saves two seconds.
    """

    tiny = TINY
    small = SMALL

    def __init__(self, warm, folder, environment):
        self.warm = warm
        self.folder = folder
        self.environment = environment

    def __call__(self, *arguments, stdin=b"", env=None, memory_bytes=None, **streams):
        """
        Args:
            stdin: What it may read.
            env: Variables beside those that are always set.
            memory_bytes: The most it may take beyond what it has at the start.
            streams: A `Screen` or an open file as `stdout` or `stderr`; None closes it.
        """
        folder = self.folder.parent / f"{self.folder.name}.streams"
        folder.mkdir(exist_ok=True)
        files = {name: folder / name for name in ("stdin", "stdout", "stderr")}
        for path in files.values():
            path.write_bytes(stdin if path.name == "stdin" else b"")
        code = self.warm.run(
            arguments,
            folder=self.folder,
            environment=self.environment | (env or {}),
            memory_bytes=memory_bytes,
            **files
            | {name: stream and stream.name for name, stream in streams.items()},
        )
        out, err = (files[name].read_bytes() for name in ("stdout", "stderr"))
        return Outcome(code, out.decode("utf-8"), err.decode("utf-8"))

    def train(self, *arguments, **more):
        """Train the smallest model that is one."""
        return self("train", *self.tiny, *arguments, **more)

    def run(self, *arguments, **options):
        """Wait for the real program; *options* as for `running`."""
        with self.running(*arguments, encoding=None, **options) as process:
            out, err = process.communicate()
        return Outcome(process.returncode, out.decode("utf-8"), err.decode("utf-8"))

    @contextlib.contextmanager
    def running(self, *arguments, program=PROGRAM, env=None, **options):
        """
        The real program at work, its streams as pipes; it does not stay behind.

        Args:
            program: The command before the arguments.
            env: Variables beside those that are always set.
            options: As for `Popen`.
        """
        usual = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.folder,
            "env": self.environment | (env or {}),
            "encoding": "utf-8",
            "preexec_fn": restore_signals,
        }
        command = [*map(str, (*program, *arguments))]
        with subprocess.Popen(command, **usual | options) as process:
            alarm = threading.Timer(PATIENCE_S, process.kill)
            alarm.start()
            try:
                yield process
            finally:
                alarm.cancel()
                process.kill()

    def screen(self):
        """A terminal, to be used as a context manager."""
        return Screen()

    def write(self, name, content):
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def left(self):
        """Names of what lies in the folder."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Nothing of the user's: own cache, own data, one thread, no colour forced."""
    home = tmp_path_factory.mktemp("home")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(lstm_textgen.__file__).parents[1]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "OMP_NUM_THREADS": "1",
        "TEXTGEN_CACHE": str(home / "cache"),
        "TEXTGEN_DATA": str(home / "data"),
    }


@pytest.fixture(scope="session")
def warm(environment):
    process = Warm(environment)
    yield process
    process.close()


@pytest.fixture
def textgen(warm, tmp_path, environment):
    """The program in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Textgen(warm, folder, environment)


@pytest.fixture(scope="session")
def workshop(warm, tmp_path_factory, environment):
    """The program in the folder where the trained models are made."""
    return Textgen(warm, tmp_path_factory.mktemp("workshop"), environment)


@dataclass(frozen=True)
class Trained:
    """A model that a test may read, its text, and how it was made."""

    run: Path
    text: Path
    outcome: Outcome

    @property
    def model(self):
        return self.run / "model.safetensors"


@pytest.fixture(scope="session")
def trained(workshop):
    """A model of characters, made by the real program."""
    text = workshop.write("book.txt", TEXT)
    outcome = workshop.run("train", text, *TINY, "--json")
    return Trained(workshop.folder / "checkpoints" / "book", text, outcome)


@pytest.fixture(scope="session")
def trained_on_bytes(workshop):
    """A model of bytes; its text holds what clears a screen."""
    text = workshop.write("bytes.txt", "\x1b[2Jé" * 200)
    run = workshop.folder / "checkpoints" / "bytes"
    outcome = workshop.train(text, "--tokenizer", "byte", "-o", run)
    return Trained(run, text, outcome)


@pytest.fixture
def book(textgen, trained):
    """The text, in the folder of the test."""
    return textgen.write("book.txt", trained.text.read_bytes())
