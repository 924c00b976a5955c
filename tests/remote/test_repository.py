"""Names of models on a hub."""

import pytest

from lstm_textgen.errors import ConfigError
from lstm_textgen.remote.repository import Repository, is_on_hub, parse_repository

INVALID_NAMES = [
    "",
    "alice",
    "alice/",
    "/fables",
    "a/b/c",
    "../b",
    "a/..",
    "a/b..c",
    "a/b--c",
    "-a/b",
    "a/b.",
    "a/b.git",
    "é/b",
    "hf:///b",
    "https://huggingface.co/a/b",
    "a b/c",
    "a/b\n",
    "a/" + "b" * 97,
]

INVALID_REVISIONS = ["a/b@", "a/b@../c", "a/b@/c", "a/b@c d", "a/b@c@d"]


@pytest.mark.parametrize(
    ("argument", "name", "revision"),
    [
        ("alice/fables", "alice/fables", None),
        ("hf://alice/fables", "alice/fables", None),
        ("alice/fables@v1.0", "alice/fables", "v1.0"),
        ("hf://A-l_1.x/f.2@refs/pr/3", "A-l_1.x/f.2", "refs/pr/3"),
        ("a/b@" + "0f" * 20, "a/b", "0f" * 20),
    ],
)
def test_a_name_and_its_revision(argument, name, revision):
    """With the prefix or without; what is written can be parsed again."""
    repository = parse_repository(argument)

    assert repository == Repository(name, revision)
    assert parse_repository(str(repository)) == repository
    assert repository.short_name == name.split("/")[1]


@pytest.mark.parametrize("argument", [*INVALID_NAMES, *INVALID_REVISIONS])
def test_invalid_names(argument):
    """Two parts of ASCII letters, digits, dots, hyphens and underscores, no more."""
    with pytest.raises(ConfigError) as caught:
        parse_repository(argument)

    assert repr(argument) in caught.value.problem


def test_only_the_prefix_makes_a_name_of_the_hub():
    """A file may have any other name."""
    assert is_on_hub("hf://alice/fables")
    assert is_on_hub("hf://")
    assert not is_on_hub("alice/fables")
