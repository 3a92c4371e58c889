"""`python -m tests.cluster`: start a node, look at it, end it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.images import archive, catalog
from tests.cluster.node import CannotRun, Node
from tests.cluster.programs.build import BIN, OUT, CannotBuild, build


def main() -> int:
    """See --help."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build the programs and the images, without starting anything")
    verbs.add_parser("up", help="build what is not built, start the node, give it the images")
    verbs.add_parser("status", help="say whether it runs, and how to reach it")
    kubectl = verbs.add_parser("kubectl", help="kubectl on it", add_help=False)
    kubectl.add_argument("words", nargs=argparse.REMAINDER)
    verbs.add_parser("restart", help="cut its power and start it again")
    verbs.add_parser("down", help="end it and remove all that it was")
    parser.add_argument("--state", type=Path, help="the folder of another node than the one in build/cluster/node")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    node = Node(told.state) if told.state else Node()
    try:
        if told.verb == "build":
            build()
            for file in images():
                print(file.name)
        elif told.verb == "up":
            _start(node)
        elif told.verb == "status":
            print(f"running; export KUBECONFIG={node.kubeconfig}" if node.running else "not running")
            return 0 if node.running else 1
        elif told.verb == "kubectl":
            os.execv(BIN / "kubectl", ["kubectl", f"--kubeconfig={node.kubeconfig}", *told.words])  # noqa: S606
        elif told.verb == "restart":
            node.stop()
            node.up()
        else:
            node.down()
    except (CannotRun, CannotBuild, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def images() -> Iterator[Path]:
    """The archives of all images that are made here, made where they are not there."""
    for image in (*catalog.node(), *catalog.tools(BIN / "kubernetes"), *catalog.platform()):
        yield archive.write(image, OUT / "images")


def _start(node: Node) -> None:
    node.check()
    build()
    node.up()
    try:
        for file in images():
            node.containerd.import_image(file)
    except BaseException:
        node.stop()
        raise
    print(f"export KUBECONFIG={node.kubeconfig}")


if __name__ == "__main__":
    sys.exit(main())
