"""
A small hub, as a process of its own: what its client needs to send and fetch models.

It prints its port, serves on the loopback interface, and ends with its stdin. It keeps
everything in memory. Tests tell it at `/_test/...` how to misbehave:

    step      what the client is doing: create, yaml, preupload, batch, upload,
              verify, commit, info, tree, head, get
    mood      how to answer: a status such as 403, or one of the words below
    times     how often; afterwards the step is done as it should be

`drop` hangs up in the middle of the question, without an answer; `html` answers with a
page, `loop` with a redirect to itself. Where a file is sent, `flipped` changes its
last byte, `short` and `long` change its length and say so, `cut` hangs up half way,
`endless` goes on with zeros and `bomb` is a small body that unpacks to as many.
`up` puts a path that leads out of the folder wherever the protocol has room for one.
Asked about `yaml`, the head of a page, `refuse` and `warn` answer with words that would
clear a terminal.
"""

import base64
import gzip
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS = {"hf_alice": "alice", "hf_bob": "bob"}
PAGE = b"<!doctype html><html><body>Please log in to this network.</body></html>"
MANY = 2**26
"""Bytes of an endless body: so few that no disk is filled if nobody stops it."""
UP = "../../../../evil"
REPO = r"(?P<name>[^/]+/[^/]+)"

