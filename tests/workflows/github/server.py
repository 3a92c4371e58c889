"""A stand-in for GitHub on this machine: the REST calls of api.json, over git repositories that can be pushed to.

It keeps state (pull requests, comments, labels, statuses), paginates as GitHub does, with the next page's address in
the Link header, refuses what GitHub refuses (a comment too long, a second pull request for a branch, GITHUB_TOKEN
opening one where the setting is off), and holds every request and every answer against GitHub's published schemas: what
does not fit lands in `violations`.
Git goes through git's own http-backend, with GitHub's rule that pushing needs a token. GraphQL is in merging.py.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import os
import re
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import trustme
from jsonschema import Draft202012Validator

from tests.workflows.github import merging
from tests.workflows.github.commits import History, status_of

API = json.loads(Path(__file__).with_name("api.json").read_text(encoding="utf-8"))
ACTIONS_TOKEN = "token-of-the-run"  # noqa: S105 - GITHUB_TOKEN's stand-in
APP_TOKEN = "token-of-the-app"  # noqa: S105
READ_TOKEN = "token-of-a-fork"  # noqa: S105
_COMMENT_LIMIT = 65_536
_IDENTIFIERS = itertools.count(1)
_ROUTES = [
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), f"{method} {path}")
    for method, _, path in (name.partition(" ") for name in API["operations"])
]


class RefusedError(Exception):
    """GitHub's "no": a status and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class State:
    """What the stand-in remembers of one repository."""

    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    commit_comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    labels: dict[int, list[str]] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    redelivered: list[int] = field(default_factory=list)
    rulesets: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # the check runs of a commit
    settings: dict[str, Any] = field(default_factory=dict)
    pushes: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    actions_may_open: bool = True
    may_create_labels: bool = True  # with pull-requests: write alone a token may not
    is_template: bool = False
    private: bool = False
    allow_auto_merge: bool = False
    may_auto_merge: bool = True  # a private repository on the free plan may not
    passed: dict[str, set[str]] = field(default_factory=dict)  # the checks that succeeded, by commit
    ill: int = 0  # so many answers will be a 502


class Stand:
    """The server; `with Stand(...) as github:` runs it."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", name: str = "localhost", port: int = 0) -> None:
        """Listen at ``address``, known as ``name`` to those who ask; ``port`` 0 is a free one."""
        self.folder = folder
        self.repositories = folder / "repositories"
        self.repositories.mkdir(parents=True)
        self.states: dict[str, State] = {}
        self.certificate = folder / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.certificate))
        stand = self

        class Handler(_Handler):
            github = stand

        self.server = ThreadingHTTPServer((address, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*dict.fromkeys(("localhost", "127.0.0.1", name))).configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"{name}:{self.server.server_port}"
        self.lock = threading.RLock()

    def __enter__(self) -> Stand:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        """GITHUB_SERVER_URL."""
        return f"https://{self.host}"

    def repository(self, name: str, template: Path | None = None) -> State:
        """Make a repository, empty or as a copy of the bare repository ``template``, and its state."""
        path = self.git_folder(name)
        source = ["clone", "--quiet", "--bare", str(template)] if template else ["init", "--quiet", "--bare"]
        subprocess.run(["git", *source, str(path)], check=True)
        subprocess.run(["git", "-C", str(path), "config", "http.receivepack", "true"], check=True)
        self.states[name] = State()
        return self.states[name]

    def git_folder(self, name: str) -> Path:
        """Where a repository is on this machine."""
        return self.repositories / f"{name}.git"

    def head_of(self, name: str, branch: str) -> str:
        """What a branch is at; empty when it is not there."""
        found = subprocess.run(
            ["git", "-C", str(self.git_folder(name)), "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"],
            capture_output=True,
            text=True,
        )
        return found.stdout.strip()

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str) -> tuple[int, Any]:
        """GitHub's answer to a REST call."""
        routes = ((pattern.fullmatch(path), name) for verb, pattern, name in _ROUTES if verb == method)
        match, operation = next((route for route in routes if route[0]), (None, ""))
        if not match:
            raise RefusedError(404, f"Not Found: the stand-in has no {method} {path}; add it to trim.py")
        names = {key: unquote(value) for key, value in match.groupdict().items()}
        shape = API["operations"][operation]
        if "owner" not in names:
            status, example = next(iter(shape["answers"].items()))
            return int(status), example["example"] | {"login": names["username"]}
        name = f"{names['owner']}/{names['repo']}"
        if name not in self.states:
            raise RefusedError(404, "Not Found")
        state = self.states[name]
        state.calls.append(f"{method} {path.removeprefix(f'/repos/{name}')}")
        if state.ill:
            state.ill -= 1
            raise RefusedError(502, "Server Error")
        if token not in (ACTIONS_TOKEN, APP_TOKEN, READ_TOKEN):
            raise RefusedError(401, "Bad credentials")
        if method != "GET" and token == READ_TOKEN:
            raise RefusedError(403, "Resource not accessible by integration")
        if "request" in shape:
            self._hold(state, f"request {operation}", shape["request"], body)
        status, answer = _Operations(self, name, state, token).perform(operation, names, query, body)
        if "schema" in shape["answers"][str(status)]:
            self._hold(state, f"answer {operation}", shape["answers"][str(status)]["schema"], answer)
        return status, answer

    def query(self, request: Any, token: str) -> tuple[int, Any]:
        """GitHub's answer to a GraphQL request: 200, and what is wrong with it is in the answer."""
        if token not in (ACTIONS_TOKEN, APP_TOKEN, READ_TOKEN):
            raise RefusedError(401, "Bad credentials")
        return 200, merging.answer(self, request, may_write=token != READ_TOKEN)

    def _hold(self, state: State, what: str, schema: dict[str, Any], value: Any) -> None:
        schema = {"$defs": {}, **schema, "components": API["components"]}
        for error in Draft202012Validator(schema).iter_errors(value):
            state.violations.append(f"{what}: {error.json_path}: {error.message[:200]}")


