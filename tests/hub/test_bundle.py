"""What a push may be asked for."""

import pytest

from lstm_textgen.errors import ConfigError
from lstm_textgen.hub.bundle import PushConfig
from lstm_textgen.remote.repository import Repository


@pytest.mark.parametrize("language", ["EN", "éé", "e", "engl", "e1", ""])
def test_a_language_is_a_code_of_two_or_three_letters(language):
    """The hub would refuse anything else, or show it as no language."""
    with pytest.raises(ConfigError) as caught:
        PushConfig(repository=Repository("alice/book"), language=language)

    assert repr(language) in caught.value.problem
