"""A Kubernetes of one node on one Linux machine, as root, without any registry. `Node` starts and ends it.

The node is one tree of processes in namespaces of its own (processes, mounts, network), as a container is: `inside.py`
is its first process and starts everything else. When that process is gone, the kernel ends the rest; mounts, interfaces
and packet filter rules go with their namespaces. What is left is a folder and cgroups, and those are removed by name.
"""

from tests.cluster.node.node import CannotRun, Node

__all__ = ["CannotRun", "Node"]
