"""HTML pages made of package files and of text that others wrote."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from lstm_textgen.ui.terminal import sanitize


def asset(package: str, path: str) -> str:
    """The text of a file in a package, such as `page/style.css` in `inspect`."""
    return (files(f"lstm_textgen.{package}") / path).read_text(encoding="utf-8")


def escape_text(text: str) -> str:
    """
    Escape *text* for an element or a quoted attribute.

    Control characters and changes of direction become U+FFFD.
    """
    return escape(sanitize(text))


def json_in_html(value: Any) -> str:
    """
    Encode *value* as ASCII JSON for a script element, which it cannot end: no `<`.

    Raises:
        ValueError: It holds a number that is not finite.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def csp_digest(content: str) -> str:
    """
    The source expression by which a policy allows an inline script or style.

    Source:
        Content Security Policy Level 3, section 2.3.1.
        https://www.w3.org/TR/CSP3/#framework-directive-source-list
    """
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """
    Replace every `{{name}}`. What is filled in is not searched again.

    Raises:
        KeyError: A name of the template has no value.
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)
