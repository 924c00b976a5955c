"""The cache of the hub's client, which belongs to other programs too."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tests.forging import take_apart


def test_a_cache_that_cannot_be_written(textgen, hub, env, shared):
    """A file stands where HF_HOME should be: the error names that variable."""
    blocked = env | {"HF_HOME": str(textgen.write("file", "x") / "hf")}

    textgen("pull", "alice/book", env=blocked).assert_refused(74, "HF_HOME")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "127.0.0.1:9"),
    ],
)
def test_without_a_network_the_cache_is_enough(
    textgen, hub, env, shared, change, value
):
    """HF_HUB_OFFLINE says so, or nobody responds; what is not there is refused."""
    pull = ("pull", "alice/book", "--json", "-o")
    sample = ("sample", "hf://alice/book", "-n", "50", "--seed", "1")
    offline = env | change
    first = textgen(*pull, "first", env=env).json
    second = textgen(*pull, "second", env=offline).json
    online_text, cached_text = (textgen(*sample, env=e).stdout for e in (env, offline))

    assert first["commit"] == second["commit"] == shared
    assert len(online_text) >= 50
    assert cached_text == online_text
    textgen("sample", "hf://alice/other", env=offline).assert_refused(69, value)


@pytest.fixture
def in_cache(textgen, hub, env):
    """Downloads a model as any other program does; its path in the cache."""

    def download(name):
        code = (
            "import sys; from huggingface_hub import hf_hub_download; "
            f"sys.stdout.write(hf_hub_download({name!r}, 'model.safetensors'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=textgen.environment | env | {"HF_HUB_DISABLE_XET": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(done.stdout)

    return download


@pytest.mark.parametrize("kind", ["foreign", "newer"])
def test_what_other_programs_have_in_the_cache_stays(
    textgen, hub, env, trained, in_cache, kind
):
    """
    A model of another program, or for a newer version of ours, is refused and stays.

    The cache is shared. A foreign model was once deleted from it, to be downloaded
    again, though the hub has these very bytes.
    """
    newer = take_apart(trained.model.read_bytes()).changed(format=9, min_reader=9)
    content, value = {
        "foreign": (safetensors.numpy.save({"weight": np.ones(3)}), "hf://alice/other"),
        "newer": (newer.sealed(), "format 9"),
    }[kind]
    hub.seed("alice/other", {"model.safetensors": content})
    path = in_cache("alice/other")

    textgen("sample", "hf://alice/other", env=env).assert_refused(65, value)
    assert path.read_bytes() == content


def test_what_was_damaged_in_the_cache_is_downloaded_again(
    textgen, hub, env, trained, shared, in_cache
):
    """Whoever downloaded it: the bytes are not those of the digest in its name."""
    path = in_cache("alice/book").resolve()
    content = trained.model.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    words = ("sample", "hf://alice/book", "-n", "9")

    textgen(*words, env=env).assert_refused(65, "hf://alice/book")
    assert textgen(*words, env=env).code == 0
