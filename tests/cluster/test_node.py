"""The node is a Kubernetes: pods, storage, names, rights; and when it is down, nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Object, Refused, condition, eventually
from tests.cluster.node import Node
from tests.cluster.node.node import left_behind
from tests.cluster.own import OwnCluster
from tests.conftest import ROOT, missing

SHELL = "busybox:1.35"
KUBECTL = "example.org/kubectl:1"
FAST = {"terminationGracePeriodSeconds": 1, "activeDeadlineSeconds": 100}


def pod(name: str, namespace: str, script: str, **spec: object) -> Object:
    """A pod that runs a script once."""
    container = {"name": "it", "image": SHELL, "command": ["sh", "-ec", script], **spec.pop("container", {})}  # type: ignore[dict-item]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"restartPolicy": "Never", "containers": [container], **FAST, **spec},
    }


def ended(it: Object) -> bool:
    return it["status"].get("phase") in ("Succeeded", "Failed")


def said(cluster: Cluster, it: Object) -> str:
    """What a pod says that ends well."""
    name, namespace = it["metadata"]["name"], it["metadata"]["namespace"]
    cluster.apply(it)
    end = cluster.wait(f"pod/{name}", ended, namespace)
    log = cluster.logs(f"pod/{name}", namespace)
    assert end["status"]["phase"] == "Succeeded", log
    return log


def fetched(*hosts: str) -> str:
    """The script that fetches each; a Service whose pods are ready is led to them a moment later."""
    return "; ".join(f"until wget -qO- http://{host}; do sleep 0.2; done" for host in hosts)


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    """A Service named web, of a Deployment of two; gives its cluster address."""
    serve = "mkdir /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    container = {"name": "web", "image": SHELL, "command": ["sh", "-ec", serve], "readinessProbe": probe}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "web", "namespace": namespace}
    ports = [{"port": 80, "targetPort": 8080}]
    cluster.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": labels, "ports": ports}},
    )
    cluster.wait_available(namespace, "web")
    service = cluster.get("service/web", namespace)
    assert service
    return service["spec"]["clusterIP"]


def test_a_service_is_reached_by_name_and_address_from_a_pod(cluster: Cluster, namespace: str, web: str) -> None:
    answers = said(cluster, pod("client", namespace, fetched("web", f"web.{namespace}.svc.cluster.local", web))).split()
    assert len(answers) == 3 and all(it.startswith("web-") for it in answers)


def test_a_service_is_reached_from_here_through_kubectl(cluster: Cluster, namespace: str, web: str) -> None:
    with cluster.forward("service/web", 80, namespace) as address:
        done = subprocess.run(["curl", "--silent", "--max-time", "10", address], capture_output=True, text=True)
    assert done.stdout.startswith("web-")


def test_a_command_of_this_machine_reaches_services_as_a_pod_does(cluster: Cluster, namespace: str, web: str) -> None:
    fetch = f"import urllib.request; print(urllib.request.urlopen('http://{web}', timeout=10).read().decode())"
    command = cluster.in_pod_network([sys.executable, "-c", fetch])
    answer = eventually(lambda: subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert answer.startswith("web-")


def test_a_killed_pod_is_replaced(cluster: Cluster, namespace: str, web: str) -> None:
    killed = cluster.kill_all("app=web", namespace)
    assert len(killed) == 2
    cluster.wait_available(namespace, "web")
    assert not {it["metadata"]["name"] for it in cluster.objects("pods", namespace, "app=web")} & set(killed)


def test_a_claim_keeps_what_a_pod_wrote(cluster: Cluster, namespace: str) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": namespace},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        }
    )
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    said(cluster, pod("writer", namespace, "echo kept > /data/it", volumes=volumes, container=mounts))
    assert said(cluster, pod("reader", namespace, "cat /data/it", volumes=volumes, container=mounts)) == "kept\n"


def test_a_pod_is_held_to_its_memory(cluster: Cluster, namespace: str) -> None:
    limit = {"resources": {"limits": {"memory": "32Mi"}}}
    cluster.apply(pod("greedy", namespace, "tail -c 200m /dev/zero | tail", container=limit))
    [status] = cluster.wait("pod/greedy", ended, namespace)["status"]["containerStatuses"]
    assert status["state"]["terminated"]["reason"] == "OOMKilled"


def test_a_pod_may_what_its_service_account_may(cluster: Cluster, namespace: str) -> None:
    """By its own token, at the API server's Service."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    metadata = {"name": "reader", "namespace": namespace}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {**kind, "kind": "Role", "metadata": metadata, "rules": [rule]},
        {**kind, "kind": "RoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": role},
    )
    script = "kubectl get --output=name configmap/kube-root-ca.crt; kubectl get secrets 2>&1 || true"
    asks = pod("asks", namespace, script, container={"image": KUBECTL}, serviceAccountName="reader")
    answer = said(cluster, asks)
    assert answer.startswith("configmap/kube-root-ca.crt\n")
    assert f'User "system:serviceaccount:{namespace}:reader" cannot list resource "secrets"' in answer


