"""A stand-in for Slack: the Web API's methods that the answer calls, over channels that are remembered.

Every call is held to what Slack documents of the method: its arguments, the scopes of the token, and Block Kit's limits
by Slack's own classes (slack_sdk.models). What does not fit lands in `violations`.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

TOKEN = "xoxb-of-the-tests"  # noqa: S105
SCOPES = frozenset({"chat:write", "channels:read", "channels:history"})
_MOST_BLOCKS = 50
_ARGUMENTS = {
    "chat.postMessage": {"channel", "text", "blocks", "metadata", "thread_ts", "reply_broadcast", "unfurl_links"},
    "chat.update": {"channel", "ts", "text", "blocks", "metadata"},
    "conversations.history": {"channel", "limit", "cursor", "include_all_metadata", "oldest"},
    "conversations.replies": {"channel", "ts", "limit", "cursor", "include_all_metadata"},
    "conversations.list": {"types", "exclude_archived", "limit", "cursor"},
}
_SCOPE = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.list": "channels:read",
}


class RefusedError(Exception):
    """Slack's "no": an error's name, in an answer with status 200."""


@dataclass
class Workspace:
    """What the stand-in remembers."""

    channels: dict[str, str] = field(default_factory=lambda: {"general": "C00000001", "models": "C00000002"})
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    scopes: frozenset[str] = SCOPES
    member: bool = True
    ill: int = 0  # so many answers will be a 503
    page: int = 200
    calls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def said(self, channel: str = "models") -> list[dict[str, Any]]:
        """The messages of a channel, oldest first, replies among them."""
        return self.messages.get(self.channels[channel], [])

    def texts(self, channel: str = "models") -> str:
        """All that can be read there."""
        return "\n".join(json.dumps(message["blocks"], ensure_ascii=False) for message in self.said(channel))


class Slack:
    """The server; `with Slack() as slack:` runs it, and `slack.url` is its SLACK_API_URL."""

    def __init__(self, address: str = "127.0.0.1", name: str = "127.0.0.1", port: int = 0) -> None:
        """Listen at ``address``, known as ``name`` to those who ask; ``port`` 0 is a free one."""
        self.workspace = Workspace()
        stand, self._clock = self, itertools.count(1)

        class Handler(_Handler):
            slack = stand

        self.server = ThreadingHTTPServer((address, port), Handler)
        self.url = f"http://{name}:{self.server.server_port}/api/"
        self.lock = threading.RLock()

    def __enter__(self) -> Slack:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, token: str, given: dict[str, Any]) -> dict[str, Any]:
        """Slack's answer."""
        workspace = self.workspace
        workspace.calls.append(method)
        if token != TOKEN:
            raise RefusedError("invalid_auth" if token else "not_authed")
        if method not in _ARGUMENTS:
            raise RefusedError("unknown_method")
        if _SCOPE[method] not in workspace.scopes:
            raise RefusedError("missing_scope")
        for name in sorted(set(given) - _ARGUMENTS[method]):
            workspace.violations.append(f"{method}: {name} is no argument of it that is known here")
        does: Callable[[dict[str, Any]], dict[str, Any]] = getattr(self, "_" + method.replace(".", "_"))
        return does(given)

    def _chat_postMessage(self, given: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(given, by_name=True)
        self._hold("chat.postMessage", given)
        stamp = f"{next(self._clock)}.000001"
        message = {key: given[key] for key in ("text", "blocks", "metadata", "thread_ts") if key in given}
        message |= {"type": "message", "ts": stamp, "broadcast": given.get("reply_broadcast") in (True, "true", "1")}
        self.workspace.messages.setdefault(channel, []).append(message)
        return {"channel": channel, "ts": stamp, "message": message}

    def _chat_update(self, given: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(given)
        self._hold("chat.update", given)
        for message in self.workspace.messages.get(channel, []):
            if message["ts"] == given["ts"]:
                message.update({key: given[key] for key in ("text", "blocks", "metadata") if key in given})
                return {"channel": channel, "ts": given["ts"], "text": message["text"]}
        raise RefusedError("message_not_found")

    def _conversations_history(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [it for it in self.workspace.messages.get(self._channel(given), []) if "thread_ts" not in it]
        return self._page(found[::-1], given)

    def _conversations_replies(self, given: dict[str, Any]) -> dict[str, Any]:
        those = self.workspace.messages.get(self._channel(given), [])
        return self._page([it for it in those if given["ts"] in (it["ts"], it.get("thread_ts"))], given)

    def _conversations_list(self, given: dict[str, Any]) -> dict[str, Any]:
        channels = [{"id": identifier, "name": name} for name, identifier in self.workspace.channels.items()]
        return {"channels": channels, "response_metadata": {"next_cursor": ""}}

    def _page(self, found: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
        start, size = int(given.get("cursor") or 0), min(self.workspace.page, int(given.get("limit") or 100))
        shown = [it if given.get("include_all_metadata") else it | {"metadata": None} for it in found]
        following = str(start + size) if start + size < len(found) else ""
        return {"messages": shown[start : start + size], "response_metadata": {"next_cursor": following}}

    def _channel(self, given: dict[str, Any], *, by_name: bool = False) -> str:
        wanted = str(given.get("channel", ""))
        found = wanted if wanted in self.workspace.channels.values() else ""
        if by_name:
            found = found or self.workspace.channels.get(wanted.removeprefix("#"), "")
        if not found:
            raise RefusedError("channel_not_found")
        if not self.workspace.member:
            raise RefusedError("not_in_channel")
        return found

    def _hold(self, method: str, given: dict[str, Any]) -> None:
        if "text" not in given:
            self.workspace.violations.append(f"{method}: no text: a notification would be empty")
        blocks = given.get("blocks", [])
        if len(blocks) > _MOST_BLOCKS:
            self.workspace.violations.append(f"{method}: {len(blocks)} blocks, at most {_MOST_BLOCKS}")
        for written, block in zip(blocks, Block.parse_all(blocks), strict=True):
            try:
                if block.to_dict() != written:
                    self.workspace.violations.append(f"{method}: {written} is more than a {written.get('type')} has")
            except SlackObjectFormationError as error:
                self.workspace.violations.append(f"{method}: {error}")
        metadata = given.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            self.workspace.violations.append(f"{method}: metadata has {sorted(metadata)}")


class _Handler(BaseHTTPRequestHandler):
    slack: Slack
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        """Every method of the Web API."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.headers.get("Content-Type", "").startswith("application/json"):
            given = json.loads(body or "{}")
        else:
            given = {name: values[0] for name, values in parse_qs(body).items()}
        for name in ("blocks", "metadata"):
            if isinstance(given.get(name), str):
                given[name] = json.loads(given[name])
        token = given.pop("token", "") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.slack.lock:
            if self.slack.workspace.ill:
                self.slack.workspace.ill -= 1
                self._send(503, {"ok": False, "error": "service_unavailable"})
                return
            try:
                answer = {"ok": True} | self.slack.answer(self.path.rpartition("/")[2], token.strip(), given)
            except RefusedError as no:
                answer = {"ok": False, "error": str(no)}
        self._send(200, answer)

    do_GET = do_POST

    def _send(self, code: int, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
