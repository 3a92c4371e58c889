"""Slack: one message a commit, brought up to date, and one reply in its thread when the run has ended.

What was sent is known by the metadata it carries, so that nothing is sent twice, whoever asks and however often. Needs
the scopes chat:write, channels:read and channels:history (groups:read, groups:history for a private channel).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from slipway.away import UnavailableError
from slipway.errors import UserError

EVENT_TYPE = "slipway_tune"
ROOT, END = "root", "end"
_SECONDS = 20
_PAGES = 5
_ID = re.compile(r"[CGD][A-Z0-9]{8,}")
_HEADER, _SECTION, _FIELD, _FIELDS, _LINES = 150, 3000, 2000, 10, 40
"""Block Kit's limits in characters, and in fields; and of its 50 blocks as many as are lines here."""
_WAYS = {
    "not_in_channel": "invite the bot there, with `/invite @…` in the channel",
    "channel_not_found": "slack.channel of slipway.yaml names no channel that the bot sees; invite it there",
    "invalid_auth": "the secret slack holds no valid token; make it again",
    "not_authed": "the secret slack holds no token; make it again",
    "token_revoked": "the secret slack holds a token that was taken back; make it again",
    "account_inactive": "the bot was removed from Slack; make it and the secret slack again",
    "is_archived": "slack.channel of slipway.yaml is archived; name another",
    "missing_scope": "give the bot the scope it lacks, and install it again; docs/cluster.md lists them",
}
_FOR_NOW = ("ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout")


class Slack:
    """One channel of a workspace."""

    def __init__(self, token: str, channel: str) -> None:
        """``channel`` is #name or an identifier; SLACK_API_URL is another Slack's address, for tests and proxies."""
        address = os.environ.get("SLACK_API_URL") or WebClient.BASE_URL
        self._client = WebClient(token=token, base_url=address, timeout=_SECONDS)
        self._client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=2))
        self._channel = channel
        self._id = channel if _ID.fullmatch(channel) else ""

    def tell(self, run: str, root: Sequence[Block], reply: Sequence[Block], text: str) -> None:
        """Say it: the root message as it is now, and, where there is one, the reply in its thread.

        Args:
            run: the workflow's name; its messages are known by it.
            root: the message of the commit; one that is there is brought up to date.
            reply: for the end; sent once, to the channel too where the root was there before.
            text: what a notification shows.

        Raises:
            UserError: Slack refused; says why and what to do.
        """
        with _said():
            known = self._found(run, ROOT)
            if known:
                stamp: str = known["ts"]
                self._client.chat_update(
                    channel=self._id, ts=stamp, text=text, blocks=root, metadata=_metadata(run, ROOT)
                )
            else:
                stamp = self._post(run, ROOT, root, text)
            if reply and not self._found(run, END, stamp):
                self._post(run, END, reply, text, thread_ts=stamp, reply_broadcast=bool(known))

    def _post(self, run: str, part: str, blocks: Sequence[Block], text: str, **more: Any) -> str:
        sent = self._client.chat_postMessage(
            channel=self._id or self._channel,
            text=text,
            blocks=blocks,
            metadata=_metadata(run, part),
            unfurl_links=False,
            **more,
        )
        self._id = sent["channel"]
        return str(sent["ts"])

    def _found(self, run: str, part: str, thread: str = "") -> Mapping[str, Any] | None:
        """The message that carries this run's metadata; None where none does, or where the bot may not look."""
        try:
            self._id = self._id or self._by_name()
            if not self._id:
                return None
            for message in self._messages(thread):
                payload = (message.get("metadata") or {}).get("event_payload") or {}
                if (payload.get("run"), payload.get("part")) == (run, part):
                    return message
        except SlackApiError as error:
            if error.response.get("error") not in ("missing_scope", "not_in_channel"):
                raise
            print(f"Slack does not let the bot read {self._channel} ({error.response['error']}): what was sent before")
            print("is not seen, so a message may come twice; docs/cluster.md lists the scopes.")
        return None

    def _messages(self, thread: str) -> Iterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(_PAGES):
            flags: dict[str, Any] = {"channel": self._id, "limit": 200, "include_all_metadata": True}
            if cursor:
                flags["cursor"] = cursor
            page = (
                self._client.conversations_replies(ts=thread, **flags)
                if thread
                else self._client.conversations_history(**flags)
            )
            yield from page["messages"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def _by_name(self) -> str:
        name, cursor = self._channel.removeprefix("#"), ""
        while True:
            page = self._client.conversations_list(
                types="public_channel,private_channel", exclude_archived=True, limit=1000, cursor=cursor or None
            )
            for channel in page["channels"]:
                if channel["name"] == name:
                    return str(channel["id"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return ""


def message(
    title: str, lines: Sequence[str], facts: Mapping[str, str], links: Mapping[str, str], warnings: Sequence[str] = ()
) -> list[Block]:
    """Blocks within Block Kit's limits. All is plain text but the links, whose names are escaped."""
    blocks: list[Block] = [HeaderBlock(text=PlainTextObject(text=_cut(title, _HEADER), emoji=False))]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"… and {len(lines) - _LINES + 1} more"]
    for line in [*lines, *(f"⚠ {warning}" for warning in warnings)]:
        blocks.append(SectionBlock(text=PlainTextObject(text=_cut(line, _SECTION), emoji=False)))
    if facts:
        fields = [f"{name}: {value}" for name, value in list(facts.items())[:_FIELDS]]
        blocks.append(SectionBlock(fields=[PlainTextObject(text=_cut(it, _FIELD), emoji=False) for it in fields]))
    if links:
        said = " · ".join(f"<{escaped(url)}|{escaped(name)}>" for name, url in links.items())
        blocks.append(ContextBlock(elements=[MarkdownTextObject(text=_cut(said, _SECTION), verbatim=True)]))
    return blocks


def escaped(text: str) -> str:
    """Text as Slack's mrkdwn takes it: the three characters that it gives a meaning to."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "¦")


def _metadata(run: str, part: str) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"run": run, "part": part}}


def _cut(text: str, most: int) -> str:
    text = text.strip() or "–"
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except SlackApiError as error:
        code = str(error.response.get("error") or f"HTTP {error.response.status_code}")
        way = f": {_WAYS[code]}" if code in _WAYS else ""
        passing = code in _FOR_NOW or error.response.status_code >= 500
        raise (UnavailableError if passing else UserError)(f"Slack refused ({code}){way}.") from None
    except (SlackClientError, OSError) as error:
        raise UnavailableError(f"Slack does not answer ({error}).") from None
