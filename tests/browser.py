"""A real headless Chromium, driven by its DevTools protocol through a pipe."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

TIMEOUT_S = 60

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_chromium():
    """Its path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """
    Chromium, controlled through a pipe.

    It reads commands from descriptor 3 and answers on 4, each a JSON object with a
    zero byte behind it: no port, no driver, no library.

    Source:
        Chrome DevTools Protocol. https://chromedevtools.github.io/devtools-protocol/
    """

    def __init__(self, program, profile):
        browser_reads, self._to_browser = self._pipe()
        self._from_browser, browser_writes = self._pipe()
        redirect = f'exec "$0" "$@" 3<&{browser_reads} 4>&{browser_writes}'
        arguments = (*FLAGS, f"--user-data-dir={profile}", "about:blank")
        self.process = subprocess.Popen(
            ["bash", "-c", redirect, program, *arguments],
            pass_fds=(browser_reads, browser_writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(browser_reads)
        os.close(browser_writes)
        self._calls, self._unread, self.events = 0, b"", []

    @staticmethod
    def _pipe():
        """Both ends above the numbers that the browser uses itself."""
        ends = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
        for end in ends:
            os.close(end)
        return high

    def call(self, method, session=None, **params):
        """Send a command and wait for its result; events until then are kept."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._calls:
            self.events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _next(self):
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from_browser], [], [], TIMEOUT_S)
            assert ready, "the browser does not answer"
            chunk = os.read(self._from_browser, 1 << 20)
            assert chunk, "the browser has exited"
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        os.close(self._to_browser)
        os.close(self._from_browser)
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
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        address = path.as_uri()
        self.call("Page.navigate", url=address + hash)
        self.wait(f"location.href.startsWith({json.dumps(address)})")
        self.wait("document.readyState === 'complete'")
        # a page that starts asynchronously says "no" until it is done
        self.wait("document.documentElement.dataset.ready !== 'no'")

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def run(self, expression):
        """The value of an expression, or of its promise."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition):
        """Wait until an expression is true."""
        until = time.monotonic() + TIMEOUT_S
        while not self.run(condition):
            assert time.monotonic() < until, f"never true: {condition}; {self.errors}"
            time.sleep(0.02)

    def frame(self):
        """Wait until everything that was requested has been drawn."""
        self.run("new Promise(r => requestAnimationFrame(() => setTimeout(r)))")

    def text(self, selector):
        return self.run(f"{_element(selector)}.textContent")

    def box(self, selector):
        """Left, top, width and height on the screen."""
        self.run(f"{_element(selector)}.scrollIntoView({{block: 'nearest'}})")
        rect = self.run(f"{_element(selector)}.getBoundingClientRect().toJSON()")
        return rect["x"], rect["y"], rect["width"], rect["height"]

    def pixels(self, selector):
        """What is on a canvas."""
        return self.run(f"{_element(selector)}.toDataURL()")

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.frame()

    def click(self, x, y):
        point = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **point)
        self.frame()

    def press(self, *keys):
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key)
            self.frame()

    def type(self, text):
        """Insert text where the cursor is."""
        self.call("Input.insertText", text=text)

    def choose(self, selector, value):
        """Choose an entry of a list."""
        self.run(f"{_element(selector)}.value = {json.dumps(value)}")
        self.run(f"{_element(selector)}.dispatchEvent(new Event('change'))")
        self.frame()

    def events(self, method):
        """The parameters of all events of a name so far."""
        self.run("0")  # events before its answer have arrived
        return [
            event["params"]
            for event in self._browser.events
            if event["method"] == method and event.get("sessionId") == self._session
        ]

    @property
    def errors(self):
        """Exceptions, console output, and requests for anything but the page itself."""
        names = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        names += ("Log.entryAdded",)
        requests = [
            request
            for request in self.events("Network.requestWillBeSent")
            if request["type"] != "Document"
            and not request["request"]["url"].startswith("data:")
        ]
        return [event for name in names for event in self.events(name)] + requests

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)


def _element(selector):
    return f"document.querySelector({json.dumps(selector)})"
