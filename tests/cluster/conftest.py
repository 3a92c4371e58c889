"""A cluster for the whole run, and a namespace for each test."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.cluster.__main__ import images
from tests.cluster.cluster import Cluster
from tests.cluster.images import archive, catalog
from tests.cluster.installed import Installed
from tests.cluster.kind import KindCluster
from tests.cluster.node import CannotRun, Node
from tests.cluster.own import OwnCluster
from tests.cluster.programs.build import OUT, NoGo, build
from tests.conftest import missing


def pytest_configure() -> None:
    """Take a SIGTERM as Ctrl-C: what was started is ended in both cases."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def built() -> None:
    """The programs, built; where there is no Go, the run says so."""
    try:
        build()
    except NoGo as error:
        missing(f"the cluster: {error}")


@pytest.fixture(scope="session")
def node(built: None) -> Iterator[Node]:
    """The node of the whole run, without any controller of the platform. It ends with this process, come what may."""
    node = Node()
    try:
        node.check()
    except CannotRun as error:
        missing(f"the cluster: {error}")
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
