"""Foreign text in a page stays text."""

import base64
import hashlib
import json

import pytest

from lstm_textgen.ui.html import (
    asset,
    csp_digest,
    escape_text,
    fill_template,
    json_in_html,
)


def test_foreign_text_opens_no_element_and_steers_nothing():
    """Markup, quotes and control characters are all taken care of."""
    escaped = escape_text('<b a="\'">&\x1b[2J\u202e')

    assert escaped == "&lt;b a=&quot;&#x27;&quot;&gt;&amp;\ufffd[2J\ufffd"


def test_json_ends_no_script_and_means_the_same():
    """Whatever is in it, no `<` is written, and a parser reads it back."""
    value = {"text": "</script><!-- é\u2028", "list": [1, None, "<"]}
    encoded = json_in_html(value)

    assert "<" not in encoded
    assert encoded.isascii()
    assert json.loads(encoded) == value


def test_json_holds_no_nan():
    """JavaScript's parser knows no NaN, so it is refused here."""
    with pytest.raises(ValueError, match="JSON"):
        json_in_html([float("nan")])


def test_a_digest_is_that_of_the_content():
    """SHA-256 of the UTF-8 bytes, in base64 and quotes."""
    digest = hashlib.sha256("é".encode()).digest()

    assert csp_digest("é") == f"'sha256-{base64.b64encode(digest).decode()}'"


def test_what_is_filled_in_is_not_filled_again():
    """A title that looks like a place of the template stays a title."""
    filled = fill_template("{{a}}-{{b}}-{{a}}", {"a": "{{b}}", "b": r"\1"})

    assert filled == r"{{b}}-\1-{{b}}"


def test_a_place_without_a_value_is_our_mistake():
    """A template never reaches a browser half filled."""
    with pytest.raises(KeyError, match="b"):
        fill_template("{{a}}{{b}}", {"a": ""})


def test_files_of_the_package_are_read():
    """As UTF-8 text, from a wheel too."""
    assert "{{title}}" in asset("inspect", "page/page.html")
