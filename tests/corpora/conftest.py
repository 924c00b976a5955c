"""A web server that has a text."""

import time

import pytest

from tests.loopback import TEXT, loopback_server


@pytest.fixture
def server(monkeypatch):
    """A fresh server that has TEXT; proxies of the environment are out of the way."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TEXTGEN_CORPORA_ADDRESS", raising=False)
    with loopback_server() as server:
        server.files["/text"] = TEXT
        yield server


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, of which none takes any time."""
    pauses_s = []
    monkeypatch.setattr(time, "sleep", pauses_s.append)
    return pauses_s