class _Operations:
    """What each operation does to one repository's state."""

    def __init__(self, stand: Stand, name: str, state: State, token: str) -> None:
        self.stand, self.name, self.state, self.token = stand, name, state, token

    def perform(self, operation: str, names: dict[str, str], query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        answers = API["operations"][operation]["answers"]
        example = copy.deepcopy(next((a["example"] for a in answers.values() if "example" in a), None))
        verb, _, path = operation.partition(" ")
        what = f"{verb} {path.removeprefix('/repos/{owner}/{repo}')}"
        state = self.state
        number = int(names.get("pull_number") or names.get("issue_number") or 0)
        match what:
            case "GET ":
                return 200, self._repository()
            case "PATCH ":
                state.allow_auto_merge = body["allow_auto_merge"] and state.may_auto_merge
                return 200, self._repository()
            case "GET /pulls":
                found = [self._pull(pull) for pull in sorted(state.pulls.values(), key=lambda it: -it["number"])]
                found = [it for it in found if it["state"] == query.get("state", ["open"])[0]]
                for field_, wanted in (("head", query.get("head")), ("base", query.get("base"))):
                    if wanted:
                        key = "label" if field_ == "head" else "ref"
                        found = [it for it in found if it[field_][key] == wanted[0]]
                return 200, _page(found, query)
            case "POST /pulls":
                return 201, self._open(body)
            case "GET /pulls/{pull_number}":
                return 200, self._pull(self._known(number))
            case "PATCH /pulls/{pull_number}":
                self._known(number).update({key: body[key] for key in ("title", "body", "state") if key in body})
                return 200, self._pull(state.pulls[number])
            case "GET /commits/{commit_sha}/pulls":
                found = [self._pull(it) for it in state.pulls.values()]
                sha = names["commit_sha"]
                return 200, [it for it in found if sha in (it["head"]["sha"], it["merge_commit_sha"])]
            case "GET /commits/{commit_sha}/comments":
                return 200, _page(state.commit_comments.get(names["commit_sha"], []), query)
            case "POST /commits/{commit_sha}/comments":
                sha = self._sha(names["commit_sha"])
                return 201, _add_comment(state.commit_comments.setdefault(sha, []), body["body"], example)
            case "PATCH /comments/{comment_id}":
                return 200, _change_comment(state.commit_comments, int(names["comment_id"]), body["body"])
            case "GET /commits/{ref}":
                return 200, self._history().commit(self._sha(names["ref"]))
            case "GET /commits/{ref}/status":
                sha = self._sha(names["ref"])
                return 200, status_of(state.statuses.get(sha, []), sha, example, copy.deepcopy(example))
            case "GET /compare/{basehead}":
                base, _, head = names["basehead"].partition("...")
                return 200, self._history().comparison(self._sha(base), self._sha(head), example)
            case "GET /issues/{issue_number}/comments":
                self._known(number)
                return 200, _page(state.comments.get(number, []), query)
            case "POST /issues/{issue_number}/comments":
                self._known(number)
                return 201, write_comment(state, number, body["body"])
            case "PATCH /issues/comments/{comment_id}":
                return 200, _change_comment(state.comments, int(names["comment_id"]), body["body"])
            case "POST /issues/{issue_number}/labels":
                self._known(number)
                if not state.may_create_labels:
                    raise RefusedError(403, "You do not have permission to create labels on this repository.")
                kept = state.labels.setdefault(number, [])
                kept += [label for label in body["labels"] if label not in kept]
                return 200, [_label(label) for label in kept]
            case "DELETE /issues/{issue_number}/labels/{name}":
                if names["name"] not in state.labels.get(number, []):
                    raise RefusedError(404, "Label does not exist")
                state.labels[number].remove(names["name"])
                return 200, [_label(label) for label in state.labels[number]]
            case "POST /statuses/{sha}":
                if len(body.get("description") or "") > 140:
                    raise RefusedError(422, "description is too long (maximum is 140 characters)")
                state.statuses.setdefault(names["sha"], []).append(body)
                return 201, example | body
            case "POST /actions/workflows/{workflow_id}/dispatches":
                if not self.stand.head_of(self.name, body["ref"]):
                    raise RefusedError(422, f"No ref found for: {body['ref']}")
                state.dispatches.append({"workflow": names["workflow_id"], **body})
                return 204, None
            case "POST /dispatches":
                state.dispatches.append(body)
                return 204, None
            case "GET /commits/{ref}/check-runs":
                wanted = query.get("check_name", [""])[0]
                example["check_runs"][0]["app"]["slug"] = "github-actions"
                found = [copy.deepcopy(example["check_runs"][0]) | it for it in state.checks.get(names["ref"], [])]
                found = [it for it in found if not wanted or it["name"] == wanted]
                return 200, {"total_count": len(found), "check_runs": found}
            case "GET /releases":
                return 200, _page([copy.deepcopy(example[0]) | it for it in state.releases], query)
            case "POST /releases":
                if any(it["tag_name"] == body["tag_name"] for it in state.releases):
                    raise RefusedError(422, "Validation Failed: tag_name already_exists")
                state.releases.append({key: body[key] for key in ("tag_name", "name")})
                return 201, example | state.releases[-1]
            case "POST /releases/generate-notes":
                return 200, {"name": body["tag_name"], "body": f"## What's Changed in {body['tag_name']}"}
            case "GET /hooks":
                return 200, _page([copy.deepcopy(example[0]) | hook for hook in state.hooks], query)
            case "GET /hooks/{hook_id}/deliveries":
                found = [copy.deepcopy(example[0]) | delivery for delivery in state.deliveries]
                return 200, _page(found, query, by="cursor")
            case "POST /hooks/{hook_id}/deliveries/{delivery_id}/attempts":
                state.redelivered.append(int(names["delivery_id"]))
                return 202, {}
            case "GET /rulesets":
                return 200, _page([copy.deepcopy(example[0]) | _short(it) for it in state.rulesets], query)
            case "POST /rulesets":
                if any(it["name"] == body["name"] for it in state.rulesets):
                    raise RefusedError(422, "Name must be unique")
                state.rulesets.append({"id": len(state.rulesets) + 1, **body})
                return 201, example | {"name": body["name"]}
            case "PUT /rulesets/{ruleset_id}":
                for ruleset in state.rulesets:
                    if ruleset["id"] == int(names["ruleset_id"]):
                        ruleset.update(body)
                        return 200, example | {"name": body["name"]}
                raise RefusedError(404, "Not Found")
            case "PUT /actions/permissions/workflow":
                state.settings.update(body)
                return 204, None
        raise RefusedError(501, f"the stand-in does not do {what} yet")

    def _history(self) -> History:
        example = API["operations"]["GET /repos/{owner}/{repo}/commits/{ref}"]["answers"]["200"]["example"]
        return History(self.stand.git_folder(self.name), example)

    def _sha(self, ref: str) -> str:
        sha = self._history().sha_of(ref)
        if not sha:
            raise RefusedError(422, f"No commit found for SHA: {ref}")
        return sha

    def _known(self, number: int) -> dict[str, Any]:
        if number not in self.state.pulls:
            raise RefusedError(404, "Not Found")
        return self.state.pulls[number]

    def _open(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.token == ACTIONS_TOKEN and not self.state.actions_may_open:
            raise RefusedError(403, "GitHub Actions is not permitted to create or approve pull requests.")
        head = body["head"].rpartition(":")[2]
        head_sha, base_sha = self.stand.head_of(self.name, head), self.stand.head_of(self.name, body["base"])
        if not head_sha or not base_sha:
            raise RefusedError(422, "Validation Failed: head or base is invalid")
        if head_sha == base_sha:
            raise RefusedError(422, f"Validation Failed: No commits between {body['base']} and {head}")
        for pull in self.state.pulls.values():
            if (pull["state"], pull["head"], pull["base"]) == ("open", head, body["base"]):
                raise RefusedError(422, f"Validation Failed: A pull request already exists for {head}.")
        number = 1 + len(self.state.pulls)
        pull = {"number": number, "state": "open", "title": body["title"], "body": body.get("body")}
        self.state.pulls[number] = pull | {"head": head, "base": body["base"], "by": self.token}
        return self._pull(self.state.pulls[number])

    def _repository(self) -> dict[str, Any]:
        example = API["operations"]["GET /repos/{owner}/{repo}"]["answers"]["200"]["example"]
        whole: dict[str, Any] = copy.deepcopy(example)
        owner, _, short = self.name.partition("/")
        whole |= {"name": short, "full_name": self.name, "is_template": self.state.is_template}
        whole |= {"private": self.state.private, "allow_auto_merge": self.state.allow_auto_merge}
        whole["owner"]["login"] = owner
        whole.setdefault("language", None)  # left out of the published example, and required by its schema
        for key in ("template_repository", "parent", "source", "organization"):
            whole.pop(key, None)
        return whole

    def _pull(self, pull: dict[str, Any]) -> dict[str, Any]:
        example = API["operations"]["GET /repos/{owner}/{repo}/pulls/{pull_number}"]["answers"]["200"]["example"]
        whole: dict[str, Any] = copy.deepcopy(example)
        number, owner = pull["number"], self.name.partition("/")[0]
        whole |= {"number": number, "state": pull["state"], "title": pull["title"], "body": pull["body"]}
        whole["html_url"] = f"{self.stand.url}/{self.name}/pull/{number}"
        whole["node_id"] = merging.node_id(self.name, number)
        if pull.get("auto_merge"):
            how = {"merge_method": pull["auto_merge"].lower(), "commit_title": pull["title"], "commit_message": ""}
            whole["auto_merge"] = how | {"enabled_by": copy.deepcopy(whole["user"])}
        whole["labels"] = [_label(name) for name in self.state.labels.get(number, [])]
        whole["requested_teams"] = []
        whole |= {key: pull.get(key) for key in ("merge_commit_sha", "merged_at")}
        for side in ("head", "base"):
            branch = pull[side]
            whole[side] |= {"ref": branch, "label": f"{owner}:{branch}"}
            whole[side]["sha"] = self.stand.head_of(self.name, branch) or "0" * 40
            whole[side]["repo"] |= {"full_name": self.name}
        return whole


def write_comment(state: State, number: int, text: str) -> dict[str, Any]:
    """Write a comment on a pull request, as a person or a workflow does."""
    example = API["operations"]["POST /repos/{owner}/{repo}/issues/{issue_number}/comments"]["answers"]["201"]
    return _add_comment(state.comments.setdefault(number, []), text, example["example"])


def _add_comment(comments: list[dict[str, Any]], text: str, example: dict[str, Any]) -> dict[str, Any]:
    """Add a comment to those of one place, in GitHub's shape."""
    _fits(text)
    comment: dict[str, Any] = copy.deepcopy(example)
    for key in ("minimized", "pin"):  # null in the published example, and no null in its schema
        comment.pop(key, None)
    comment |= {"id": next(_IDENTIFIERS), "body": text}
    comments.append(comment)
    return comment


def _change_comment(places: dict[Any, list[dict[str, Any]]], number: int, text: str) -> dict[str, Any]:
    """Write over a comment."""
    _fits(text)
    for comment in (it for them in places.values() for it in them):
        if comment["id"] == number:
            comment["body"] = text
            return comment
    raise RefusedError(404, "Not Found")


def _short(ruleset: dict[str, Any]) -> dict[str, Any]:
    return {key: ruleset[key] for key in ("id", "name", "enforcement")}


def _label(name: str) -> dict[str, Any]:
    url = f"https://api.github.com/labels/{name}"
    return {
        "id": sum(map(ord, name)),
        "node_id": name,
        "url": url,
        "name": name,
        "description": "",
        "color": "ededed",
        "default": False,
    }


def _fits(text: str) -> None:
    if len(text) > _COMMENT_LIMIT:
        raise RefusedError(422, f"Body is too long (maximum is {_COMMENT_LIMIT} characters)")


class _Page(list[Any]):
    """A page of a list, and the query of the next one."""

    following: dict[str, str] | None = None


def _page(items: list[Any], query: dict[str, list[str]], by: str = "page") -> _Page:
    size, page = min(100, int(query.get("per_page", ["30"])[0])), int(query.get(by, ["1"])[0])
    found = _Page(items[(page - 1) * size : page * size])
    if page * size < len(items):
        found.following = {key: values[0] for key, values in query.items()} | {by: str(page + 1)}
    return found


class _Handler(BaseHTTPRequestHandler):
    github: Stand
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer is one write: as two, each waits 40 ms for the other side's acknowledgement

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self._body()
        rest = url.path.removeprefix("/api/v3")
        if match := re.fullmatch(r"/repos/([^/]+/[^/]+)/tarball/(\w+)", rest):
            self._tarball(match[1], match[2])
            return
        if rest == url.path and rest != "/api/graphql":
            self._git(url.path, url.query, body)
            return
        try:
            value = json.loads(body) if body else None
            token = self.headers.get("Authorization", "").partition(" ")[2]
            with self.github.lock:
                if rest == "/api/graphql":
                    code, answer = self.github.query(value, token)
                else:
                    code, answer = self.github.answer(self.command, rest, parse_qs(url.query), value, token)
        except RefusedError as no:
            code, answer = no.code, {"message": str(no), "documentation_url": "https://docs.github.com/rest"}
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        following = getattr(answer, "following", None)
        if following:
            self.send_header("Link", f'<{self.github.url}{url.path}?{urlencode(following)}>; rel="next"')
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _tarball(self, name: str, ref: str) -> None:
        """GitHub sends whoever asks to another address of its own, where no token is needed."""
        token = self.headers.get("Authorization", "").partition(" ")[2]
        if self.path.startswith("/api/v3"):
            state = self.github.states.get(name)
            if state is None or token not in (ACTIONS_TOKEN, APP_TOKEN, READ_TOKEN) or state.ill:
                code = 404 if state is None else 502 if state.ill else 401
                self._plain(code, b'{"message": "no"}')
                return
            state.calls.append(f"GET /tarball/{ref}")
            self.send_response(302)
            self.send_header("Location", f"{self.github.url}/repos/{name}/tarball/{ref}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._plain(200, History(self.github.git_folder(name), {}).packed(ref, name))

    def _git(self, path: str, query: str, body: bytes) -> None:
        """Git's smart protocol, through git's own CGI program."""
        match = re.fullmatch(r"/([^/]+/[^/]+?)(\.git)?/(info/refs|git-upload-pack|git-receive-pack)", path)
        if not match or match[1] not in self.github.states:
            self._plain(404, b"Not Found")
            return
        name, service = match[1], match[3]
        writes = "git-receive-pack" in (service, query.partition("=")[2])
        basic = self.headers.get("Authorization", "").partition(" ")[2]
        token = base64.b64decode(basic).decode().partition(":")[2] if basic else ""
        if writes and token not in (ACTIONS_TOKEN, APP_TOKEN):
            self._plain(401 if not token else 403, b"Write access to repository not granted.")
            return
        environment = os.environ | {
            "GIT_PROJECT_ROOT": str(self.github.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{name}.git/{service}",
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "someone",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
        if service == "git-receive-pack":
            self.github.states[name].pushes.append(token)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _plain(self, code: int, text: bytes) -> None:
        self.send_response(code)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
