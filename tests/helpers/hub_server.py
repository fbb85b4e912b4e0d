"""A small Hugging Face Hub on this machine: the routes that huggingface_hub asks for models, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_write"
LFS_FROM = 100_000
"""Files of this many bytes or more, and all safetensors, go the way of large files."""


@dataclass
class Repository:
    """A model repository: who may see it, its commits in order, each with the bytes of its files."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit of that name, of `main` the newest."""
        if revision == "main":
            return self.commits[-1]
        return next((one for one in self.commits if one[0] == revision), None)

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit and return its name."""
        content = json.dumps([sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())])
        name = hashlib.sha1(f"{len(self.commits)}{content}".encode()).hexdigest()
        self.commits.append((name, files))
        return name


class Hub(ThreadingHTTPServer):
    """Repositories, large files by hash, every request that came, and perhaps bytes to damage downloads with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.damage: dict[str, bytes] = {}
        self.broken: str | None = None
        """A part of a path that is answered with status 500."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hub() -> Iterator[Hub]:
    """A Hub in a thread of its own while the block runs."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_large(name: str, size: int) -> bool:
    """Whether a file goes the way of large files."""
    return size > 0 and (name.endswith(".safetensors") or size >= LFS_FROM)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args: Any) -> None:
        """Nothing on stderr."""

    def answer(self, status: int, body: Any = b"", head: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(head or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def fail(self, status: int, code: str, message: str) -> None:
        self.answer(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def do(self) -> None:
        """Find the route: method and path decide; writing needs the token, and so does seeing what is private."""
        body = self.body()
        path = unquote(urlparse(self.path).path)
        self.server.asked.append((self.command, path))
        if self.server.broken and self.server.broken in path:
            return self.answer(500, {"error": "out of order"})
        for method, pattern, route in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == self.command.replace("HEAD", "GET"):
                return route(self, body, *found.groups())
        return self.fail(404, "EntryNotFound", f"no route {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = do  # noqa: N815

    def body(self) -> bytes:
        """The request's body, whole or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def seen(self, name: str) -> Repository | None:
        """The repository, or None after an answer that there is none."""
        found = self.server.repositories.get(name)
        if found is None or (found.private and not self.may_write()):
            self.fail(401 if found is None else 404, "RepoNotFound", "Repository not found")
            return None
        return found

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        if not self.may_write():
            return self.answer(403, {"error": "You don't have the rights to create a model"})
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        url = {"url": f"{self.server.url}/{name}"}
        if name in self.server.repositories:
            return self.answer(409, url)
        made = Repository(private=asked.get("visibility") == "private" or bool(asked.get("private")))
        made.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        self.server.repositories[name] = made
        return self.answer(200, url)

    def validate(self, body: bytes) -> None:
        text = json.loads(body)["content"]
        errors = [] if text.startswith("---\n") else [{"message": "no front matter"}]
        return self.answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def preupload(self, body: bytes, name: str) -> None:
        if not self.may_write():
            return self.answer(403, {"error": "Forbidden"})
        files = self.server.repositories[name].commits[-1][1]
        asked = json.loads(body)["files"]
        modes = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if is_large(one["path"], one["size"]) else "regular",
                "shouldIgnore": False,
                "oid": _oid(one["path"], files[one["path"]]) if one["path"] in files else None,
            }
            for one in asked
        ]
        return self.answer(200, {"files": modes})

    def batch(self, body: bytes, name: str) -> None:
        objects = []
        for one in json.loads(body)["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}}
            objects.append(one if one["oid"] in self.server.large else {**one, "actions": upload})
        return self.answer(200, {"transfer": "basic", "objects": objects})

    def put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self.answer(400)
        self.server.large[oid] = body
        return self.answer(200)

    def commit(self, body: bytes, name: str) -> None:
        if not self.may_write():
            return self.answer(403, {"error": "Forbidden"})
        made = self.server.repositories[name]
        files = dict(made.commits[-1][1])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = made.commit(files)
        return self.answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{oid}", "commitOid": oid})

    def info(self, body: bytes, name: str, revision: str | None) -> None:
        made = self.seen(name)
        if made is None:
            return None
        commit = made.at(revision or "main")
        if commit is None:
            return self.fail(404, "RevisionNotFound", "Revision not found")
        siblings = [_sibling(path, data) for path, data in sorted(commit[1].items())]
        about = {"_id": name, "id": name, "modelId": name, "private": made.private, "tags": [], "downloads": 0}
        return self.answer(200, {**about, "sha": commit[0], "siblings": siblings})

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        made = self.seen(name)
        if made is None:
            return None
        commit = made.at(revision)
        if commit is None or path not in commit[1]:
            return self.fail(404, "EntryNotFound", "Entry not found")
        data = commit[1][path]
        head = {"X-Repo-Commit": commit[0], "ETag": f'"{_oid(path, data)}"'}
        if is_large(path, len(data)):
            head |= {"X-Linked-Etag": f'"{_oid(path, data)}"', "X-Linked-Size": str(len(data))}
            # Another host's name, as of a real one's delivery network: the client keeps its token from it.
            head["Location"] = f"{self.server.url.replace('127.0.0.1', 'localhost')}/cdn/{_oid(path, data)}"
            return self.answer(302, b"", head)
        return self.answer(200, self.server.damage.get(path, data), head)

    def cdn(self, body: bytes, oid: str) -> None:
        return self.answer(200, self.server.damage.get(oid, self.server.large[oid]))


_NAME = r"([^/]+/[^/]+?)"
ROUTES: list[tuple[str, str, Any]] = [
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", _Handler.validate),
    ("POST", rf"/api/models/{_NAME}/preupload/main", _Handler.preupload),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/lfs/(\w+)", _Handler.put),
    ("POST", rf"/api/models/{_NAME}/commit/main", _Handler.commit),
    ("GET", rf"/api/models/{_NAME}(?:/revision/(.+))?", _Handler.info),
    ("GET", rf"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("GET", r"/cdn/(\w+)", _Handler.cdn),
]


def _oid(path: str, data: bytes) -> str:
    """A file's hash: SHA-256 of a large one, git's of another."""
    if is_large(path, len(data)):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _sibling(path: str, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": _oid(path, data)}
    if is_large(path, len(data)):
        found["lfs"] = {"size": len(data), "sha256": _oid(path, data), "pointerSize": 134}
    return found
