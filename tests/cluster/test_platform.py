"""k8s/platform and argo/events on the cluster, as they are: every controller comes up and does what it is there for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster, Object, Refused, condition
from tests.cluster.images import archive, catalog
from tests.cluster.installed import Installed
from tests.conftest import ROOT

TRIALS, WORKFLOWS = "slipway-trials", "slipway-workflows"
KINDS = {
    "argoproj.io": {"cronworkflows", "eventbus", "eventsources", "sensors", "workflows", "workflowtemplates"},
    "kubeflow.org": {"experiments", "suggestions", "trials"},
}


def test_the_controllers_kinds_are_established(cluster: Cluster, platform: Installed) -> None:
    for group, kinds in KINDS.items():
        for kind in kinds:
            found = cluster.get(f"crd/{kind}.{group}")
            assert found and condition("Established")(found), kind


def test_every_pod_of_the_platform_is_ready(cluster: Cluster, platform: Installed) -> None:
    for namespace in ("kubeflow", "mlops", WORKFLOWS):
        for pod in cluster.objects("pods", namespace):
            if "workflows.argoproj.io/workflow" not in pod["metadata"].get("labels", {}):
                cluster.wait(f"pod/{pod['metadata']['name']}", condition("Ready"), namespace)


def test_the_bus_is_a_jetstream_of_as_many_servers_as_it_says(cluster: Cluster, platform: Installed) -> None:
    [bus] = cluster.objects("eventbus", WORKFLOWS)
    servers = cluster.get("statefulset/eventbus-default-js", WORKFLOWS)
    assert servers and servers["status"]["readyReplicas"] == bus["spec"]["jetstream"]["replicas"]
    for condition_of in ("eventsource/github", "sensor/tune"):
        cluster.wait(condition_of, condition("Deployed"), WORKFLOWS)


def test_a_workflow_of_a_template_runs(cluster: Cluster, platform: Installed) -> None:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"image": "busybox:1.35", "command": ["sh", "-c", "echo it runs"], "securityContext": security}
    spec = {
        "entrypoint": "say",
        "serviceAccountName": "step",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "templates": [{"name": "say", "container": container}],
    }
    kind = {"apiVersion": "argoproj.io/v1alpha1"}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    named = {"metadata": {"name": "step", "namespace": WORKFLOWS}}
    results = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "step"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", **named},
        {**rbac, "kind": "Role", **named, "rules": [results]},
        {
            **rbac,
            "kind": "RoleBinding",
            **named,
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": "step"}],
        },
        {**kind, "kind": "WorkflowTemplate", "metadata": {"name": "says", "namespace": WORKFLOWS}, "spec": spec},
        workflow("says", {"workflowTemplateRef": {"name": "says"}}),
    )
    done = cluster.wait("workflow/says", finished, WORKFLOWS)
    assert done["status"]["phase"] == "Succeeded", done["status"].get("message")
    assert "it runs" in cluster.logs("--selector=workflows.argoproj.io/workflow=says", WORKFLOWS)


def test_a_workflow_that_is_not_from_a_template_is_refused(cluster: Cluster, platform: Installed) -> None:
    loose: dict[str, Any] = {
        "entrypoint": "say",
        "templates": [{"name": "say", "container": {"image": "busybox:1.35"}}],
    }
    cluster.apply(workflow("loose", loose))
    refused = cluster.wait("workflow/loose", finished, WORKFLOWS)
    assert refused["status"]["phase"] == "Error"
    assert "workflows must use workflowTemplateRef" in refused["status"]["message"]


def workflow(name: str, spec: dict[str, Any]) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": WORKFLOWS},
        "spec": spec,
    }


def finished(it: Object) -> bool:
    return it.get("status", {}).get("phase") in ("Succeeded", "Failed", "Error")


# ---- Katib


TRIAL = """#!/bin/sh -e
for flag in "$@"; do case $flag in --eta=*) eta=${flag#*=};; esac; done
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
echo "$now validation-auc=$(awk -v eta="$eta" 'BEGIN { printf "%.5f", 0.7 - (eta - 0.1) * (eta - 0.1) }')"
echo "$now validation-logloss=0.4"
sleep 5
"""
"""A trial that needs no data, in the place of Python: the nearer to 0.1, the better.

It lives on for a while: a trial that is over before Katib's collector looks for its process has failed.
"""


def experiment(name: str, trials: int = 3) -> Object:
    """The repository's own, as it is, but for its name, its size, and its trials' image and resources."""
    it = yaml.safe_load((ROOT / "k8s/katib/experiment.yaml").read_text(encoding="utf-8"))
    it["metadata"]["name"] = name
    it["spec"] |= {"maxTrialCount": trials, "maxFailedTrialCount": 0, "parallelTrialCount": 2}
    [container] = it["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    container["image"] = "example.org/trial:1"
    container["resources"] = {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}
    return it


@pytest.fixture(scope="module")
def searched(cluster: Cluster, platform: Installed, tmp_path_factory: pytest.TempPathFactory) -> Object:
    """That experiment, run to its end."""
    image = catalog.shell("example.org/trial:1", {"/bin/python": TRIAL})
    cluster.import_image(archive.write(image, tmp_path_factory.mktemp("images")))
    cluster.apply(experiment("searched"))

    def ended(it: Object) -> bool:
        return condition("Succeeded")(it) or condition("Failed")(it)

    return cluster.wait("experiment/searched", ended, TRIALS, seconds=300)


def test_katib_runs_the_repositorys_experiment(searched: Object) -> None:
    """It hung for ever before its pods said which user they run as: the injected collector's image names none."""
    assert condition("Succeeded")(searched), searched["status"]
    assert searched["status"]["trialsSucceeded"] == 3


def test_katib_knows_the_best_trial_by_its_metrics(cluster: Cluster, searched: Object) -> None:
    best = searched["status"]["currentOptimalTrial"]
    metrics = {it["name"]: float(it["latest"]) for it in best["observation"]["metrics"]}
    eta = float(next(it["value"] for it in best["parameterAssignments"] if it["name"] == "eta"))
    assert metrics["validation-auc"] == pytest.approx(0.7 - (eta - 0.1) ** 2, abs=1e-5)
    assert metrics["validation-logloss"] == 0.4


def test_the_metrics_are_in_the_database(cluster: Cluster, platform: Installed, searched: Object) -> None:
    user = platform.secrets["mlops", "postgres"]["username"]
    query = "SELECT count(DISTINCT trial_name) FROM observation_logs WHERE trial_name LIKE 'searched-%'"
    counted = cluster.exec("postgres-0", "mlops", "psql", f"--username={user}", "--dbname=katib", "-Atc", query)
    assert re.fullmatch(r"3\s*", counted)


def test_the_webhook_refuses_an_experiment_that_cannot_run(cluster: Cluster, platform: Installed) -> None:
    wrong = experiment("wrong")
    del wrong["spec"]["objective"]["objectiveMetricName"]
    with pytest.raises(Refused, match="objectiveMetricName"):
        cluster.apply(wrong)
