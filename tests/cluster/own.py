"""The cluster that this machine starts itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.cluster import upstream
from tests.cluster.cluster import Cluster
from tests.cluster.images.containerd import Containerd
from tests.cluster.node import Node
from tests.cluster.programs.build import BIN


class OwnCluster(Cluster):
    """A node of `tests/cluster/node`, running."""

    def __init__(self, node: Node) -> None:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        super().__init__(
            BIN / "kubectl", node.kubeconfig, {"PATH": path, "GIT_CONFIG_GLOBAL": str(upstream.git_settings())}
        )
        self.node = node

    @property
    def containerd(self) -> Containerd:
        return self.node.containerd

    def restart_node(self) -> None:
        self.node.stop()
        self.node.up(say=lambda _: None, tied=True)

    def in_pod_network(self, command: Sequence[str]) -> list[str]:
        return self.node.enter(command)

    @property
    def machine(self) -> str:
        return self.node.settings.outside
