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

PATIENCE_S = 60

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)


def chromium():
    """Where it is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """
    Chromium, told what to do through a pipe.

    It reads commands from its descriptor 3 and answers on 4, each an object of JSON
    with a zero byte behind it: no port, no driver, no library.

    Source:
        Chrome DevTools Protocol. https://chromedevtools.github.io/devtools-protocol/
    """

    def __init__(self, program, profile):
        reads, self._to = self._pipe()
        self._from, writes = self._pipe()
        ends = f'exec "$0" "$@" 3<&{reads} 4>&{writes}'
        arguments = (*FLAGS, f"--user-data-dir={profile}", "about:blank")
        self.process = subprocess.Popen(
            ["bash", "-c", ends, program, *arguments],
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
        self._browser, self.may_complain = browser, False
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._target, self._session = target, attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.address = path.as_uri()
        self.call("Page.navigate", url=self.address + hash)
        self.wait(f"location.href.startsWith({json.dumps(self.address)})")
        self.wait("document.readyState === 'complete'")
        # a page that goes on after loading says "no" until it is done
        self.wait("document.documentElement.dataset.ready !== 'no'")

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

    def type(self, text):
        """What a keyboard would put where the cursor is."""
        self.call("Input.insertText", text=text)

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

    def told(self, method):
        """The parameters of all events of a name so far."""
        self.run("0")  # what happened before this answer has been told
        return [
            event["params"]
            for event in self._browser.events
            if event["method"] == method and event.get("sessionId") == self._session
        ]

    def busy_s(self):
        """Seconds of a core that the page and its like have taken so far."""
        told = self._browser.call("SystemInfo.getProcessInfo")["processInfo"]
        return sum(each["cpuTime"] for each in told if each["type"] == "renderer")

    @property
    def errors(self):
        """What the console complained of, and what was fetched beside the page."""
        names = ("exceptionThrown", "consoleAPICalled")
        bad = [each for name in names for each in self.told(f"Runtime.{name}")]
        fetched = self.told("Network.requestWillBeSent")
        bad += [
            each
            for each in fetched
            if each["type"] != "Document"
            and not each["request"]["url"].startswith("data:")
        ]
        return bad + self.told("Log.entryAdded")

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)
