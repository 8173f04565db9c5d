"""The hub: enough of the Hugging Face protocol for an unmodified huggingface_hub client (``HF_ENDPOINT``).

Listing, revisions, resolve with ETag and LFS checksum, redirect to a content network, ranges, gated access. Also the
sandbox's own pages: what this is (``/``), the answer key (``/truth.parquet``), and faults on demand for tests.
"""

import dataclasses
import hashlib
import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from laion_assets.sandbox.hosts import CONTENT_ADDRESS, HUB_ADDRESS
from laion_assets.sandbox.hub_faults import HubFaults
from laion_assets.sandbox.messages import Answer, Request, head
from laion_assets.sandbox.publication import Publication, PublishedFile
from laion_assets.sandbox.rope import FileSlice, Rope
from laion_assets.sandbox.spec import SandboxSpec

WITHDRAWN_REPOSITORY = "laion/laion-high-resolution"
"""Exists, but access to it is disabled, as with the original."""
TAG = "v1.0"
PUBLISHED_AT = "2024-08-30T00:00:00.000Z"
TREE_PAGE = 50

_REPOSITORY = r"(?P<repo>[^/]+/[^/]+)"
_API = re.compile(rf"/api/datasets/{_REPOSITORY}(?:/(?P<what>revision|tree|paths-info|refs)(?:/(?P<rest>.*))?)?$")
_RESOLVE = re.compile(rf"/datasets/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)$")
_CONTENT = re.compile(r"/content/(?P<oid>[0-9a-f]{64})$")


class Hub:
    """Answers for one publication under one repository name."""

    def __init__(self, spec: SandboxSpec, publication: Publication, *, hub_port: int, index: Callable[[], str]) -> None:
        """Serve ``publication``; ``index`` makes the page for people."""
        self._spec = spec
        self._publication = publication
        self._files = {file.path: file for file in publication.files}
        self._by_oid = {file.sha256: file for file in publication.files}
        self._port = hub_port
        self._index = index
        self.commit = _commit_of(publication.files)
        self.faults = HubFaults()

    def respond(self, request: Request) -> Answer:
        """The answer to one request, with whatever fault is switched on."""
        url = urllib.parse.urlsplit(request.target.decode("latin-1"))
        path = urllib.parse.unquote(url.path)
        if path == "/sandbox/faults" and request.method == b"POST":
            return _json(200, self.faults.switch(json.loads(request.body)))
        if path == "/sandbox/requests":
            return _json(200, [dataclasses.asdict(each) for each in self.faults.log])
        self.faults.note(request, path)
        refusal = self.faults.refuse(path)
        if refusal is not None:
            return refusal
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        answer = self._route(request, path, query)
        return self.faults.spoil(path, answer)

    def _route(self, request: Request, path: str, query: dict[str, str]) -> Answer:
        if path == "/":
            text = self._index().encode()
            return Answer(
                head(200, "Content-Type: text/html; charset=utf-8", f"Content-Length: {len(text)}"), Rope.of(text)
            )
        if path == "/truth.parquet":
            return _file(request, self._publication.truth_file, '"truth"')
        if path == "/api/whoami-v2":
            return self._whoami(request)
        if found := _CONTENT.match(path):
            return self._content(request, found["oid"], query)
        if found := _RESOLVE.match(path):
            return self._resolve(request, found["repo"], found["revision"], found["path"])
        if found := _API.match(path):
            return self._api(request, found["repo"], found["what"], found["rest"] or "", query)
        return _error(404, "EntryNotFound", "Nothing of the sandbox's hub is here.")

    # Who may see what.

    def _token(self, request: Request) -> str | None:
        value = request.header(b"authorization")
        return value.decode("latin-1").removeprefix("Bearer ").strip() if value else None

    def _check_repository(self, request: Request, repository: str) -> Answer | None:
        token = self._token(request)
        if token is not None and token not in self._known_tokens():
            return _error(401, None, "Invalid credentials in Authorization header")
        if repository == WITHDRAWN_REPOSITORY != self._spec.repository:
            return _error(403, None, "Access to this resource is disabled.")
        if repository != self._spec.repository:
            # The real hub does not tell strangers whether a repository exists.
            return _error(404 if token else 401, "RepoNotFound", "Repository not found")
        return None

    def _check_terms(self, request: Request) -> Answer | None:
        if not self._spec.gated:
            return None
        token = self._token(request)
        repository = self._spec.repository
        if token is None:
            return _error(
                401,
                "GatedRepo",
                f"Access to dataset {repository} is restricted. You must have access to it and be authenticated to "
                "access it. Please log in.",
            )
        if token != self._spec.token:
            return _error(
                403,
                "GatedRepo",
                f"Access to dataset {repository} is restricted and you are not in the authorized list. Visit "
                f"https://huggingface.co/datasets/{repository} to ask for access.",
            )
        return None

    def _known_tokens(self) -> tuple[str, str]:
        return self._spec.token, f"{self._spec.token}_no_terms"

    def _whoami(self, request: Request) -> Answer:
        if self._token(request) not in self._known_tokens():
            return _error(401, None, "Invalid credentials in Authorization header")
        return _json(
            200,
            {"type": "user", "name": "sandbox", "fullname": "Sandbox", "orgs": [], "auth": {"type": "access_token"}},
        )

    # Listing.

    def _api(self, request: Request, repository: str, what: str | None, rest: str, query: dict[str, str]) -> Answer:
        refusal = self._check_repository(request, repository)
        if refusal is not None:
            return refusal
        if what == "refs":
            return _json(200, self._refs())
        revision, _, folder = rest.partition("/")
        if what is not None and not self._is_revision(revision):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if what == "tree":
            return self._tree(repository, revision, folder, query)
        if what == "paths-info":
            fields = urllib.parse.parse_qs(request.body.decode())
            wanted = fields.get("paths", [])
            return _json(200, [_tree_entry(self._files[path]) for path in wanted if path in self._files])
        return _json(200, self._info(repository, with_blobs="blobs" in query))

    def _is_revision(self, revision: str) -> bool:
        known = ("main", "refs/heads/main", TAG, self.commit)
        return revision in known or (len(revision) >= 7 and self.commit.startswith(revision))

    def _refs(self) -> dict[str, Any]:
        return {
            "branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": self.commit}],
            "tags": [{"name": TAG, "ref": f"refs/tags/{TAG}", "targetCommit": self.commit}],
            "converts": [],
            "pullRequests": [],
        }

    def _info(self, repository: str, *, with_blobs: bool) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = []
        for file in self._files.values():
            sibling: dict[str, Any] = {"rfilename": file.path}
            if with_blobs:
                sibling |= {"size": file.size, "blobId": file.git_oid}
                if file.lfs:
                    sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
            siblings.append(sibling)
        return {
            "_id": self.commit[:24],
            "id": repository,
            "author": repository.split("/", maxsplit=1)[0],
            "sha": self.commit,
            "lastModified": PUBLISHED_AT,
            "createdAt": PUBLISHED_AT,
            "private": False,
            "gated": "auto" if self._spec.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": ["sandbox"],
            "siblings": siblings,
        }

    def _tree(self, repository: str, revision: str, folder: str, query: dict[str, str]) -> Answer:
        if folder and not any(path.startswith(f"{folder}/") for path in self._files):
            return _error(404, "EntryNotFound", f'"{folder}" does not exist on "{revision}"')
        paths = sorted(path for path in self._files if not folder or path.startswith(f"{folder}/"))
        start = int(query.get("cursor", "0"))
        stop = start + min(int(query.get("limit", TREE_PAGE)), TREE_PAGE)
        headers = []
        if stop < len(paths):
            rest = urllib.parse.urlencode({**query, "cursor": str(stop)})
            tree = f"/api/datasets/{repository}/tree/{urllib.parse.quote(revision, safe='')}"
            headers.append(f'Link: <http://{HUB_ADDRESS}:{self._port}{tree}?{rest}>; rel="next"')
        return _json(200, [_tree_entry(self._files[path]) for path in paths[start:stop]], *headers)

    # Files.

    def _resolve(self, request: Request, repository: str, revision: str, path: str) -> Answer:
        refusal = self._check_repository(request, repository) or self._check_terms(request)
        if refusal is not None:
            return refusal
        if not self._is_revision(revision):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        file = self._files.get(path)
        if file is None:
            return _error(404, "EntryNotFound", "Entry not found", f"X-Repo-Commit: {self.commit}")
        if not file.lfs:
            return _file(
                request, self._publication.repository / path, f'"{file.git_oid}"', f"X-Repo-Commit: {self.commit}"
            )
        location = f"http://{CONTENT_ADDRESS}:{self._port}/content/{file.sha256}?signature={file.git_oid}"
        return Answer(
            head(
                302,
                f"Location: {location}",
                f"X-Repo-Commit: {self.commit}",
                f'X-Linked-ETag: "{file.sha256}"',
                f"X-Linked-Size: {file.size}",
                "Accept-Ranges: bytes",
                "Content-Length: 0",
            )
        )

    def _content(self, request: Request, oid: str, query: dict[str, str]) -> Answer:
        file = self._by_oid.get(oid)
        if file is None:
            return _error(404, "EntryNotFound", "Entry not found")
        if query.get("signature") != file.git_oid or request.header(b"authorization") is not None:
            return _error(403, None, "This address takes a signature and no token.")
        return _file(request, self._publication.repository / file.path, f'"{file.sha256}"')


