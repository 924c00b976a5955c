"""A real browser, spoken to through two pipes: no port, no driver, no library."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

import pytest

PATIENCE_S = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage"),
)


class Browser:
    """
    Chromium without a window.

    Source:
        Chrome DevTools Protocol. https://chromedevtools.github.io/devtools-protocol/
    """

    def __init__(self, program, folder):
        ours = [*os.pipe(), *os.pipe()]
        # away from 3 and 4, which are what the browser speaks through
        theirs_in, self._to, self._from, theirs_out = (
            fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 20) for each in ours
        )
        for each in ours:
            os.close(each)
        ends = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        arguments = (*QUIET, "--remote-debugging-pipe", f"--user-data-dir={folder}")
        self._process = subprocess.Popen(
            ["bash", "-c", ends, program, *arguments, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._count, self._rest = 0, b""
        self.events = []

    def call(self, method, session=None, **parameters):
        """Ask for something and wait for the answer; events are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def wait_for(self, method, **parameters):
        """Wait until an event of that name has come, with these parameters."""

        def is_it(event):
            told = event.get("params", {})
            same = all(told.get(name) == value for name, value in parameters.items())
            return same and event.get("method") == method

        while not any(map(is_it, self.events)):
            self.events.append(self._next())

    def _next(self):
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], until - time.monotonic())
            assert ready, "the browser says nothing"
            read = os.read(self._from, 1 << 16)
            assert read, "the browser has ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def close(self):
        with contextlib.suppress(AssertionError, OSError):
            self.call("Browser.close")
        os.close(self._to)
        os.close(self._from)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Page:
    """A page that was opened and loaded."""

    def __init__(self, browser, path):
        self.browser, self.address = browser, path.as_uri()
        browser.events.clear()
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call(
            "Target.attachToTarget", targetId=self.target, flatten=True
        )
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        loader = self.call("Page.navigate", url=self.address)["loaderId"]
        browser.wait_for("Page.lifecycleEvent", name="load", loaderId=loader)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, expression):
        """The value of an expression of JavaScript."""
        told = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait_until(self, expression):
        """Look again and again until an expression is true."""
        until = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < until, expression
            time.sleep(0.02)

    def all_events(self, method):
        """The parameters of all events of a name so far."""
        self.evaluate("0")  # what happened before this answer has been told
        events = self.browser.events
        return [event["params"] for event in events if event.get("method") == method]

    def busy_s(self):
        """Seconds of a core that the page and its like have taken so far."""
        told = self.browser.call("SystemInfo.getProcessInfo")["processInfo"]
        return sum(each["cpuTime"] for each in told if each["type"] == "renderer")

    def type(self, text):
        """What a keyboard would put where the cursor is."""
        self.call("Input.insertText", text=text)


@pytest.fixture(scope="session")
def browser(needs, tmp_path_factory):
    """Chromium, started once."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    needs(program, "needs a Chromium: apt-get install chromium")
    browser = Browser(program, tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser):
    """Open files in pages of their own, which are closed when the test is over."""
    pages = []

    def show(path):
        pages.append(Page(browser, path))
        return pages[-1]

    yield show
    for page in pages:
        browser.call("Target.closeTarget", targetId=page.target)
