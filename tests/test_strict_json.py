"""JSON that strangers write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.strict_json import canonical, parse

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(values)
def test_canonical_text_is_json_and_unique(value):
    """A value comes back from its one ASCII text."""
    text = canonical(value)

    assert parse(text) == json.loads(text) == value
    assert canonical(parse(text)) == text
    assert text.isascii()


def test_canonical_text_by_hand():
    """Keys are sorted, there are no spaces, and letters beyond ASCII are escaped."""
    assert canonical({"b": [1, 2.5], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5]}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a': 1}",
        '{"a":1,"a":1}',
        '{"b":{"a":1,"\\u0061":2}}',
        "NaN",
        "1e400",
        '{"a":[-1e999]}',
        "[-Infinity]",
        '"\\ud800"',
        '{"\\udfff":1}',
        "[" * 34 + "]" * 34,
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
    ],
    ids=lambda text: text[:20],
)
def test_what_is_refused(text):
    """Broken, ambiguous, endless and unwritable JSON is a ValueError, nothing worse."""
    with pytest.raises(ValueError, match=r".+"):
        parse(text)
