"""What `slipway platform up` applies: built by the real kustomize with upstream's own manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.cluster.components import KUBEFLOW, components, secrets
from slipway.names import load_names
from slipway.release.pin import EXPERIMENT
from tests.conftest import ROOT
from tests.manifests.upstream import built

NAMES = load_names(ROOT / "slipway.yaml")
FOLDERS = [str(it.folder) for it in components(NAMES)] + ["k8s/platform/s3"]
OURS = {*NAMES.namespaces.model_dump().values(), KUBEFLOW}
WORKLOADS = ("Deployment", "StatefulSet")


def workloads(folder: str) -> Iterator[dict[str, Any]]:
    """The objects of a kustomization that have pods."""
    yield from (value for value in built(folder) if value["kind"] in WORKLOADS)


def test_every_folder_is_installed_and_every_version_is_pinned() -> None:
    there = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "k8s/platform").glob("*/kustomization.yaml")}
    assert there == {folder for folder in FOLDERS if folder.startswith("k8s/")}
    named = [
        line.strip("- ")
        for path in (ROOT / "k8s/platform").rglob("kustomization.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "https://" in line
    ]
    assert named
    for address in named:
        assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+//manifests/[\w/-]+\?ref=v\d+\.\d+\.\d+", address)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_in_a_namespace_of_ours_or_has_none(folder: str) -> None:
    for value in built(folder):
        namespace = value["metadata"].get("namespace")
        assert namespace in OURS | {None}, value["metadata"]["name"]
    assert all(value["kind"] != "Secret" or not value.get("data") for value in built(folder)), "no secret is in Git"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pod_keeps_to_the_restricted_standard(folder: str) -> None:
    for value in workloads(folder):
        pod = value["spec"]["template"]["spec"]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            where = f"{value['metadata']['name']}/{container['name']}"
            rights = pod.get("securityContext", {}) | container.get("securityContext", {})
            assert rights.get("runAsNonRoot") is True, where
            assert rights.get("seccompProfile") == {"type": "RuntimeDefault"}, where
            assert rights.get("allowPrivilegeEscalation") is False, where
            assert rights.get("capabilities") == {"drop": ["ALL"]}, where


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_container_says_what_it_takes_and_has_a_version(folder: str) -> None:
    for value in workloads(folder):
        for container in value["spec"]["template"]["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), container["name"]
            assert container["resources"]["limits"]["memory"]
            assert re.search(r":v?\d+\.\d+|@sha256:[0-9a-f]{64}$", container["image"]), container["image"]
            assert container.get("imagePullPolicy", "IfNotPresent") == "IfNotPresent"


def test_what_is_waited_for_is_what_is_there() -> None:
    for component in components(NAMES, s3=True):
        objects = built(str(component.folder))
        there = {
            f"{value['kind'].lower()}/{value['metadata']['name']}": value["metadata"].get("namespace")
            for value in objects
        }
        assert {name for name in there if name.split("/")[0] in ("deployment", "statefulset")} == set(
            component.workloads
        )
        for name in [*component.workloads, *component.resources]:
            assert there[name] == component.namespace
        for name, version in component.definitions:
            (crd,) = (
                it for it in objects if it["kind"] == "CustomResourceDefinition" and it["metadata"]["name"] == name
            )
            assert version in [it["name"] for it in crd["spec"]["versions"] if it["served"]]


def test_every_secret_that_a_pod_asks_for_is_one_that_a_person_is_told_to_make() -> None:
    told = {(it.namespace, it.name): set(it.values) for it in secrets(NAMES)}
    asked: dict[tuple[str, str], set[str]] = {}
    for folder in FOLDERS:
        for value in built(folder):
            for reference in _references(value) if value["kind"] != "CustomResourceDefinition" else ():
                if not reference.get("optional"):
                    asked.setdefault((value["metadata"]["namespace"], reference["name"]), set()).add(reference["key"])
    for place, keys in asked.items():
        assert keys <= told.get(place, set()), place
    assert (NAMES.namespaces.workflows, "github-webhook") in asked


def _references(value: Any) -> Iterator[dict[str, Any]]:
    """Every reference to a key of a Secret, wherever it is, in a text of a ConfigMap, too."""
    if isinstance(value, dict):
        for key, it in value.items():
            if key in ("secretKeyRef", "accessKeySecret", "secretKeySecret", "webhookSecret"):
                yield it
            elif key == "default" and isinstance(it, str) and "s3:" in it:
                yield from _references(yaml.safe_load(it))
            else:
                yield from _references(it)
    elif isinstance(value, list):
        for it in value:
            yield from _references(it)


def test_namespaces_are_restricted_closed_and_bounded() -> None:
    objects = built("k8s/platform/namespaces")
    spaces = {it["metadata"]["name"]: it["metadata"]["labels"] for it in objects if it["kind"] == "Namespace"}
    assert set(spaces) == OURS
    serving = {NAMES.namespaces.staging, NAMES.namespaces.production}
    for name, labels in spaces.items():
        assert labels["pod-security.kubernetes.io/enforce"] == ("baseline" if name in serving else "restricted")
        here = [it for it in objects if it["metadata"].get("namespace") == name]
        assert {"ResourceQuota", "LimitRange", "NetworkPolicy"} <= {it["kind"] for it in here}
        (closed,) = (it["spec"] for it in here if it["metadata"]["name"] == "default-deny")
        assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    injected = "katib.kubeflow.org/metrics-collector-injection"
    assert {name for name, labels in spaces.items() if labels.get(injected)} == {NAMES.namespaces.trials}


def test_trials_hold_nothing_and_reach_nothing_but_katib() -> None:
    here = [it for it in built("k8s/platform/namespaces") if it["metadata"].get("namespace") == NAMES.namespaces.trials]
    (account,) = (it for it in here if it["kind"] == "ServiceAccount")
    assert account["metadata"]["name"] == "default" and account["automountServiceAccountToken"] is False
    ways = [way for it in here if it["kind"] == "NetworkPolicy" for way in it["spec"].get("egress", [])]
    assert [[port["port"] for port in way["ports"]] for way in ways if "to" in way] == [[6789]]
    assert [[port["port"] for port in way["ports"]] for way in ways if "to" not in way] == [[53, 53]]


def test_what_katib_adds_is_admitted_beside_a_trial() -> None:
    (config,) = (it for it in built("k8s/platform/katib") if it["metadata"]["name"] == "katib-config")
    katib = yaml.safe_load(config["data"]["katib-config.yaml"])
    assert katib["init"]["controller"]["injectSecurityContext"] is True
    for it in [*katib["runtime"]["suggestions"], *katib["runtime"]["metricsCollectors"]]:
        assert it["resources"]["requests"] and it["resources"]["limits"]
    for it in katib["runtime"]["suggestions"]:
        assert it["securityContext"]["runAsUser"] and it["securityContext"]["runAsNonRoot"]
    experiment = yaml.safe_load((ROOT / EXPERIMENT).read_text(encoding="utf-8"))
    assert experiment["spec"]["algorithm"]["algorithmName"] in [
        it["algorithmName"] for it in katib["runtime"]["suggestions"]
    ]
    pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"], "the collector's image names no user, and the kubelet would refuse it"


def test_only_our_templates_run_and_one_namespace_is_looked_after() -> None:
    objects = built("k8s/platform/argo-workflows")
    (settings,) = (it for it in objects if it["metadata"]["name"] == "workflow-controller-configmap")
    config = yaml.safe_load(settings["data"]["config"])
    assert config["workflowRestrictions"] == {"templateReferencing": "Strict"}
    assert config["executor"]["securityContext"]["runAsNonRoot"] and config["executor"]["resources"]["limits"]
    (controller,) = workloads("k8s/platform/argo-workflows")
    assert "--namespaced" in controller["spec"]["template"]["spec"]["containers"][0]["args"]
    assert not [it for it in objects if it["kind"].startswith("ClusterRole")]
    assert not [it for it in built("k8s/platform/argo-events") if it["kind"].startswith("ClusterRole")]


def test_what_is_repeated_is_what_slipway_yaml_says() -> None:
    (artifacts, _) = sorted(built("k8s/platform/storage"), key=lambda it: it["metadata"]["name"])
    s3 = yaml.safe_load(artifacts["data"]["default"])["s3"]
    assert f"s3://{s3['bucket']}/{s3['keyFormat']}".startswith(f"{NAMES.storage.artifacts}/")
    (server,) = workloads("k8s/platform/mlflow")
    (container,) = server["spec"]["template"]["spec"]["containers"]
    assert f"--artifacts-destination={NAMES.storage.models}" in container["args"]
    assert container["image"].startswith(f"{NAMES.images.mlflow}@sha256:")
    (service,) = (it for it in built("k8s/platform/mlflow") if it["kind"] == "Service")
    place = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    if NAMES.mlflow.partition("://")[2].partition(":")[0].endswith(".svc.cluster.local"):  # or it is a team's elsewhere
        assert NAMES.mlflow == f"http://{place}:{service['spec']['ports'][0]['port']}"
    page = Path(ROOT / "docs/platform.md").read_text(encoding="utf-8")
    for it in secrets(NAMES):
        assert it.command in page, f"docs/platform.md does not say how {it.namespace}/{it.name} is made"
