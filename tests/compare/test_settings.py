"""What may be wished, and what an error says about the rest."""

import pytest

from lstm_textgen.compare.design import CompareConfig
from lstm_textgen.errors import ConfigError


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"cells": ("rnn", "rnn")}, "names each once"),
        ({"cells": ()}, "one or more"),
        ({"tasks": ("recall",)}, "'recall'"),
        ({"minutes": 0.0}, "above 0"),
        ({"minutes": float("nan")}, "above 0"),
        ({"seeds": 0}, "from 1 to 100"),
        ({"hidden": 1}, "from 2 to 2048"),
    ],
)
def test_what_is_out_of_range_is_refused(wish, words):
    """The error names the value or what is allowed."""
    with pytest.raises(ConfigError, match=words):
        CompareConfig(**wish)
