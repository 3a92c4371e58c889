"""Ask a container registry for the digest of a tag, as the OCI distribution specification has it.

Uses the credentials that `docker login` left, and Python's own library only.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from slipway.errors import UserError

_MANIFESTS = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_REFERENCE = re.compile(r"(?P<host>[a-z0-9.-]+(?::\d+)?)/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)")


def digest_of(image: str, tag: str) -> str | None:
    """The digest that ``image``:``tag`` has in its registry; None when there is no such tag to be seen.

    Raises:
        UserError: the image's name is none, or the registry did not answer.
    """
    parts = _REFERENCE.fullmatch(image)
    if not parts:
        raise UserError(
            f"slipway.yaml: images: {image!r} is not <registry>/<name> in lower case, as registries want it."
        )
    host, name = parts["host"], parts["name"]
    scheme = "http" if re.match(r"(localhost|127\.0\.0\.1)(:|$)", host) else "https"
    url = f"{scheme}://{host}/v2/{name}/manifests/{tag}"
    basic = _login(host)
    headers = {"Accept": _MANIFESTS} | ({"Authorization": f"Basic {basic}"} if basic else {})
    try:
        try:
            return _head(url, headers)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != 401 or not challenge.startswith("Bearer "):
                raise
        headers["Authorization"] = f"Bearer {_token(challenge, basic)}"
        return _head(url, headers)
    except urllib.error.HTTPError as error:
        # A registry may say "denied" for a name that is not there yet. The push then says whether we may.
        if error.code in (401, 403, 404):
            return None
        raise UserError(
            f"the registry {host} is in trouble ({error.code} {error.reason}): run this again later."
        ) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"the registry {host} did not answer ({reason}): run this again when it is back.") from None


def _head(url: str, headers: dict[str, str]) -> str | None:
    request = urllib.request.Request(url, headers=headers, method="HEAD")
    with urllib.request.urlopen(request, timeout=30) as response:
        digest: str | None = response.headers.get("Docker-Content-Digest")
        return digest


def _token(challenge: str, basic: str | None) -> str:
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
    headers = {"Authorization": f"Basic {basic}"} if basic else {}
    with urllib.request.urlopen(
        urllib.request.Request(f"{fields['realm']}?{query}", headers=headers), timeout=30
    ) as response:
        answer = json.load(response)
    return str(answer.get("token") or answer["access_token"])


def _login(host: str) -> str | None:
    """What `docker login` wrote for ``host``, as HTTP's basic credentials."""
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    try:
        entry = json.loads(file.read_text(encoding="utf-8")).get("auths", {}).get(host, {})
    except (OSError, ValueError):
        return None
    if entry.get("auth"):
        return str(entry["auth"])
    if entry.get("username"):
        return base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
    return None
