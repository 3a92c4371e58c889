"""A node's names and addresses, which follow from its folder: two nodes on one machine do not meet."""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

PODS, GATEWAY = "10.244.0.0/24", "10.244.0.1"
SERVICES, API_SERVICE = "10.96.0.0/16", "10.96.0.1"
PAUSE = "registry.k8s.io/pause:3.10"
FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class Settings:
    """Where the node keeps everything, and what it is called."""

    state: Path

    @property
    def name(self) -> str:
        """Of the node, its cgroups, and (as the kernel allows 15 letters) of the interface that leads to it."""
        return f"slipway-{self._number:04x}"

    @property
    def outside(self) -> str:
        """This machine's address, as the node and its pods see it."""
        return self._address(1)

    @property
    def inside(self) -> str:
        """The node's address, as this machine sees it."""
        return self._address(2)

    @property
    def socket(self) -> Path:
        """Containerd's. It is short, for the kernel allows 107 letters; see :meth:`Node.up`."""
        return self.state / "c.sock"

    @property
    def pki(self) -> Path:
        """Keys, certificates and kubeconfigs."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for kubectl on this machine."""
        return self.pki / "admin.kubeconfig"

    def log(self, name: str) -> Path:
        """A part's log."""
        return self.state / "log" / f"{name}.log"

    def fill(self, file: str) -> str:
        """One of the node's files with its names and addresses in it."""
        values = {
            "gateway": GATEWAY,
            "name": self.name,
            "pause": PAUSE,
            "pki": self.pki,
            "pods": PODS,
            "socket": self.socket,
            "state": self.state,
        }
        return string.Template((FILES / file).read_text(encoding="utf-8")).substitute(values)

    @property
    def _number(self) -> int:
        return int.from_bytes(hashlib.sha256(str(self.state).encode()).digest()[:2], "big")

    def _address(self, host: int) -> str:
        """In one of the 32,768 nets of four in 198.18.0.0/15, which is set aside for tests: nobody is reached there."""
        return str(IPv4Network("198.18.0.0/15")[self._number % 32_768 * 4 + host])
