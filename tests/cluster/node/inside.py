"""The first process of a node: it lays out what only the node sees, starts the parts in order and stays with them.

Run by node.py in new namespaces of processes, mounts and network. When it ends, for whatever reason, the kernel ends
every other process in them. It ends when it is told to (SIGTERM) and when one of the parts has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tests.cluster.node import parts
from tests.cluster.node.settings import GATEWAY, PODS, SERVICES, Settings

_KERNEL = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""What a kubelet wants of the whole machine's kernel. It reads here that it has it, and leaves the machine's alone."""

_SECONDS = 180  # for one part to answer; on an idle machine the slowest takes four


class Failed(Exception):
    """A part that ended or does not answer."""


def main() -> NoReturn:
    """Start the node whose folder is the only argument; say what is done on stdout; end with 1 when it fails."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    node = _Starting(Settings(Path(sys.argv[1])))
    try:
        node.start()
        node.stay()
    except Failed as failed:
        print(f"failed: {failed}", flush=True)
    os._exit(1)


class _Starting:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.began = time.monotonic()
        self.running: dict[int, str] = {}

    def start(self) -> None:
        node = self.settings
        _lay_out(node)
        self._wait("the link to the machine", lambda: Path("/proc/sys/net/ipv4/conf/eth0").exists())
        _network(node)
        self._run("containerd", parts.containerd(node))
        self._run("etcd", parts.etcd(node))
        self._run("kube-apiserver", parts.apiserver(node))
        self._wait("kube-apiserver", lambda: _kubectl(node, "get", "--raw=/readyz"))
        # Started earlier, these find no rights yet, and come back seconds later.
        self._run("kube-controller-manager", parts.controller_manager(node))
        self._run("kube-scheduler", parts.scheduler(node))
        self._wait(
            "what a cluster brings along", lambda: _kubectl(node, "apply", f"--filename={node.state}/etc/base.yaml")
        )
        self._wait("containerd", node.socket.exists)
        self._run("kubelet", parts.kubelet(node))
        self._run("kube-proxy", parts.proxy(node))
        self._run("coredns", parts.dns(node))
        ready = ("wait", "--for=condition=Ready", f"node/{node.name}", "--timeout=5s")
        self._wait("kubelet", lambda: _kubectl(node, *ready))
        self._wait("coredns", lambda: _answers("http://127.0.0.1:10254/ready"))
        self._wait("the first service account", lambda: _kubectl(node, "get", "serviceaccount/default"))
        self._say("ready")

    def stay(self) -> None:
        """Bury every process that nobody else does, until it is one of ours."""
        threading.Thread(target=_open_volumes, daemon=True).start()
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid in self.running:
                raise Failed(self._ended(pid, status))

    def _run(self, name: str, command: parts.Command) -> None:
        with self.settings.log(name).open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.running[process.pid] = name

    def _wait(self, what: str, answers: Callable[[], object]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not answers():
            for pid in self.running:
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    raise Failed(self._ended(*os.waitpid(pid, 0)))
            if time.monotonic() > deadline:
                raise Failed(f"{what} does not answer for {_SECONDS} s")
            time.sleep(0.1)
        self._say(what)

    def _ended(self, pid: int, status: int) -> str:
        name = self.running[pid]
        said = self.settings.log(name).read_text(encoding="utf-8", errors="replace")[-2000:]
        return f"{name} ended with {os.waitstatus_to_exitcode(status)}; the end of its log:\n{said}"

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:5.1f} s  {what}", flush=True)


def _lay_out(node: Settings) -> None:
    """Hide the folders in which Kubernetes leaves things; what is written there from here on, nobody else sees."""
    _do("mount", "--make-rshared", "/")
    kept = Path.cwd(), node.state  # these may lie in a folder that is hidden next
    held = [os.open(folder, os.O_PATH) for folder in kept]
    _do("mount", "-t", "tmpfs", "tmpfs", "/run")
    _do("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    upper, work = node.state / "var-lib/upper", node.state / "var-lib/work"
    for folder in (upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    _do("mount", "-t", "overlay", "-o", f"lowerdir=/var/lib,upperdir={upper},workdir={work}", "overlay", "/var/lib")
    (node.state / "tmp").mkdir(exist_ok=True)
    (node.state / "tmp").chmod(0o1777)
    _do("mount", "--bind", str(node.state / "tmp"), "/tmp")  # noqa: S108
    for folder, descriptor in zip(kept, held, strict=True):
        if not folder.exists():
            folder.mkdir(parents=True)
            _do("mount", "--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{descriptor}", str(folder))
        os.close(descriptor)
    for name, value in _KERNEL.items():
        file = node.state / "etc" / name.replace("/", ".")
        file.write_text(f"{value}\n")
        _do("mount", "--bind", str(file), f"/proc/sys/{name}")
    names = Path("/etc/resolv.conf").resolve()
    if names.exists():
        _do("mount", "--bind", f"{node.state}/etc/resolv.conf", str(names))
    else:  # it was in /run
        names.parent.mkdir(parents=True, exist_ok=True)
        names.write_text((node.state / "etc/resolv.conf").read_text())


def _network(node: Settings) -> None:
    """One link, to the machine and no further: what asks for the internet is told at once that there is none."""
    _do("ip", "link", "set", "lo", "up")
    _do("ip", "address", "replace", f"{node.inside}/30", "dev", "eth0")
    _do("ip", "link", "set", "eth0", "up")
    # The bridge is there before the first pod, or CoreDNS had no address to listen on.
    _do("ip", "link", "add", "cni0", "type", "bridge")
    _do("ip", "address", "add", f"{GATEWAY}/{PODS.partition('/')[2]}", "dev", "cni0")
    _do("ip", "link", "set", "cni0", "up")
    # Without any route the kernel would refuse a Service's address before kube-proxy's rules could change it.
    _do("ip", "route", "add", SERVICES, "dev", "cni0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _open_volumes() -> None:
    """Let any user write to a new volume, as other storage does: the controller manager makes it for root alone."""
    while True:
        for volume in Path("/tmp/hostpath_pv").glob("*"):  # noqa: S108
            if volume.stat().st_mode & 0o777 == 0o750:
                volume.chmod(0o777)
        time.sleep(0.2)


def _kubectl(node: Settings, *words: str) -> bool:
    command = ["kubectl", f"--kubeconfig={node.kubeconfig}", *words]
    return subprocess.run(command, capture_output=True).returncode == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
