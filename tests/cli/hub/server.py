"""
A small hub: what its client needs to push and pull models, in memory.

Tests make it misbehave with `misbehave(step, mood, times)`:

    step      what the client is doing: create, yaml, preupload, batch, upload, commit,
              info, head, get
    mood      how to respond: a status such as 403, or one of the words below
    times     how often; afterwards the hub behaves

`drop` hangs up in the middle of the request, without a response; `html` responds with
a page, `loop` with a redirect to itself. Where a file is sent, `flipped` changes its
last byte, `short` and `long` change its length and say so, `cut` hangs up half way,
`endless` continues with zeros, `bomb` is a small body that unpacks to as many, and
`page` is HTML of the right length. `huge` states a size of 3 GiB. `up` puts a path that
leads out of the folder wherever the protocol has room for one. Asked about `yaml`, the
front matter of a card, `refuse` and `warn` respond with words that would clear a
terminal.
"""

import base64
import contextlib
import gzip
import hashlib
import json
import re
import socket

from tests.loopback import QuietHandler, QuietServer, sha256

TOKENS = {"hf_alice": "alice", "hf_bob": "bob"}

PAGE = b"<!doctype html><html><body>Please log in to this network.</body></html>"

ENDLESS_BYTES = 2**26
"""Of an endless body: too few to fill a disk if nobody stops it."""

UP = "../../../../evil"

REPO = r"(?P<name>[^/]+/[^/]+)"

FILE = r"(?P<revision>[^/]+)/(?P<path>.+)"

CHANGES = {
    "flipped": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "short": lambda data: data[:-10],
    "long": lambda data: data + b"ten bytes.",
    "page": lambda data: PAGE.ljust(len(data)),
    "bomb": lambda data: gzip.compress(bytes(ENDLESS_BYTES)),
}
"""What is sent in place of a file, by mood."""

ROUTES = [
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "yaml"),
    ("POST", rf"/api/models/{REPO}/preupload/main", "preupload"),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", r"/_store/(?P<oid>[0-9a-f]+)", "upload"),
    ("POST", rf"/api/models/{REPO}/commit/main", "commit"),
    ("GET", rf"/api/models/{REPO}(?:/revision/main)?", "info"),
    ("HEAD", rf"/{REPO}/resolve/{FILE}", "head"),
    ("GET", rf"/{REPO}/resolve/{FILE}", "redirect"),
    ("GET", r"/_store/(?P<oid>[0-9a-f]+)", "get"),
]


def is_large(path):
    """Whether a file is stored on another server, as hubs do with everything large."""
    return path.endswith(".safetensors")


def oid_of(path, data):
    """The digest by which a hub knows a file; that of git for a small one."""
    if is_large(path):
        return sha256(data)
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """Everything that the hub keeps, and what tests want to know of it."""

    def __init__(self, address, storage):
        self.address = address
        self.storage = storage
        self.reset()

    def reset(self):
        """Empty the hub, and let it behave."""
        self.repositories = {}
        self.stored = {}
        self.moods = {}
        self.log = []

    def misbehave(self, step, mood, times=1000):
        self.moods[step] = [mood] * times

    def behave(self):
        self.moods = {}

    def next_mood(self, step):
        moods = self.moods.get(step)
        return moods.pop() if moods else ""

    def seed(self, name, files, *, private=False):
        """Put files there in another way than by a push; the hash of the commit."""
        self.create(name, private=private)
        return self.commit(name, "Seed", files)

    def create(self, name, *, private):
        self.repositories.setdefault(name, {"private": private, "commits": []})

    def commit(self, name, message, files):
        """Add a commit whose files are those before and *files*; its hash."""
        tree = {**self.files(name), **files}
        commits = self.repositories[name]["commits"]
        header = json.dumps([len(commits), message, sorted(tree)]).encode()
        content = b"".join(tree[path] for path in sorted(tree))
        oid = hashlib.sha1(header + content).hexdigest()
        commits.append((oid, message, tree))
        return oid

    def commits(self, name):
        """The commits of a repository, each as its hash, its message and its files."""
        repository = self.repositories.get(name)
        return list(repository["commits"]) if repository else []

    def find(self, name, revision):
        """A commit by its hash, or the newest; None if there is none."""
        commits = self.commits(name)
        if revision == "main":
            return commits[-1] if commits else None
        return next((c for c in commits if c[0] == revision), None)

    def files(self, name):
        """The files of the newest commit."""
        commits = self.commits(name)
        return commits[-1][2] if commits else {}

    def steps(self):
        """What was requested, in its order."""
        return [step for step, _, _ in self.log]

    def users(self, step):
        """Who was logged in when a step was taken; None for nobody."""
        return {user for taken, _, user in self.log if taken == step}

    def paths(self):
        """The addresses that were requested."""
        return [path for _, path, _ in self.log]


