"""The node's cgroups: the one thing of the kernel's that is in no namespace of its own."""

from __future__ import annotations

import time
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def make_cgroups(name: str) -> None:
    """A cgroup for all pods, of every kind that the kernel has."""
    for parent in _hierarchies():
        folder = parent / name
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new one of version 1, and nothing may run there
            if (parent / file).exists() and (folder / file).exists():
                (folder / file).write_text((parent / file).read_text())


def cgroups(name: str) -> list[Path]:
    """Those that are there."""
    return [parent / name for parent in _hierarchies() if (parent / name).exists()]


def remove_cgroups(name: str) -> None:
    """Remove them and all below, as soon as the processes that were killed have left them."""
    deadline = time.monotonic() + 30
    for top in cgroups(name):
        while top.exists():
            try:
                for folder in sorted((it for it in top.rglob("*") if it.is_dir()), reverse=True):
                    folder.rmdir()
                top.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _hierarchies() -> list[Path]:
    """Every mounted hierarchy of version 1, and that of version 2."""
    here = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines() if " cgroup" in line]
    return [path for path in here if path.is_relative_to(_CGROUPS)]
