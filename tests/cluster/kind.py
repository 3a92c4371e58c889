"""A cluster that is there already, made by kind: `KUBECONFIG` names it, Docker runs its node as a container.

It has the internet: upstream's manifests come from GitHub at the versions that k8s/platform pins, and upstream's own
images from their registries. What is proved on our own node with stand-ins is proved here with what users run.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.cluster import Cluster, condition
from tests.cluster.images.containerd import Containerd

CLUSTER = os.environ.get("KIND_CLUSTER", "kind")


class KindCluster(Cluster):
    """The cluster of `kind create cluster`; kubectl and docker are on the PATH."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__("kubectl", kubeconfig, {})
        self._container = f"{CLUSTER}-control-plane"

    @property
    def containerd(self) -> Containerd:
        return Containerd(["docker", "exec", "--interactive", self._container, "ctr"])

    def restart_node(self) -> None:
        _run("docker", "kill", self._container)
        _run("docker", "start", self._container)
        self.wait(f"node/{self._container}", condition("Ready"))

    def in_pod_network(self, command: Sequence[str]) -> list[str]:
        process = _run("docker", "inspect", "--format={{.State.Pid}}", self._container).strip()
        return ["nsenter", f"--target={process}", "--net", *command]

    @property
    def machine(self) -> str:
        networks = json.loads(_run("docker", "network", "inspect", "kind"))[0]["IPAM"]["Config"]
        return next(it["Gateway"] for it in networks if "." in it.get("Gateway", ""))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