class Handler(QuietHandler):
    def do_GET(self):
        for method, pattern, step in ROUTES:
            match = re.fullmatch(pattern, self.path.partition("?")[0])
            if match and method == self.command:
                return self.respond(step, **match.groupdict())
        self.close_connection = True  # the body is not read
        return self.fail(404, "Not here")

    do_HEAD = do_POST = do_PUT = do_GET

    def respond(self, step, **words):
        size = int(self.headers.get("Content-Length", 0))
        mood = self.hub.next_mood(step)
        self.body = self.rfile.read(size // 2 if mood == "drop" else size)
        self.hub.log.append((step, self.path, self.user))
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
            repository = self.hub.repositories.get(name)
            if repository is None or (repository["private"] and not self.owns(name)):
                return self.fail(404 if self.user else 401, "Repository not found")
        if step in ("preupload", "batch", "commit") and not self.owns(name):
            return self.fail(403 if self.user else 401, "You may not write here")
        return getattr(self, step)(mood, **words)

    @property
    def hub(self):
        return self.server.hub

    @property
    def user(self):
        return TOKENS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def owns(self, name):
        return self.user is not None and name.partition("/")[0] == self.user

    def create(self, mood):
        request = json.loads(self.body)
        name = f"{request.get('organization') or self.user}/{request['name']}"
        address = f"{self.hub.address}/{name}"
        if not self.owns(name):
            return self.fail(403 if self.user else 401, "You may not write here")
        if name in self.hub.repositories:
            return self.fail(409, "It is there already", url=address)
        is_private = request.get("private") or request.get("visibility") == "private"
        self.hub.create(name, private=bool(is_private))
        return self.send_json({"url": address, "name": name})

    def yaml(self, mood):
        messages = [{"message": "\x1b[2Jlanguage is odd"}]
        if mood == "refuse":
            return self.send_json({"errors": messages, "warnings": []}, 400)
        warnings = messages if mood == "warn" else []
        return self.send_json({"errors": [], "warnings": warnings})

    def preupload(self, mood, name):
        files = self.hub.files(name)
        answers = [
            {
                "path": path,
                "uploadMode": "lfs" if is_large(path) else "regular",
                "shouldIgnore": False,
                "oid": oid_of(path, files[path]) if path in files else None,
            }
            for path in (file["path"] for file in json.loads(self.body)["files"])
        ]
        return self.send_json({"files": answers})

    def batch(self, mood, name):
        objects = json.loads(self.body)["objects"]
        for item in objects:
            if item["oid"] not in self.hub.stored:
                store = f"{self.hub.address}/_store/{item['oid']}"
                item["actions"] = {"upload": {"href": store}}
        return self.send_json({"transfer": "basic", "objects": objects})

    def upload(self, mood, oid):
        if sha256(self.body) != oid:
            return self.fail(400, "Not these bytes")
        self.hub.stored[oid] = self.body
        return self.send(200, b"", {"ETag": f'"{oid}"'})

    def commit(self, mood, name):
        message, files = "", {}
        for line in self.body.splitlines():
            part = json.loads(line)
            value = part["value"]
            if part["key"] == "header":
                message = value["summary"]
            elif part["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif part["key"] == "lfsFile":
                if value["oid"] not in self.hub.stored:
                    return self.fail(400, "That file has not arrived")
                files[value["path"]] = self.hub.stored[value["oid"]]
        oid = self.hub.commit(name, message, files)
        url = f"{self.hub.address}/{name}/commit/{oid}"
        return self.send_json({"success": True, "commitOid": oid, "commitUrl": url})

    def info(self, mood, name):
        commit = self.hub.find(name, "main")
        private = self.hub.repositories[name]["private"]
        sha = commit[0] if commit else None
        return self.send_json({"id": name, "sha": sha, "private": private})

    def head(self, mood, name, revision, path):
        commit = self.hub.find(name, revision)
        if commit is None:
            return self.fail(404, "No such revision", code="RevisionNotFound")
        oid, _, files = commit
        if path not in files:
            return self.fail(404, "No such file", code="EntryNotFound")
        data = files[path]
        headers = {
            "X-Repo-Commit": UP if mood == "up commit" else oid,
            "Accept-Ranges": "bytes",
        }
        etag = f'"{UP if mood == "up etag" else oid_of(path, data)}"'
        if not is_large(path):
            return self.send_file("", data, headers | {"ETag": etag})
        self.hub.stored[sha256(data)] = data
        size = 3 << 30 if mood == "huge" else len(data)
        query = f"?name={UP}" if mood == "up" else ""
        headers |= {
            "X-Linked-Etag": etag,
            "X-Linked-Size": str(size),
            "Location": f"{self.hub.storage}/_store/{sha256(data)}{query}",
        }
        return self.send(302, b"", headers)

    redirect = head

    def get(self, mood, oid):
        headers = {"ETag": f'"{oid}"'}
        if mood == "up":
            headers["Content-Disposition"] = f'attachment; filename="{UP}"'
        return self.send_file(mood, self.hub.stored[oid], headers)

    def send_file(self, mood, data, headers):
        if mood == "endless":
            return self.send_endless(headers)
        data = CHANGES.get(mood, bytes)(data)
        if mood == "bomb":
            headers["Content-Encoding"] = "gzip"
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        if match:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        status = 206 if match else 200
        return self.send(status, data[start:], headers, is_cut=mood == "cut")

    def send_headers(self, status, headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def send(self, status, body, headers, *, is_cut=False):
        self.send_headers(status, headers | {"Content-Length": str(len(body))})
        if self.command == "HEAD":
            return None
        return self.drop(body[: len(body) // 2]) if is_cut else self.wfile.write(body)

    def send_endless(self, headers):
        """A body without a length, until nobody listens any more."""
        self.send_headers(200, headers | {"Transfer-Encoding": "chunked"})
        for _ in range(ENDLESS_BYTES // 2**16):
            self.wfile.write(b"10000\r\n" + bytes(2**16) + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def send_json(self, value, status=200):
        body = json.dumps(value).encode()
        self.send(status, body, {"Content-Type": "application/json"})

    def fail(self, status, message, *, code="", **more):
        code = code or ("RepoNotFound" if status == 404 else "")
        headers = {"Content-Type": "application/json", "X-Error-Message": message}
        headers |= {"X-Error-Code": code} if code else {}
        self.send(status, json.dumps({"error": message} | more).encode(), headers)

    def drop(self, beginning):
        """Send a part, and hang up."""
        self.wfile.write(beginning)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running_hub():
    """An empty hub, and a second server for its large files, until the block ends."""
    with QuietServer(Handler) as first, QuietServer(Handler) as second:
        storage = f"http://localhost:{second.server_port}"
        first.hub = second.hub = Hub(first.address, storage)
        with first.running(), second.running():
            yield first.hub
