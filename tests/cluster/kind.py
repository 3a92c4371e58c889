"""A cluster that is there already, made by kind: `KUBECONFIG` names it, Docker runs its node as a container."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.cluster import Cluster, condition

CLUSTER = os.environ.get("KIND_CLUSTER", "kind")


class KindCluster(Cluster):
    """The cluster of `kind create cluster`; kubectl, docker and kind are on the PATH."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__("kubectl", kubeconfig)
        self._container = f"{CLUSTER}-control-plane"

    def import_image(self, archive: Path) -> None:
        _run("kind", "load", "image-archive", str(archive), f"--name={CLUSTER}")

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