def test_a_misspelt_field_is_refused(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Refused, match=r"restartPolcy: field not declared"):
        cluster.apply(pod("typo", namespace, "true", restartPolcy="Never"))


def test_an_image_that_nobody_imported_fails_at_once(cluster: Cluster, namespace: str) -> None:
    cluster.apply(pod("absent", namespace, "true", container={"image": "example.org/absent:1"}))

    def refused(it: Object) -> bool:
        states = it["status"].get("containerStatuses", [])
        return any(state["state"].get("waiting", {}).get("reason") == "ErrImagePull" for state in states)

    cluster.wait("pod/absent", refused, namespace)


def test_the_node_keeps_its_objects_through_a_power_cut(cluster: Cluster, namespace: str, web: str) -> None:
    cluster.restart_node()
    cluster.wait_available(namespace, "web")
    assert "web-" in said(cluster, pod("after", namespace, fetched("web")))


# ---- the node's end


@pytest.fixture
def another(cluster: Cluster, tmp_path: Path) -> Iterator[Node]:
    """A second node, not started, beside the one of the whole run."""
    if not isinstance(cluster, OwnCluster):
        missing("how a node ends: this cluster is not the tests' own")
    node = Node(tmp_path / "node")
    yield node
    node.down()


def kernel_settings() -> list[str]:
    """What a kubelet sets for the whole machine where it can, as it is now."""
    names = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")
    return [Path("/proc/sys", name).read_text() for name in names]


def test_down_leaves_nothing_and_does_not_touch_the_neighbour(cluster: Cluster, another: Node, namespace: str) -> None:
    before = kernel_settings()
    another.up(say=lambda _: None)
    assert kernel_settings() == before
    there = OwnCluster(another)
    there.wait(f"node/{another.settings.name}", condition("Ready"))
    assert left_behind(another.settings)  # the check sees what is there
    another.down()
    assert left_behind(another.settings) == []
    assert not another.settings.state.exists()
    assert said(cluster, pod("neighbour", namespace, "echo here")) == "here\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_the_start_leaves_nothing(another: Node, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-um", "tests.cluster", "--state", str(another.settings.state), "up"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as starting:
        assert starting.stdout
        for line in starting.stdout:
            if "kube-apiserver" in line:  # etcd, containerd and the API server run
                assert left_behind(another.settings)
                starting.send_signal(how)
    assert starting.returncode == 130
    assert left_behind(another.settings) == []


def test_a_node_of_a_process_that_is_killed_ends_with_it(another: Node) -> None:
    """As the node of the tests does when pytest is killed."""
    start = (
        f"from tests.cluster.node import Node; from pathlib import Path; Node(Path({str(another.settings.state)!r}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{start}.up(tied=True); print('up', flush=True); input()"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout
        while owner.stdout.readline() != "up\n":
            assert owner.poll() is None
        owner.kill()
    another.down()
    assert left_behind(another.settings) == []


def test_an_image_of_the_dockerfile_runs_by_its_digest(
    cluster: Cluster, namespace: str, from_dockerfile: Callable[..., str]
) -> None:
    """As manifests pin it. `loop` is the smallest of the repository's own."""
    pinned = from_dockerfile("loop", "example.org/loop:test")
    assert "@sha256:" in pinned
    container = {"image": pinned, "command": ["python", "-m", "slipway", "--help"]}
    assert "slipway" in said(cluster, pod("ours", namespace, "", container=container))
