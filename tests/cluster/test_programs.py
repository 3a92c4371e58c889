"""What is built is what is written down; no cluster is needed for these."""

from __future__ import annotations

import re

import pytest

from tests.cluster.programs import build
from tests.cluster.upstream import REPOSITORIES
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("module", "path", "version"),
    [
        ("kubernetes", "k8s.io/kubernetes", build.KUBERNETES),
        ("controllers", "github.com/argoproj/argo-workflows/v4", build.ARGO_WORKFLOWS),
        ("controllers", "github.com/argoproj/argo-events", build.ARGO_EVENTS),
        ("controllers", "github.com/kubeflow/katib", build.KATIB),
        ("nats", "github.com/nats-io/nats-server/v2", build.NATS),
    ],
)
def test_the_version_that_images_are_named_by_is_the_one_that_is_built(module: str, path: str, version: str) -> None:
    wanted = (build.HERE / module / "go.mod").read_text(encoding="utf-8")
    assert re.findall(rf"^\s*(?:require )?{re.escape(path)} v(\S+)", wanted, re.MULTILINE) == [version]


def test_every_manifest_of_upstream_that_the_platform_names_is_served_here() -> None:
    asked = set()
    for path in ROOT.glob("k8s/platform/**/kustomization.yaml"):
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"https://github\.com/([\w-]+/[\w-]+)//\S+\?ref=v(\S+)", text))
        assert text.count("https://") == len(re.findall(r"https://github\.com/\S+\?ref=v", text)), path
    assert asked <= {(it.repository, it.pinned) for it in REPOSITORIES}
    assert asked
