"""
How fast the pages of `inspect` and `export` are in headless Chromium.

    python -m benchmarks.pages

Prints, for an inspection of 20,000 characters by 2 x 512 units, the time from the
pointer's event to the painted frame and from a scroll to the next one, and for a model
of 2 x 256 how many characters a second the exported page writes.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser import Browser, Page, find_chromium

ROUNDS = 3

RECORD_HOVERS = """
window.times = [];
document.querySelector('#text').addEventListener('pointermove', () => {
  const begun = performance.now(), channel = new MessageChannel();
  channel.port1.onmessage = () => times.push(performance.now() - begun);
  requestAnimationFrame(() => channel.port2.postMessage(0));
}, true)
"""

SCROLL = """(async () => {
  const box = document.querySelector('#text'), times = [];
  for (let i = 0; i < 20; i++) {
    box.scrollTop += 200;
    const begun = performance.now();
    await new Promise(r => requestAnimationFrame(() => setTimeout(r)));
    times.push(performance.now() - begun);
  }
  return times;
})()"""

WRITE = """(() => {
  const fresh = new Writer(writer.network, writer.alphabet);
  const begun = performance.now();
  const settings = { length: 493, temperature: 0.8 };
  const characters = [...fresh.writeOn('The fox', settings)].length;
  return characters / (performance.now() - begun) * 1000;
})()"""


def hover_ms(page: Page) -> float:
    """The median over thirty places all over the window."""
    page.run("times.length = 0")
    x, y, width, height = page.box("#text")
    for turn in range(30):
        right, down = (turn * 7 % 30) / 30, (turn + 0.5) / 30
        page.move(x + 10 + right * width / 2, y + 10 + down * (height - 20))
    return statistics.median(page.run("times"))


def make_page(folder: Path, name: str, *words: str) -> Path:
    """Run textgen, which writes a page."""
    path = folder / name
    command = [sys.executable, "-m", "lstm_textgen", *words, str(path), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def main() -> None:
    program = find_chromium()
    assert program, "chromium is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reading = ("--file", "fables", "--on-unknown", "skip", "--html")
        inspection = make_page(folder, "i.html", "inspect", "shakespeare", *reading)
        model = make_page(folder, "m.html", "export", "fables", "-f", "html", "-o")
        browser = Browser(program, folder / "profile")
        try:
            page = Page(browser, inspection)
            page.run(RECORD_HOVERS)
            hovers = [hover_ms(page) for _ in range(ROUNDS)]
            scrolls = [statistics.median(page.run(SCROLL)) for _ in range(ROUNDS)]
            page = Page(browser, model)
            page.run(WRITE)  # the engine compiles what runs often
            speeds = [page.run(WRITE) for _ in range(ROUNDS)]
        finally:
            browser.close()
    print(f"hover to paint      {min(hovers):.1f} ms")
    print(f"scroll to paint     {min(scrolls):.1f} ms")
    print(f"exported page       {max(speeds):,.0f} characters/s")


if __name__ == "__main__":
    main()
