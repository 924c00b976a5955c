"""The hub's own cache, which belongs to other programs too."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tests.forging import take_apart


def test_a_cache_that_cannot_be_written(textgen, hub, env, shared):
    """A file stands where HF_HOME should be: the disk is to blame, and it is named."""
    blocked = env | {"HF_HOME": str(textgen.write("file", "x") / "hf")}
    refused = textgen("pull", "alice/book", env=blocked)

    refused.assert_refused(74, "HF_HOME")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"HF_HUB_OFFLINE": "1"}, ["alice/other", "HF_HUB_OFFLINE"]),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, ["127.0.0.1:9", "network"]),
    ],
)
def test_without_a_network_the_cache_is_enough(
    textgen, hub, env, shared, change, words
):
    """Told so by HF_HUB_OFFLINE, or because nobody answers."""
    textgen("pull", "alice/book", "-o", "first", env=env)
    sample = ("sample", "hf://alice/book", "-n", "50", "--seed", "1")
    drawn = textgen(*sample, env=env)
    redrawn = textgen(*sample, env=env | change)
    pulled = textgen("pull", "alice/book", "-o", "second", env=env | change)
    absent = textgen("sample", "hf://alice/other", env=env | change)

    assert drawn.code == 0, drawn.stderr
    assert redrawn.stdout == drawn.stdout
    assert pulled.code == 0, pulled.stderr
    assert f"is commit {shared}" in pulled.stderr
    absent.assert_refused(69, *words)


@pytest.fixture
def in_cache(textgen, hub, env):
    """Fetches a file as any other program does; where the cache shows it."""

    def fetch(name):
        code = (
            "import sys; from huggingface_hub import hf_hub_download as get; "
            f"sys.stdout.write(get({name!r}, 'model.safetensors'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=textgen.environment | env | {"HF_HUB_DISABLE_XET": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(done.stdout)

    return fetch


def test_what_other_programs_have_in_the_cache_stays(textgen, hub, env, in_cache):
    """
    A model that is not one of ours is refused, and theirs all the same.

    The cache is shared. A foreign model was once deleted from it, to be fetched anew,
    though the hub has these very bytes.
    """
    foreign = safetensors.numpy.save({"weight": np.ones(3)})
    hub.seed_files("alice/other", {"model.safetensors": foreign})
    there = in_cache("alice/other")
    refused = textgen("sample", "hf://alice/other", env=env)

    refused.assert_refused(65, "model.safetensors of hf://alice/other", "the hub has")
    assert there.read_bytes() == foreign


def test_a_model_for_a_newer_program_stays_in_the_cache(
    textgen, hub, env, trained, in_cache
):
    """It is whole, and the remedy is to upgrade."""
    newer = take_apart(trained.model.read_bytes()).changed(format=9, min_reader=9)
    hub.seed_files("alice/newer", {"model.safetensors": newer.sealed()})
    there = in_cache("alice/newer")

    textgen("pull", "alice/newer", env=env).assert_refused(65, "format 9", "Upgrade")
    assert there.read_bytes() == newer.sealed()


def test_what_went_bad_in_the_cache_is_fetched_anew(
    textgen, hub, env, trained, shared, in_cache
):
    """Whoever fetched it: its bytes are not those by whose digest it is called."""
    there = in_cache("alice/book")
    good = trained.model.read_bytes()
    there.resolve().write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    refused = textgen("sample", "hf://alice/book", "-n", "9", env=env)

    refused.assert_refused(65, "sha256", "again")
    assert textgen("sample", "hf://alice/book", "-n", "9", env=env).code == 0
