"""`slipway platform` where there is no cluster, or not what it needs; tests/cluster has it on a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slipway.__main__ import main
from slipway.cluster.components import components, secrets
from slipway.names import load_names
from slipway.release.pin import KUSTOMIZATIONS, MLFLOW, NO_IMAGE, pin_kustomization
from tests.conftest import ROOT

NAMES = load_names(ROOT / "slipway.yaml")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The names, the platform's files without an image of ours, and a kubeconfig that leads nowhere."""
    shutil.copy(ROOT / "slipway.yaml", tmp_path)
    shutil.copytree(ROOT / "k8s/platform", tmp_path / "k8s/platform")
    pin_kustomization(tmp_path / KUSTOMIZATIONS[MLFLOW], NO_IMAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return tmp_path


def test_an_unknown_component_names_those_there_are(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platform", "up", "--only", "helm"]) == 2
    assert "--only helm: there is no such component; there are namespaces, storage, postgres" in capsys.readouterr().err


def test_without_a_cluster_it_says_what_kubectl_says(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["check"], ["up", "--only", "namespaces"]):
        assert main(["platform", *words]) == 2
        said = capsys.readouterr().err
        assert "`kubectl " in said and "failed: " in said and "Traceback" not in said


def test_an_image_that_was_never_built_is_not_applied(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platform", "up", "--only", "mlflow"]) == 2
    assert "k8s/platform/mlflow names an image that was never built: run the workflow" in capsys.readouterr().err


def test_without_kubectl_it_says_where_it_is_had(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(clone))
    assert main(["platform", "check"]) == 2
    assert "`kubectl` is not installed" in capsys.readouterr().err


def test_what_others_need_is_installed_before_them() -> None:
    order = [it.name for it in components(NAMES)]
    for first, then in (
        ("namespaces", "storage"), ("storage", "mlflow"), ("postgres", "mlflow"), ("postgres", "katib"),
        ("argo-workflows", "our-workflows"), ("argo-events", "our-events"), ("our-workflows", "our-events"),
    ):  # fmt: skip
        assert order.index(first) < order.index(then)
    assert [it.name for it in components(NAMES, s3=True)][1] == "s3"


def test_a_copy_is_made_of_a_secret_that_comes_before_it() -> None:
    seen = set()
    for it in secrets(NAMES):
        assert not it.copy_of or (it.copy_of, it.name) in seen
        seen.add((it.namespace, it.name))
