"""Addresses as they may be shown: without what is secret in them."""

from __future__ import annotations

import re

HIDDEN = "***"
# Up to the last @ before a blank or a quote: a password may hold an @, a / or a ? that its writer did not escape.
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s'\"`<>]*)@(?!sha256:)")
_SECRET = re.compile(
    r"(?P<key>[?&;][^=&;\s'\"]*(?:pass|pwd|token|secret|key|sig|auth|cred)[^=&;\s'\"]*=)[^&;\s'\"`<>]+", re.IGNORECASE
)


def masked(text: str) -> str:
    """Text in which no address shows a password, a token or a key.

    Of `user:password@` the user stays. A user alone may be a token, as GitHub's are, and is hidden.
    """
    return _SECRET.sub(lambda found: f"{found['key']}{HIDDEN}", _USER.sub(_without_password, text))


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found["user"].partition(":")
    shown = f"{user}:{HIDDEN}" if colon and user and not set("/?#@") & set(user) else HIDDEN
    return f"{found['scheme']}{shown}@"
