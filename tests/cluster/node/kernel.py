"""What a node changes in the machine's kernel and cannot keep in a namespace: cgroups, and a few settings."""

from __future__ import annotations

import json
import time
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")


class Kept:
    """The settings as they were before the node came, in its folder."""

    FILES = (
        *(Path("/proc/sys/vm") / name for name in ("overcommit_memory", "panic_on_oom")),
        *(Path("/proc/sys/kernel") / name for name in ("panic", "panic_on_oops")),
        _WATCHERS,
    )
    """The first four a kubelet sets for the whole machine."""

    def __init__(self, state: Path) -> None:
        self._file = state / "kernel.json"

    def remember(self) -> None:
        """Write them down, unless that was done; and allow as many file watchers as some forty pods need."""
        if not self._file.exists():
            now = {str(path): path.read_text().strip() for path in self.FILES}
            self._file.write_text(json.dumps(now), encoding="utf-8")
        if int(_WATCHERS.read_text()) < 1024:
            _WATCHERS.write_text("1024")

    def restore(self) -> None:
        """Put them back."""
        if self._file.exists():
            for path, value in json.loads(self._file.read_text(encoding="utf-8")).items():
                Path(path).write_text(value)
            self._file.unlink()


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
