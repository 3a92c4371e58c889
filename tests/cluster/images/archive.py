"""Writes an image as `docker save` does, from files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TIME = "1980-01-01T00:00:00Z"


@dataclass(frozen=True)
class Image:
    """What an image holds and does."""

    name: str
    """With its tag, as manifests call it."""
    files: Mapping[str, Path | str]
    """A file of this machine, or a text, by its place in the image. All may be read and run by everybody."""
    links: Mapping[str, str] = field(default_factory=dict)
    """What a symbolic link points at, by its place."""
    folders: Mapping[str, int] = field(default_factory=lambda: {"/tmp": 0o1777})  # noqa: S108
    """Empty folders and their modes."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Changes with whatever the image is made of; files are told apart by size and time."""
        digest = hashlib.sha256(repr(self).encode())
        for source in self.files.values():
            if isinstance(source, Path):
                digest.update(f"{source} {source.stat().st_size} {source.stat().st_mtime_ns}".encode())
        digest.update(Path(__file__).read_bytes())
        return digest.hexdigest()[:16]


def write(image: Image, folder: Path) -> Path:
    """The image's archive in ``folder``; one that is there and of the same files is left as it is."""
    stem = image.name.replace("/", "_").replace(":", "_")
    archive = folder / f"{stem}-{image.key}.tar"
    if archive.exists():
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{stem}-*"):
        old.unlink()
    layer = archive.with_suffix(".layer")
    _write_layer(image, layer)
    with layer.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    config = json.dumps(_config(image, digest)).encode()
    named = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": named, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w") as tar:
        tar.add(layer, "layer.tar")
        for name, content in ((named, config), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    layer.unlink()
    partial.rename(archive)
    return archive


def _write_layer(image: Image, path: Path) -> None:
    made: set[str] = set()
    with tarfile.open(path, "w") as tar:

        def add(place: str, kind: bytes, mode: int, **more: Any) -> tarfile.TarInfo:
            for parent in reversed(Path(place.strip("/")).parents[:-1]):
                if str(parent) not in made:
                    add(str(parent), tarfile.DIRTYPE, 0o755)
            made.add(place.strip("/"))
            entry = tarfile.TarInfo(place.strip("/"))
            entry.type, entry.mode = kind, mode
            for name, value in more.items():
                setattr(entry, name, value)
            if kind != tarfile.REGTYPE:
                tar.addfile(entry)
            return entry

        for place, mode in image.folders.items():
            add(place, tarfile.DIRTYPE, mode)
        for place, target in image.links.items():
            add(place, tarfile.SYMTYPE, 0o777, linkname=target)
        for place, source in image.files.items():
            if isinstance(source, str):
                content = source.encode()
                tar.addfile(add(place, tarfile.REGTYPE, 0o755, size=len(content)), io.BytesIO(content))
            else:
                with source.open("rb") as stream:
                    tar.addfile(add(place, tarfile.REGTYPE, 0o755, size=source.stat().st_size), stream)


def _config(image: Image, layer: str) -> dict[str, Any]:
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _TIME,
        "config": {
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": list(image.command) or None,
            "WorkingDir": image.workdir,
            "User": image.user,
            "Env": [f"{name}={value}" for name, value in (path | dict(image.environment)).items()],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": _TIME}],
    }
