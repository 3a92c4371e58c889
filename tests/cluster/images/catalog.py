"""The images that upstream's manifests name, made of the programs that were built here and of Debian's.

A program is upstream's own at the version that its image's tag says. What stands in for something else says so here.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cluster.images.archive import Image
from tests.cluster.node.settings import PAUSE
from tests.cluster.programs.build import ARGO_EVENTS, ARGO_WORKFLOWS, BIN, KATIB, KUBERNETES, NATS

Files = dict[str, Path | str]

_BUSYBOX = Path("/bin/busybox")
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
_USERS: Files = {"/etc/passwd": _ACCOUNTS, "/etc/group": "root:x:0:\nnobody:x:65534:\n"}
_KATIB_IMAGES = "ghcr.io/kubeflow/katib"


def _shell() -> dict[str, str]:
    """A link for each of busybox's commands."""
    listed = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return {f"/bin/{name}": "/bin/busybox" for name in listed if name != "busybox"}


def base() -> list[Image]:
    """What a node needs for any pod; for tests a shell, and kubectl."""
    return [
        Image(
            PAUSE, {"/bin/busybox": _BUSYBOX}, entrypoint=("/bin/busybox", "sleep", "2147483647"), user="65535:65535"
        ),
        Image("busybox:1.35", {**_USERS, "/bin/busybox": _BUSYBOX}, _shell(), command=("sh",)),
        Image(
            f"registry.k8s.io/kubectl:v{KUBERNETES}",
            {**_USERS, "/bin/busybox": _BUSYBOX, "/bin/kubectl": BIN / "kubernetes"},
            _shell(),
            entrypoint=("/bin/kubectl",),
        ),
    ]


def platform() -> list[Image]:
    """The controllers, the bus, and what they start."""
    return [*_argo(), *_katib(), *_bus()]


def _argo() -> list[Image]:
    workflows, events = f"v{ARGO_WORKFLOWS}", f"v{ARGO_EVENTS}"
    return [
        Image(
            f"quay.io/argoproj/workflow-controller:{workflows}",
            {**_USERS, "/bin/workflow-controller": BIN / "workflow-controller"},
            entrypoint=("workflow-controller",),
            user="8737",
        ),
        Image(
            f"quay.io/argoproj/argoexec:{workflows}",
            {**_USERS, "/bin/argoexec": BIN / "argoexec"},
            entrypoint=("argoexec",),
        ),
        Image(
            f"quay.io/argoproj/argo-events:{events}",
            {**_USERS, "/bin/argo-events": BIN / "argo-events"},
            entrypoint=("/bin/argo-events",),
        ),
    ]


def _katib() -> list[Image]:
    def one(image: str, program: str, place: str, with_shell: bool = False) -> Image:
        folder, _, name = place.rpartition("/")
        files: Files = {**_USERS, place: BIN / program} | ({"/bin/busybox": _BUSYBOX} if with_shell else {})
        links = _shell() if with_shell else {}
        return Image(
            f"{_KATIB_IMAGES}/{image}:v{KATIB}", files, links, entrypoint=(f"./{name}",), workdir=folder or "/"
        )

    return [
        one("katib-controller", "katib-controller", "/app/katib-controller"),
        one("katib-db-manager", "katib-db-manager", "/app/katib-db-manager"),
        # The collector is called from a shell that waits for the trial's own process.
        one("file-metrics-collector", "file-metricscollector", "/app/file-metricscollector", with_shell=True),
        one("suggestion-goptuna", "goptuna-suggestion", "/opt/katib/goptuna-suggestion"),
        # A stand-in: upstream's `tpe` is hyperopt, in Python. Goptuna speaks the same protocol and knows `tpe` too, so
        # that what is proved is the plumbing and not the search (docs/cluster.md).
        one("suggestion-hyperopt", "goptuna-suggestion", "/opt/katib/goptuna-suggestion"),
    ]


def _bus() -> list[Image]:
    """NATS. Its two companions are stand-ins that wait: their modules are not to be had as Go modules.

    The one reports metrics, the other reloads the server when its settings change: nothing of what passes the bus.
    """
    waits: Files = {
        "/bin/busybox": _BUSYBOX,
        "/wait": "#!/bin/busybox sh\ntrap exit TERM INT\nbusybox sleep inf & wait\n",
    }
    return [
        Image(
            f"nats:{NATS}",
            {**_USERS, "/nats-server": BIN / "nats-server", "/bin/busybox": _BUSYBOX},
            _shell(),
            entrypoint=("/nats-server",),
        ),
        Image("natsio/prometheus-nats-exporter:0.14.0", waits, entrypoint=("/wait",)),
        Image("natsio/nats-server-config-reloader:0.14.0", waits, entrypoint=("/wait",)),
    ]