ROUTES = [
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "yaml"),
    ("POST", rf"/api/models/{REPO}/preupload/(?P<revision>[^/?]+)", "preupload"),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", r"/_store/(?P<oid>[0-9a-f]+)", "upload"),
    ("POST", r"/_verify", "verify"),
    ("POST", rf"/api/models/{REPO}/commit/(?P<revision>[^/?]+)", "commit"),
    ("GET", rf"/api/models/{REPO}/tree/(?P<revision>[^/?]+)", "tree"),
    ("GET", rf"/api/models/{REPO}(?:/revision/(?P<revision>[^/?]+))?", "info"),
    ("HEAD", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "head"),
    ("GET", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "redirect"),
    ("GET", r"/_store/(?P<oid>[0-9a-f]+)", "get"),
    ("POST", r"/_test/mood", "test_mood"),
    ("POST", r"/_test/reset", "test_reset"),
    ("POST", r"/_test/seed", "test_seed"),
    ("GET", r"/_test/state", "test_state"),
]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_oid(data):
    """The name that git gives to a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(path):
    """Whether a file is kept apart, as a hub does with everything large."""
    return path.endswith(".safetensors")


def oid_of(path, data):
    return sha256(data) if is_large(path) else git_oid(data)


class World:
    """Everything that is kept: repositories, large files, moods, what was asked."""

    elsewhere = ""
    """Large files come from another server than the rest, as hubs have it."""

    def __init__(self):
        self.repositories = {}
        self.stored = {}
        self.moods = {}
        self.log = []
        self.lock = threading.Lock()

    def mood(self, step):
        """How to answer this time."""
        with self.lock:
            mood, times = self.moods.get(step, ("", 0))
            if times <= 0:
                return ""
            self.moods[step] = (mood, times - 1)
            return mood

    def commit(self, name, message, files):
        """Add a commit whose files are those before and *files*; its name."""
        commits = self.repositories[name]["commits"]
        before = commits[-1]["files"] if commits else {}
        tree = {**before, **files}
        told = json.dumps([len(commits), message, sorted(tree)]).encode()
        oid = hashlib.sha1(told + b"".join(tree[path] for path in sorted(tree)))
        commits.append({"oid": oid.hexdigest(), "message": message, "files": tree})
        return oid.hexdigest()

    def find(self, name, revision):
        """A commit by its name or as the newest; None if there is none."""
        commits = self.repositories[name]["commits"]
        if revision in (None, "main"):
            return commits[-1] if commits else None
        return next((c for c in commits if c["oid"] == revision), None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = World()

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.dispatch()

    do_HEAD = do_POST = do_PUT = do_GET

    def dispatch(self):
        for method, pattern, step in ROUTES:
            found = re.fullmatch(pattern, self.path.partition("?")[0])
            if found and method == self.command:
                return self.answer(step, **found.groupdict())
        self.close_connection = True  # what was sent is not read
        return self.fail(404, "Not here")

    def answer(self, step, **words):
        size = int(self.headers.get("Content-Length", 0))
        mood = self.world.mood(step)
        self.body = self.rfile.read(size // 2 if mood == "drop" else size)
        if step.startswith("test_"):
            return getattr(self, step)()
        self.world.log.append({"step": step, "path": self.path, "user": self.user})
        if mood.isdigit():
            return self.fail(int(mood), "As you wish")
        if mood == "drop":
            return self.drop(b"")
        if mood == "html":
            return self.send(200, PAGE, {"Content-Type": "text/html"})
        if mood == "loop":
            return self.send(302, b"", {"Location": self.path})
        name = words.get("name")
        if name is not None:
            repository = self.world.repositories.get(name)
            if repository is None or (repository["private"] and not self.owns(name)):
                return self.fail(404 if self.user else 401, "Repository not found")
        writes = step in ("preupload", "batch", "commit")
        if writes and not self.owns(name):
            return self.fail(403 if self.user else 401, "You may not write here")
        return getattr(self, step)(mood, **words)

    @property
    def user(self):
        return TOKENS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def owns(self, name):
        return self.user is not None and name.partition("/")[0] == self.user

    # sending

    def create(self, mood):
        asked = json.loads(self.body)
        owner = asked.get("organization") or self.user
        name = f"{owner}/{asked['name']}"
        if self.user is None:
            return self.fail(401, "Log in first")
        if not self.owns(name):
            return self.fail(403, "You may not write here")
        if name in self.world.repositories:
            return self.fail(409, "It is there already", url=f"{self.address}/{name}")
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.world.repositories[name] = {"private": private, "commits": []}
        return self.send_json({"url": f"{self.address}/{name}", "name": name})

    def yaml(self, mood):
        told = [{"message": "\x1b[2Jlanguage is odd"}]
        if mood == "refuse":
            return self.send_json({"errors": told, "warnings": []}, 400)
        warnings = told if mood == "warn" else []
        return self.send_json({"errors": [], "warnings": warnings})

    def preupload(self, mood, name, revision):
        newest = self.world.find(name, None)
        there = newest["files"] if newest else {}
        answers = [
            {
                "path": path,
                "uploadMode": "lfs" if is_large(path) else "regular",
                "shouldIgnore": False,
                "oid": oid_of(path, there[path]) if path in there else None,
            }
            for path in (file["path"] for file in json.loads(self.body)["files"])
        ]
        return self.send_json({"files": answers})

    def batch(self, mood, name):
        asked = json.loads(self.body)
        objects = []
        for each in asked["objects"]:
            answer = {"oid": each["oid"], "size": each["size"], "authenticated": True}
            if each["oid"] not in self.world.stored:
                store = f"{self.address}/_store/{each['oid']}"
                verify = f"{self.address}/_verify"
                answer["actions"] = {
                    "upload": {"href": store},
                    "verify": {"href": verify},
                }
            objects.append(answer)
        return self.send_json({"transfer": "basic", "objects": objects})

    def upload(self, mood, oid):
        if sha256(self.body) != oid:
            return self.fail(400, "Not these bytes")
        self.world.stored[oid] = self.body
        return self.send(200, b"", {"ETag": f'"{oid}"'})

    def verify(self, mood):
        stored = json.loads(self.body)["oid"] in self.world.stored
        return self.send_json({}) if stored else self.fail(404, "Not here")

    def commit(self, mood, name, revision):
        message, files = "", {}
        for line in self.body.splitlines():
            part = json.loads(line)
            value = part["value"]
            if part["key"] == "header":
                message = value["summary"]
            elif part["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif part["key"] == "lfsFile":
                if value["oid"] not in self.world.stored:
                    return self.fail(400, "That file has not arrived")
                files[value["path"]] = self.world.stored[value["oid"]]
        oid = self.world.commit(name, message, files)
        url = f"{self.address}/{name}/commit/{oid}"
        return self.send_json({"success": True, "commitOid": oid, "commitUrl": url})

    # fetching

    def info(self, mood, name, revision=None):
        commit = self.world.find(name, revision)
        if commit is None and revision not in (None, "main"):
            return self.fail(404, "No such revision", code="RevisionNotFound")
        files = commit["files"] if commit else []
        return self.send_json(
            {
                "id": name,
                "modelId": name,
                "sha": commit and commit["oid"],
                "private": self.world.repositories[name]["private"],
                "tags": [],
                "siblings": [{"rfilename": path} for path in files],
            }
        )

    def tree(self, mood, name, revision):
        commit = self.world.find(name, revision)
        if commit is None:
            return self.fail(404, "No such revision", code="RevisionNotFound")
        entries = [
            {"type": "file", "path": path, "size": len(data), "oid": git_oid(data)}
            for path, data in commit["files"].items()
        ]
        return self.send_json(entries)

    def head(self, mood, name, revision, path):
        return self.resolve(mood, name, revision, path)

    def redirect(self, mood, name, revision, path):
        return self.resolve(mood, name, revision, path)

    def resolve(self, mood, name, revision, path):
        commit = self.world.find(name, revision)
        if commit is None:
            return self.fail(404, "No such revision", code="RevisionNotFound")
        if path not in commit["files"]:
            return self.fail(404, "No such file", code="EntryNotFound")
        data = commit["files"][path]
        oid = UP if mood == "up commit" else commit["oid"]
        headers = {"X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        etag = UP if mood == "up etag" else oid_of(path, data)
        if not is_large(path):
            return self.send_file("", data, headers | {"ETag": f'"{etag}"'})
        self.world.stored[sha256(data)] = data
        size = 3 << 30 if mood == "huge" else len(data)
        headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(size)}
        headers["Location"] = f"{self.world.elsewhere}/_store/{sha256(data)}"
        headers["Location"] += f"?name={UP}" if mood == "up" else ""
        return self.send(302, b"", headers)

    def get(self, mood, oid):
        headers = {"ETag": f'"{oid}"'}
        if mood == "up":
            headers["Content-Disposition"] = f'attachment; filename="{UP}"'
        return self.send_file(mood, self.world.stored[oid], headers)

    def send_file(self, mood, data, headers):
        if mood == "flipped":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if mood == "short":
            data = data[:-10]
        if mood == "long":
            data += b"ten bytes."
        if mood == "bomb":
            data = gzip.compress(bytes(MANY))
            headers["Content-Encoding"] = "gzip"
        if mood == "endless":
            return self.go_on_and_on(headers)
        if mood == "page":
            data = PAGE + b" " * (len(data) - len(PAGE))
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        if found:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.send(
            206 if found else 200, data[start:], headers, cut=(mood == "cut")
        )

    # answering

    def send(self, status, body, headers=(), *, cut=False):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        return self.drop(body[: len(body) // 2]) if cut else self.wfile.write(body)

    def go_on_and_on(self, headers):
        """A body without a length, until nobody listens any more."""
        self.send_response(200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(MANY // 2**16):
            self.wfile.write(b"10000\r\n" + bytes(2**16) + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def send_json(self, value, status=200):
        body = json.dumps(value).encode()
        self.send(status, body, {"Content-Type": "application/json"})

    def fail(self, status, words, *, code="", **more):
        code = code or {401: "", 404: "RepoNotFound"}.get(status, "")
        headers = {"Content-Type": "application/json", "X-Error-Message": words}
        headers |= {"X-Error-Code": code} if code else {}
        self.send(status, json.dumps({"error": words} | more).encode(), headers)

    def drop(self, beginning):
        """Send a part, and hang up."""
        self.wfile.write(beginning)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)

    # what tests ask

    def test_mood(self):
        asked = json.loads(self.body)
        self.world.moods[asked["step"]] = (asked["mood"], asked["times"])
        self.send_json({})

    def test_reset(self):
        Handler.world = World()
        self.send_json({})

    def test_seed(self):
        """Put files into a repository that nobody pushed."""
        asked = json.loads(self.body)
        fresh = {"private": asked["private"], "commits": []}
        self.world.repositories.setdefault(asked["name"], fresh)
        files = {k: base64.b64decode(v) for k, v in asked["files"].items()}
        self.send_json({"oid": self.world.commit(asked["name"], "Seed", files)})

    def test_state(self):
        repositories = {
            name: {
                "private": each["private"],
                "commits": [
                    {
                        "oid": commit["oid"],
                        "message": commit["message"],
                        "files": {
                            path: base64.b64encode(data).decode()
                            for path, data in commit["files"].items()
                        },
                    }
                    for commit in each["commits"]
                ],
            }
            for name, each in self.world.repositories.items()
        }
        self.send_json({"repositories": repositories, "log": self.world.log})


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""


if __name__ == "__main__":
    with (
        Server(("127.0.0.1", 0), Handler) as server,
        Server(("127.0.0.1", 0), Handler) as elsewhere,
    ):
        for each in (server, elsewhere):
            threading.Thread(target=each.serve_forever, daemon=True).start()
        World.elsewhere = f"http://localhost:{elsewhere.server_port}"
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()
        elsewhere.shutdown()
