"""The images that a node's containerd holds."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path


class Containerd:
    """One, by the command that speaks with it: `ctr` here, or in kind's container."""

    def __init__(self, ctr: Sequence[str]) -> None:
        self._ctr = [*ctr, "--namespace=k8s.io"]

    def __call__(self, *words: str, stdin: Path | None = None) -> str:
        """What `ctr WORDS` says.

        Raises:
            RuntimeError: it says no.
        """
        with open(stdin or "/dev/null", "rb") as stream:  # noqa: PTH123
            done = subprocess.run([*self._ctr, *words], stdin=stream, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"ctr {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def import_image(self, archive: Path) -> str:
        """Take what `docker save` or archive.py wrote, under its name and its digest; returns `name@sha256:…`.

        A registry would give it another digest, for it compresses layers: manifests that pin one are told this one.
        """
        with tarfile.open(archive) as tar:
            described = tar.extractfile("manifest.json")
            assert described
            [name] = json.load(described)[0]["RepoTags"]
        self("images", "import", "-", stdin=archive)
        full = _full(name)
        _, line = self("images", "list", f"name=={full}").splitlines()
        pinned = f"{full.rpartition(':')[0]}@{line.split()[2]}"
        self("images", "tag", "--force", full, pinned)
        return pinned


def _full(name: str) -> str:
    """A name as containerd keeps it: Docker's own registry is not left out."""
    host, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in host or ":" in host else f"docker.io/{name}"
