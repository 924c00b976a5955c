"""The program beside a small hub."""

import pytest

from tests.cli.hub.server import running_hub


@pytest.fixture(scope="module")
def module_hub():
    """Not for the session: other tests fork, which goes badly with threads."""
    with running_hub() as hub:
        yield hub


@pytest.fixture
def hub(module_hub):
    """An empty hub that behaves."""
    module_hub.reset()
    return module_hub


@pytest.fixture
def env(hub, tmp_path):
    """Alice's login at that hub, her own cache, and no pauses between retries."""
    return {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DOWNLOAD_TIMEOUT": "60",  # a busy machine may take more than 10 s
        "HF_HUB_ETAG_TIMEOUT": "60",
        "HF_TOKEN": "hf_alice",
        "TESTS_DO_NOT_WAIT": "1",
    }


@pytest.fixture
def shared(hub, trained):
    """The trained model as alice/book: the hash of the commit."""
    files = {
        "model.safetensors": trained.model.read_bytes(),
        "config.json": b'{"library": "lstm-textgen"}\n',
        "README.md": b"# book\n",
    }
    return hub.seed("alice/book", files)


@pytest.fixture
def files_left(textgen, tmp_path):
    """Lists the files of a test, but for the cache, and the streams of the program."""

    def list_files():
        known = {tmp_path / "hf", tmp_path / "here.streams"}
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return [path for path in files if not known & set(path.parents)]

    return list_files
