"""
One HTML page in which a model generates text: no server, no network, no other file.

The weights are in the page in 8 bits, and plain JavaScript steps the model. The page is
assembled from the files in `export/webpage`. A checkpoint is untrusted: what it says
enters as escaped text or as JSON, and a policy names the one script that may run by its
digest.
"""

import base64

from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import CheckpointError
from lstm_textgen.export.arrays import packed_int8
from lstm_textgen.ui import model_facts
from lstm_textgen.ui.html import (
    asset,
    csp_digest,
    escape_text,
    fill_template,
    json_in_html,
)

SCRIPTS = ("network.js", "writer.js", "page.js")

MAX_PARAMETERS = 100_000_000
"""With more, a browser has trouble with the page."""


def page_bytes(checkpoint: Checkpoint) -> bytes:
    """
    The page, as UTF-8. The same model gives the same bytes.

    Raises:
        CheckpointError: The model is too large for a page.
    """
    count = parameter_count(checkpoint.model, checkpoint.tokenizer.size)
    if count > MAX_PARAMETERS:
        raise CheckpointError(
            f"The model has {count:,} weights, and a page holds {MAX_PARAMETERS:,}.",
            "Take --format onnx or npz.",
        )
    places, weights = packed_int8(checkpoint)
    metadata = to_metadata(checkpoint)
    about = {
        "model": metadata["model"],
        "vocabulary": metadata["vocabulary"],
        "weights": places,
    }
    script, style = "\n".join(map(_file, SCRIPTS)), _file("page.css")
    values = {
        "title": escape_text(model_facts.title(checkpoint)),
        "headline": escape_text(model_facts.headline(checkpoint)),
        "facts": _fact_list(checkpoint),
        "temperature": f"{SampleConfig().temperature:g}",
        "about": json_in_html(about),
        "weights": base64.b64encode(weights).decode("ascii"),
        "script": script,
        "script_digest": csp_digest(script),
        "style": style,
        "style_digest": csp_digest(style),
    }
    return fill_template(_file("page.html"), values).encode("utf-8")


def _file(name: str) -> str:
    return asset("export", f"webpage/{name}")


def _fact_list(checkpoint: Checkpoint) -> str:
    """Rows of a definition list: what `textgen info` says about the model."""
    return "\n".join(
        f"<dt>{escape_text(name)}</dt><dd>{escape_text(value)}</dd>"
        for name, value in model_facts.model_facts(checkpoint)
    )
