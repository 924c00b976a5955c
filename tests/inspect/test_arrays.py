"""An inspection as JSON and arrays."""

import pytest

from lstm_textgen.errors import ConfigError
from lstm_textgen.inspect import arrays
from lstm_textgen.inspect.inspection import inspect_text
from lstm_textgen.text.tokenizer import CharTokenizer


def test_too_much_for_json_is_refused_before_it_is_made(monkeypatch, make_model):
    """JSON of all units of a long text would fill a disk."""
    inspection = inspect_text(make_model(), CharTokenizer("abcde"), "abcde" * 4)
    monkeypatch.setattr(arrays, "MAX_JSON_NUMBERS", 4 * 20 * 6 - 1)

    with pytest.raises(ConfigError, match="480"):
        arrays.inspection_json(inspection, inspection.units_of())
    assert arrays.inspection_json(inspection, [(0, 1)])["units"] == ["0:1"]
