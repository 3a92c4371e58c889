"""A stand-in for a cluster's API: objects by their addresses, and what pods said. The real one is in tests/cluster."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml


class Kube:
    """The server; `with Kube() as kube:` runs it. ``objects`` are by the path after the API's group and version."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.pods: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self.calls: list[str] = []
        kube = self

        class Handler(_Handler):
            cluster = kube

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Kube:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def put(self, plural: str, namespace: str, body: dict[str, Any]) -> None:
        """Make an object, or write over it."""
        self.objects[f"{namespace}/{plural}/{body['metadata']['name']}"] = body

    def names(self, plural: str) -> list[str]:
        """What there is of a kind."""
        return [key.rpartition("/")[2] for key in self.objects if key.split("/")[1] == plural]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """The API server's answer."""
        self.calls.append(f"{method} {path}")
        parts = path.partition("/namespaces/")[2].split("/")
        namespace, plural, name = parts[0], parts[1], parts[2] if len(parts) > 2 else ""
        if plural in ("events", "pods"):
            return self._core(plural, name, query)
        key = f"{namespace}/{plural}/{name or (body or {}).get('metadata', {}).get('name', '')}"
        if method == "POST":
            if key in self.objects:
                return 409, _status(409, f'{plural} "{key}" already exists')
            self.objects[key] = body
            return 201, body
        if not name:
            wanted = query.get("labelSelector", [""])[0]
            found = [
                it
                for at, it in self.objects.items()
                if at.startswith(f"{namespace}/{plural}/")
                and wanted in [f"{k}={v}" for k, v in (it["metadata"].get("labels") or {}).items()]
            ]
            return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}
        if key not in self.objects:
            return 404, _status(404, f'{plural} "{name}" not found')
        return 200, self.objects.pop(key) if method == "DELETE" else self.objects[key]

    def _core(self, plural: str, name: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if name:
            return (200, self.logs[name]) if name in self.logs else (404, _status(404, "not found"))
        wanted = query.get("labelSelector", [""])[0]
        pods = [it for it in self.pods if f"katib.kubeflow.org/trial={it['trial']}" == wanted]
        items = [{"metadata": {"name": it["name"]}, "spec": {"containers": []}} for it in pods]
        return 200, {
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {},
            "items": self.events if plural == "events" else items,
        }

    def warn(self, pod: str, reason: str, message: str) -> None:
        """A warning about a pod, as the kubelet and the scheduler write them."""
        about = {"kind": "Pod", "name": pod, "namespace": "slipway-trials"}
        meta = {"name": f"{pod}.{len(self.events)}", "namespace": "slipway-trials"}
        stamp = f"2026-06-01T00:00:{len(self.events):02}Z"
        event = {"metadata": meta, "involvedObject": about, "reason": reason, "message": message, "type": "Warning"}
        self.events.append(event | {"lastTimestamp": stamp})


def log_in(folder: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """A kubeconfig of a cluster at this port."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {"token": "let-me-in"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


class _Handler(BaseHTTPRequestHandler):
    cluster: Kube
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        code, answer = self.cluster.answer(
            self.command, url.path, parse_qs(url.query), json.loads(body) if body else None
        )
        payload = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_DELETE = _serve
