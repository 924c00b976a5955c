"""
One page of HTML in which a model writes: no server, no network, nothing beside it.

The model lies in the page in 8 bits and is stepped by plain JavaScript. The files of
`export/webpage` are put together here. What a checkpoint says is a stranger's
word: it enters as escaped text or as JSON, and the page runs no script but its own, by
digest.
"""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import CheckpointError
from lstm_textgen.export.arrays import packed_int8
from lstm_textgen.ui import model_facts as card
from lstm_textgen.ui.terminal import sanitize

PARTS = Path(__file__).with_name("webpage")

SCRIPTS = ("network.js", "writer.js", "page.js")

LARGEST = 100_000_000
"""Weights beyond which a browser has trouble with the page."""


def page_bytes(checkpoint: Checkpoint) -> bytes:
    """
    The page, as UTF-8. The same model gives the same bytes.

    Raises:
        CheckpointError: The model is too large for a page.
    """
    count = parameter_count(checkpoint.model, checkpoint.tokenizer.size)
    if count > LARGEST:
        raise CheckpointError(
            f"The model has {count:,} weights, and a page holds {LARGEST:,}.",
            "Take --format onnx or npz.",
        )
    places, data = packed_int8(checkpoint)
    described = to_metadata(checkpoint)
    about = {key: described[key] for key in ("model", "vocabulary")}
    script, style = "\n".join(map(_file, SCRIPTS)), _file("page.css")
    parts = {
        "title": _text(card.title(checkpoint)),
        "headline": _text(card.headline(checkpoint)),
        "facts": "\n".join(map(_fact, card.model_facts(checkpoint))),
        "temperature": f"{SampleConfig().temperature:g}",
        "about": _json({**about, "weights": places}),
        "weights": base64.b64encode(data).decode("ascii"),
        "script": script,
        "script-digest": _digest(script),
        "style": style,
        "style-digest": _digest(style),
    }
    # in one go: what is put in is not looked through again
    page = re.sub(r"\{\{([a-z-]+)\}\}", lambda m: parts[m[1]], _file("page.html"))
    return page.encode("utf-8")


def _file(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _fact(fact: tuple[str, str]) -> str:
    name, value = map(_text, fact)
    return f"<dt>{name}</dt><dd>{value}</dd>"


def _text(text: str) -> str:
    """As text of a page, whatever it holds."""
    return html.escape(sanitize(text))


def _json(value: object) -> str:
    """JSON that cannot end the element in which it stands."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _digest(text: str) -> str:
    """How a page names a script or a style that it allows."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
