"""Start, enter and end a node, from outside."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster.images.containerd import Containerd
from tests.cluster.node import pki
from tests.cluster.node.cgroups import cgroups, make_cgroups, remove_cgroups
from tests.cluster.node.settings import GATEWAY, Settings
from tests.cluster.programs.build import BIN

ROOT = Path(__file__).parents[3]
NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "/bin/busybox": "busybox-static",
    "ip": "iproute2",
    "unshare": "util-linux",
}
"""Programs that the node takes from the machine, and the Debian packages that have them."""

_SBIN = os.pathsep.join((str(BIN), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_SECONDS = 300


class CannotRun(Exception):
    """What is missing on this machine, in a sentence."""


class Node:
    """The node whose files are in a folder: running, or not."""

    def __init__(self, state: Path = ROOT / "build/cluster/node") -> None:
        self.settings = Settings(state.absolute())
        self._pid_file = self.settings.state / "pid"

    @property
    def kubeconfig(self) -> Path:
        """For kubectl on this machine."""
        return self.settings.kubeconfig

    @property
    def running(self) -> bool:
        """Its first process is there."""
        return bool(self._processes())

    def up(self, say: Callable[[str], None] = print, *, tied: bool = False) -> None:
        """Start it, from nothing or from what :meth:`stop` left; ready when this returns.

        A node that is ``tied`` ends with the process that started it, even when that is killed. When this is
        interrupted or fails, nothing is left running, and the logs stay.

        Raises:
            CannotRun: something that it needs is not here.
            RuntimeError: a part did not come up; ends with its log.
        """
        self.check()
        if self.running:
            raise CannotRun(f"a node is running in {self.settings.state}; end it first")
        try:
            self._start(say, tied)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it as a power cut does. What it keeps stays for the next :meth:`up`."""
        there = self._processes()
        for process in there:
            os.kill(process, signal.SIGKILL)
        while not all(_has_ended(process) for process in there):
            time.sleep(0.02)
        # The kernel does it as well, when it finds the time; then there is none, and that is no error.
        _ip("link", "delete", self.settings.name, check=False)
        remove_cgroups(self.settings.name)
        self._pid_file.unlink(missing_ok=True)

    def down(self) -> None:
        """End it and remove all that it was."""
        self.stop()
        shutil.rmtree(self.settings.state, ignore_errors=True)

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` among the node's processes, with its network, names and files."""
        return ["nsenter", f"--target={self._processes()[0]}", "--mount", "--net", "--pid", *command]

    @property
    def containerd(self) -> Containerd:
        """Its images."""
        return Containerd(["ctr", f"--address={self.settings.socket}"])

    def check(self) -> None:
        """Look whether a node can run here at all.

        Raises:
            CannotRun: it cannot, and why.
        """
        if os.geteuid() != 0:
            raise CannotRun("a node needs root")
        missing = {package for program, package in NEEDED.items() if not shutil.which(program, path=_SBIN)}
        if missing:
            raise CannotRun(f"these packages of Debian are not installed: {' '.join(sorted(missing))}")
        if len(str(self.settings.socket)) > 100:
            raise CannotRun(f"{self.settings.state} is too long a name: the kernel allows a socket 107 letters")

    def _start(self, say: Callable[[str], None], tied: bool) -> None:
        node = self.settings
        for folder in ("etc/cni", "log"):
            (node.state / folder).mkdir(parents=True, exist_ok=True)
        for file in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "Corefile", "base.yaml"):
            (node.state / "etc" / file).write_text(node.fill(file), encoding="utf-8")
        (node.state / "etc/cni/10-slipway.conflist").write_text(node.fill("cni.conflist"), encoding="utf-8")
        (node.state / "etc/resolv.conf").write_text(
            f"nameserver {GATEWAY}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n", encoding="utf-8"
        )
        pki.make(node)
        node.socket.unlink(missing_ok=True)
        remove_cgroups(node.name)
        make_cgroups(node.name)

        told = node.log("node")
        with told.open("wb") as log:
            outer = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--propagation=private",
                 sys.executable, "-m", "tests.cluster.node.inside", str(node.state)],
                cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_die_with_parent if tied else None,
            )  # fmt: skip
        try:
            self._follow(outer, told, say)
        except BaseException:
            outer.kill()
            outer.wait()
            raise

    def _follow(self, outer: subprocess.Popen[bytes], told: Path, say: Callable[[str], None]) -> None:
        """Link the node to this machine as soon as it is there; tell what it tells until it is ready."""
        deadline, linked, said = time.monotonic() + _SECONDS, False, 0
        while True:
            lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
            for line in lines[said:]:
                say(line)
            said = len(lines)
            if any(line.endswith("  ready") for line in lines):
                return
            if outer.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the node did not come up:\n" + "\n".join(lines[-40:]))
            if not linked and (first := _only_child(outer.pid)):
                self._pid_file.write_text("".join(f"{pid} {_started(pid)}\n" for pid in (first, outer.pid)))
                linked = self._link(first)
            time.sleep(0.05)

    def _link(self, first: int) -> bool:
        """Lay the link; it is gone when either end is. False as long as the process has no network of its own yet."""
        if Path(f"/proc/{first}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            return False
        node = self.settings
        _ip("link", "add", node.name, "type", "veth", "peer", "name", "eth0", "netns", str(first))
        _ip("address", "add", f"{node.outside}/30", "dev", node.name)
        _ip("link", "set", node.name, "up")
        return True

    def _processes(self) -> list[int]:
        """The node's first process, and the `unshare` that waits for its end, as far as they run."""
        if not self._pid_file.exists():
            return []
        written = [map(int, line.split()) for line in self._pid_file.read_text().splitlines()]
        return [pid for pid, started in written if _started(pid) == started and not _has_ended(pid)]


def left_behind(settings: Settings) -> list[str]:
    """What there still is of a node that is down: each a process, mount, interface or cgroup."""
    link = Path("/sys/class/net") / settings.name
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [
        *(f"process {entry.name}" for entry in Path("/proc").glob("[0-9]*") if str(settings.state) in _words(entry)),
        *(f"mount {mount}" for mount in mounts if mount.startswith(f"{settings.state}/")),
        *([f"interface {settings.name}"] if link.exists() else []),
        *(f"cgroup {folder}" for folder in cgroups(settings.name)),
    ]


def _words(process: Path) -> str:
    try:
        return (process / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _environment() -> dict[str, str]:
    return {"PATH": _SBIN, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT), "HOME": "/root", "GOMAXPROCS": "2"}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; `unshare --kill-child` hands it on


def _only_child(pid: int) -> int | None:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return None
    return int(children[0]) if children else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _started(pid: int) -> int | None:
    """When a process began, in the kernel's ticks: a number that is given again does not begin at the same time."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def _has_ended(pid: int) -> bool:
    """It has ended, whether or not its parent has asked how."""
    return _stat(pid)[:1] in ([], ["Z"])


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, env={"PATH": _SBIN}, capture_output=True)