def _commit_of(files: tuple[PublishedFile, ...]) -> str:
    text = "\n".join(f"{file.path} {file.sha256}" for file in files)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _tree_entry(file: PublishedFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.git_oid, "size": file.size, "path": file.path}
    if file.lfs:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    return entry


def _json(status: int, value: object, *headers: str) -> Answer:
    text = json.dumps(value).encode()
    lines = ("Content-Type: application/json; charset=utf-8", f"Content-Length: {len(text)}", *headers)
    return Answer(head(status, *lines), Rope.of(text))


def _error(status: int, code: str | None, message: str, *headers: str) -> Answer:
    codes = (f"X-Error-Code: {code}",) if code else ()
    return _json(status, {"error": message}, *codes, f"X-Error-Message: {message}", *headers)


def _file(request: Request, path: Path, etag: str, *headers: str) -> Answer:
    size = path.stat().st_size
    lines = (f"ETag: {etag}", "Accept-Ranges: bytes", "Content-Type: application/octet-stream", *headers)
    wanted = request.byte_range(size, etag=etag)
    if wanted is None:
        return Answer(head(200, f"Content-Length: {size}", *lines), FileSlice(path, 0, size))
    start, stop = wanted
    if start >= size:
        return Answer(head(416, f"Content-Range: bytes */{size}", "Content-Length: 0"))
    return Answer(
        head(206, f"Content-Length: {stop - start}", f"Content-Range: bytes {start}-{stop - 1}/{size}", *lines),
        FileSlice(path, start, stop),
    )
