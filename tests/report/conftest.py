"""A real headless Chromium, moved by the protocol of its own developer tools."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

import numpy as np
import pytest

from lstm_textgen.config import ModelConfig
from lstm_textgen.insight.finder import Finding
from lstm_textgen.insight.habits import Habits
from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import GATED, SIGNALS
from lstm_textgen.insight.trace import Trace

PATIENCE_S = 60


def chromium():
    """Where it is, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """
    Chromium, told what to do through a pipe.

    It reads commands from its descriptor 3 and answers on 4, each an object of JSON
    with a zero byte behind it.
    """

    def __init__(self, program, profile):
        reads, self._to = self._pipe()
        self._from, writes = self._pipe()
        flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage"
        flags += " --no-first-run --disable-background-networking --hide-scrollbars"
        flags += f" --remote-debugging-pipe --user-data-dir={profile} about:blank"
        self.process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$0" "$@" 3<&{reads} 4>&{writes}', program),
                *flags.split(),
            ],
            pass_fds=(reads, writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._count, self._left, self.events = 0, b"", []

    @staticmethod
    def _pipe():
        """Both ends above the numbers that the browser wants for itself."""
        ends = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
        for end in ends:
            os.close(end)
        return high

    def call(self, method, session=None, **params):
        """Send a command and wait for its result; events are kept on the way."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _next(self):
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            assert ready, "the browser does not answer"
            found = os.read(self._from, 1 << 20)
            assert found, "the browser has gone"
            self._left += found
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        os.close(self._to)
        os.close(self._from)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Page:
    """One page in the browser, with a pointer and keys."""

    def __init__(self, browser, path, *, width=1280, height=900, dark=False, hash=""):
        self._browser = browser
        browser.events.clear()
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._target, self._session = target, attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri() + hash)
        self.wait("document.documentElement?.dataset.ready === 'yes'")

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def resize(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def run(self, expression):
        """The value of an expression; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition):
        """Until it is true."""
        until = time.monotonic() + PATIENCE_S
        while not self.run(condition):
            assert time.monotonic() < until, f"never came: {condition}; {self.errors}"
            time.sleep(0.02)

    def frame(self):
        """Until everything that is asked for has been drawn."""
        self.run("new Promise(r => requestAnimationFrame(() => setTimeout(r)))")

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def box(self, selector):
        """Left, top, width and height on the screen."""
        name = json.dumps(selector)
        self.run(f"document.querySelector({name}).scrollIntoView({{block: 'nearest'}})")
        found = f"document.querySelector({name}).getBoundingClientRect().toJSON()"
        rect = self.run(found)
        return rect["x"], rect["y"], rect["width"], rect["height"]

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.frame()

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                clickCount=1,
            )
        self.frame()

    def press(self, *keys):
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key)
            self.frame()

    def choose(self, selector, value):
        """An entry of a list, as a person would: the list then tells of a change."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{found}.value = {json.dumps(value)}")
        self.run(f"{found}.dispatchEvent(new Event('change'))")
        self.frame()

    def pixels(self, selector):
        """What is on a canvas."""
        return self.run(f"document.querySelector({json.dumps(selector)}).toDataURL()")

    def screenshot(self, path):
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    @property
    def errors(self):
        """What the console complained of, and what was fetched beside the page."""
        bad = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            kind, told = event["method"], event["params"]
            wrong = kind in ("Runtime.exceptionThrown", "Log.entryAdded")
            wrong |= kind == "Runtime.consoleAPICalled"
            if kind == "Network.requestWillBeSent":
                wrong = told["type"] != "Document"
            bad += [told] if wrong else []
        return bad

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)


@pytest.fixture(scope="session")
def browser(needs, tmp_path_factory):
    program = chromium()
    needs(program, "chromium is not installed: apt-get install chromium")
    found = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


@pytest.fixture
def open_page(browser):
    """Opens a file, and sees at the end that the console stayed silent."""
    pages = []

    def opened(path, **more):
        pages.append(Page(browser, path, **more))
        return pages[-1]

    yield opened
    for page in pages:
        page.run("0")  # what it said before that has arrived
        assert page.errors == []
        page.close()


@pytest.fixture(scope="session")
def make_inspection():
    """An inspection whose arrays are made up: waves that a test can foretell."""

    def build(text, *, cell="lstm", layers=1, hidden=4, names=None, properties=()):
        count, rng = len(text), np.random.default_rng(1)
        names = tuple(names or sorted(set(text)))
        period = rng.uniform(6, 600, hidden).astype("f4")
        wave = np.sin(6.28 * np.arange(count, dtype="f4")[:, None] / period)
        wave += 0.1 * rng.standard_normal((count, hidden), np.float32)
        wave = wave.clip(-1, 1)
        kinds = {"share": (wave + 1) / 2, "memory": 3 * wave, "signed": wave}
        kinds = {kind: values.astype("f2") for kind, values in kinds.items()}
        traced, habits = [], []
        for depth in range(layers):
            layer = {}
            for turn, name in enumerate(SIGNALS[cell]):
                kind = "share" if name in GATED[cell] else "signed"
                kind = "memory" if name == "memory" else kind
                moved = (17 * depth, turn + 5 * depth)
                layer[name] = np.roll(kinds[kind], moved, axis=(0, 1))
            traced.append(layer)
            shares = {gate: rng.uniform(0, 0.5, hidden) for gate in GATED[cell]}
            lives = rng.uniform(0, 99, hidden) if shares else None
            habits.append(Habits(shares, shares, lives))
        guesses = rng.integers(0, len(names), (count, min(5, len(names))))
        chances = np.sort(rng.dirichlet(np.ones(9), count)[:, : guesses.shape[1]])
        bits = rng.exponential(2, count)
        bits[0] = np.nan
        trace = Trace(
            *(cell, tuple(traced), bits, guesses, chances[:, ::-1], tuple(habits))
        )
        units = layers * hidden
        findings = tuple(
            Finding(
                name,
                share=0.3,
                auc=rng.uniform(0.05, 0.95, units),
                null=np.full(units, 0.5),
                best_by_chance=np.full(100, 0.8),
            )
            for name in properties
        )
        model = ModelConfig(cell=cell, layers=layers, hidden=hidden)
        return Inspection(text, model, names, trace, findings)

    return build
