"""The part of the stub that needs a registry: a small image, pushed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.error
import urllib.request
from typing import Any


def push(reference: str) -> str:
    """Push a small but whole image to a registry on this machine, as `docker push` would. Returns its digest."""
    name, _, tag = reference.rpartition(":")
    host, _, name = name.partition("/")
    base = f"http://{host}/v2/{name}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        entry = tarfile.TarInfo("tag")
        entry.size = len(tag)
        layer.addfile(entry, io.BytesIO(tag.encode()))
    plain = content.getvalue()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
    }
    layer_blob, config_blob = gzip.compress(plain, mtime=0), json.dumps(config).encode()
    kind = "application/vnd.oci.image"
    for blob in (layer_blob, config_blob):
        where = _call("POST", f"{base}/blobs/uploads/", b"").headers["Location"]
        _call("PUT", f"{where}{'&' if '?' in where else '?'}digest={_digest(blob)}", blob, "application/octet-stream")
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": _described(f"{kind}.config.v1+json", config_blob),
        "layers": [_described(f"{kind}.layer.v1.tar+gzip", layer_blob)],
    }
    text = json.dumps(manifest).encode()
    _call("PUT", f"{base}/manifests/{tag}", text, f"{kind}.manifest.v1+json")
    return _digest(text)


def _described(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _call(method: str, url: str, data: bytes, kind: str = "") -> Any:
    headers = {"Content-Type": kind} if kind else {}
    try:
        return urllib.request.urlopen(
            urllib.request.Request(url, data=data, method=method, headers=headers), timeout=30
        )
    except urllib.error.URLError as error:
        sys.exit(f"ERROR: failed to push: {error}")
