"""A cluster for the whole run, and a namespace for each test."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks.engine import Engine, NoEngine
from filelock import FileLock

from tests.cluster.__main__ import images
from tests.cluster.cluster import Cluster
from tests.cluster.images import archive, catalog
from tests.cluster.installed import Installed
from tests.cluster.kind import KindCluster
from tests.cluster.node import CannotRun, Node
from tests.cluster.own import OwnCluster
from tests.cluster.programs.build import OUT, NoGo, build
from tests.conftest import ROOT, missing


def pytest_configure() -> None:
    """Take a SIGTERM as Ctrl-C: what was started is ended in both cases."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def built() -> None:
    """The programs, built; where there is no Go, or no node could run them, the run says so first."""
    try:
        Node().check()
        build()
    except (CannotRun, NoGo) as error:
        missing(f"the cluster: {error}")


@pytest.fixture(scope="session")
def node(built: None) -> Iterator[Node]:
    """The node of the whole run, without any controller of the platform. It ends with this process, come what may."""
    node = Node()
    if node.running:
        pytest.fail("a node is running here already; `make cluster-down` ends it")
    with FileLock(OUT / "tests.lock", blocking=False):  # one run of these tests, and no other
        node.down()  # what an earlier run may have left
        began = time.monotonic()
        node.up(say=lambda line: print(line), tied=True)
        print(f"the node was up after {time.monotonic() - began:.1f} s")
        yield node
        node.down()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The node, with every image that is made here; or the cluster that KUBECONFIG names, which pulls upstream's."""
    if named := os.environ.get("KUBECONFIG"):
        there: Cluster = KindCluster(Path(named))
        kubectl = shutil.which("kubectl")
        assert kubectl
        archives: Iterator[Path] = (archive.write(it, OUT / "images") for it in catalog.tools(Path(kubectl)))
    else:
        there = OwnCluster(request.getfixturevalue("node"))
        archives = images()
    for file in archives:
        there.import_image(file)
    return there


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The Docker engine that builds the repository's own images, on its base image."""
    try:
        engine = Engine()
    except NoEngine as error:
        missing(f"the cluster with this repository's images: no Docker engine: {error}")
    base = next(line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM "))
    if not engine.has_image(base) and engine("pull", "--quiet", base, check=False, timeout=300).returncode:
        missing(f"the cluster with this repository's images: {base} cannot be pulled; `.ci/base-image` makes one")
    return engine


@pytest.fixture(scope="session")
def from_dockerfile(
    cluster: Cluster, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, Path], str]:
    """Build a target of the Dockerfile in a folder and give it to the cluster by a name; returns `name@sha256:…`."""

    def give(target: str, name: str, context: Path = ROOT) -> str:
        archive = tmp_path_factory.mktemp(target) / "image.tar"
        engine("save", "--output", str(archive), engine.build(context, target, name))
        try:
            return cluster.import_image(archive)
        finally:
            archive.unlink()  # hundreds of megabytes
            engine.remove(name.rpartition(":")[0])

    return give


@pytest.fixture(scope="session")
def platform(cluster: Cluster) -> Installed:
    """The cluster with the platform on it: controllers, bus, PostgreSQL, S3."""
    installed = Installed(cluster)
    began = time.monotonic()
    installed.install("s3", "postgres", "katib", "argo-workflows", "argo-events", "our-events")
    print(f"the platform was up after {time.monotonic() - began:.1f} s")
    return installed


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own. It is on its way out when the test is over."""
    name = "test-" + request.node.name.removeprefix("test_").replace("_", "-").split("[")[0][:50].rstrip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.wait("serviceaccount/default", lambda _: True, name)
    yield name
    cluster.delete(f"namespace/{name}", "default", "--wait=false")
