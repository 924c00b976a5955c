"""A web server on the loopback interface that misbehaves when a test asks it to."""

import contextlib
import hashlib
import re
import socket
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = b"".join(b"%d green bottles\n" % n for n in range(600))

OTHER = TEXT[::-1]
"""Another text of the same length."""


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def names_in(folder):
    """The files in a folder but for locks, which stay on some systems."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


class QuietServer(ThreadingHTTPServer):
    """A server on a free port; that a client hangs up is part of the tests."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass

    @contextlib.contextmanager
    def running(self):
        """Respond until the block ends."""
        thread = threading.Thread(target=self.serve_forever, args=[0.01])
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass


class Loopback(QuietServer):
    """
    Serves `files` by path. `moods` says how to answer the next requests.

    `requests` holds (path, headers) of each request, `sent` the bytes of all bodies.
    """

    def __init__(self):
        super().__init__(Handler)
        self.files = {}
        self.moods = deque()
        self.default_mood = "fine"
        self.cut_at = 1000
        self.requests = []
        self.sent = 0
        self.released = threading.Event()


@contextlib.contextmanager
def loopback_server():
    """A server without files, until the block ends."""
    with Loopback() as server, server.running():
        try:
            yield server
        finally:
            server.released.set()


class Handler(QuietHandler):
    """
    Answers in a mood: a status, `to ADDRESS` for a redirect, or one of these words.

    `silent` never answers; `untagged` sends no ETag, `html` calls the file a page;
    `rangeless` ignores a range; `chunked` sends pieces without a length; `cut` and
    `chunked cut` close the connection early, and so does `endless`, without a length.
    """

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers))
        mood = server.moods.popleft() if server.moods else server.default_mood
        self.close_connection = True
        if mood.isdigit():
            self.send_error(int(mood))
        elif mood.startswith("to "):
            self.send_head(302, {"Location": mood.removeprefix("to ")}, length=0)
        elif mood == "silent":
            server.released.wait(10)
        else:
            self.send_content(server.files[self.path], mood)

    def send_head(self, status, headers, *, length):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_content(self, content, mood):
        size = len(content)
        start = self.requested_start(content, mood)
        if start is not None and start >= size:
            return self.send_head(416, {"Content-Range": f"bytes */{size}"}, length=0)
        headers = {} if mood == "untagged" else {"ETag": etag_of(content)}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if mood == "html":
            headers["Content-Type"] = "text/html; charset=utf-8"
        if mood.startswith("chunked"):
            headers["Transfer-Encoding"] = "chunked"
        body = content[start or 0 :]
        length = None if mood in ("chunked", "chunked cut", "endless") else len(body)
        self.send_head(200 if start is None else 206, headers, length=length)
        return self.send_body(body, mood)

    def requested_start(self, content, mood):
        """The first byte of the requested range; None for all of the file."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        is_current = self.headers.get("If-Range", etag_of(content)) == etag_of(content)
        return int(match[1]) if match and is_current and mood != "rangeless" else None

    def send_body(self, body, mood):
        is_cut = mood in ("cut", "chunked cut", "endless")
        piece = body[: self.server.cut_at] if is_cut else body
        # before the client can have it all and look
        self.server.sent += len(piece)
        if mood.startswith("chunked"):
            for at in range(0, len(piece), 500):
                block = piece[at : at + 500]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        else:
            self.wfile.write(piece)
        if mood == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if is_cut:
            self.connection.shutdown(socket.SHUT_WR)


def etag_of(content):
    return f'"{hashlib.sha1(content).hexdigest()}"'
