"""
An inspection as one self-contained page: it fetches nothing, and no text runs in it.

The text is data in JSON without any `<`, and reaches the screen as text only, on a
canvas or as `textContent`. A policy in the page names the one script that may run by
its digest.
"""

import base64
import hashlib
import html
import re
from importlib.resources import files

from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import SIGNALS, Unit
from lstm_textgen.report.page_data import Packed, as_data, pack
from lstm_textgen.report.page_tables import findings_table, saturation_table
from lstm_textgen.report.terminal import sanitise

SCRIPTS = ("data.js", "colours.js", "text.js", "detail.js", "units.js", "main.js")

LIMIT_BYTES = 4_900_000
"""A page is never larger, so that it opens on a phone and goes by mail."""


def make_page(
    inspection: Inspection, *, title: str, facts: str, ranked: list[Unit]
) -> str:
    """
    The page as HTML.

    Args:
        inspection: What is shown; of a very long text the beginning.
        title: What the text is, and the model.
        facts: A line about the model.
        ranked: All units. The first ones travel with every character, as many as
            there is room for; the others in coarse steps.
    """
    style = _asset("style.css")
    script = "(() => {\n'use strict';\n" + "".join(map(_asset, SCRIPTS)) + "})();\n"
    parts = {
        "title": html.escape(sanitise(title)),
        "facts": html.escape(sanitise(facts)),
        "style": style,
        "script": script,
        "style_hash": _digest(style),
        "script_hash": _digest(script),
        "signals": str(len(SIGNALS[inspection.model.cell])),
        "findings": findings_table(inspection),
        "saturation": saturation_table(inspection),
    }
    used = sum(len(part.encode()) for part in parts.values())
    packed = pack(inspection, ranked, room_bytes=LIMIT_BYTES - used - 10_000)
    parts["data"] = as_data(packed.data)
    parts["opening"] = f"{packed.opening:,}"
    parts["points"] = str(packed.points)
    parts["shipped"] = html.escape(_shipped(inspection, packed))
    template = _asset("page.html")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _shipped(inspection: Inspection, packed: Packed) -> str:
    """Which units travel in full."""
    total, count = inspection.units, packed.in_full
    words = [
        f"All {total:,} units travel with every character."
        if count == total
        else f"{count:,} of {total:,} units travel with every character, those that "
        "were named and then the most interesting ones; the others, in grey, only in "
        "these two ways, because a page stays below 5 MB."
    ]
    if packed.characters < len(inspection.text):
        words.append(
            f"The page holds the first {packed.characters:,} of "
            f"{len(inspection.text):,} characters."
        )
    return " ".join(words)


def _asset(name: str) -> str:
    folder = files("lstm_textgen.report") / "page"
    return (folder / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    """As a content security policy names an inline script or style."""
    found = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(found).decode('ascii')}"
