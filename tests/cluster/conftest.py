"""A cluster for the whole run, and a namespace for each test."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.__main__ import images
from tests.cluster.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.node import CannotRun, Node
from tests.cluster.own import OwnCluster
from tests.cluster.programs.build import NoGo, build
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
        raise CannotRun("a node is running; `python -m tests.cluster down` ends it")
    node.down()  # what an earlier run may have left
    began = time.monotonic()
    node.up(say=lambda line: print(line), tied=True)
    print(f"the node was up after {time.monotonic() - began:.1f} s")
    yield node
    node.down()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The node, or the cluster that KUBECONFIG names; with every image that is made here."""
    if named := os.environ.get("KUBECONFIG"):
        request.getfixturevalue("built")
        there: Cluster = KindCluster(Path(named))
    else:
        there = OwnCluster(request.getfixturevalue("node"))
    for archive in images():
        there.import_image(archive)
    return there


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own. It is on its way out when the test is over."""
    name = "test-" + request.node.name.removeprefix("test_").replace("_", "-").split("[")[0][:50].rstrip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.wait("serviceaccount/default", lambda _: True, name)
    yield name
    cluster.delete(f"namespace/{name}", "default", "--wait=false")
