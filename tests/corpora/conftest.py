"""A loopback web server that serves files and misbehaves when told to."""

import hashlib
import re
import socket
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Loopback(ThreadingHTTPServer):
    """
    Serves `files` by path. `moods` says how to answer the next requests.

    `requests` holds (path, headers) of each, `sent` the bytes of all bodies.
    """

    daemon_threads = True
    block_on_close = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.moods = deque()
        self.always = "fine"
        self.cut_at = 1000
        self.requests = []
        self.sent = 0
        self.released = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers))
        mood = server.moods.popleft() if server.moods else server.always
        self.close_connection = True
        if mood.isdigit():
            self.send_error(int(mood))
        elif mood.startswith("to "):
            self.send_response(302)
            self.send_header("Location", mood.removeprefix("to "))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif mood == "silent":
            server.released.wait(10)
        else:
            self.serve(server.files[self.path], mood)

    def serve(self, content, mood):
        start, status = self.wanted_range(content, mood)
        if start > len(content) or (start and start == len(content)):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(status)
        if mood != "untagged":
            self.send_header("ETag", etag_of(content))
        if status == 206:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", whole)
        if mood == "html":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        body = content[start:]
        if mood.startswith("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
        elif mood != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(body, mood)

    def wanted_range(self, content, mood):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range", etag_of(content)) == etag_of(content)
        if found and current and mood != "rangeless":
            return int(found[1]), 206
        return 0, 200

    def send_body(self, body, mood):
        cut = mood in ("cut", "chunked cut", "endless")
        piece = body[: self.server.cut_at] if cut else body
        if mood.startswith("chunked"):
            for at in range(0, len(piece), 500):
                block = piece[at : at + 500]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        else:
            self.wfile.write(piece)
        self.server.sent += len(piece)
        if mood == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if cut:
            self.connection.shutdown(socket.SHUT_WR)


def etag_of(content):
    return f'"{hashlib.sha1(content).hexdigest()}"'


@pytest.fixture
def server(monkeypatch):
    """A fresh server; proxies of the environment are out of the way."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TEXTGEN_CORPORA_ADDRESS", raising=False)
    with Loopback() as loopback:
        thread = threading.Thread(
            target=loopback.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield loopback
        loopback.released.set()
        loopback.shutdown()
        thread.join()


@pytest.fixture
def unhurried(monkeypatch):
    """Fail a test that sleeps: it must not retry."""

    def sleep(seconds):
        raise AssertionError(f"slept {seconds} s")

    monkeypatch.setattr(time, "sleep", sleep)
