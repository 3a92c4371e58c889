"""What `platform up` and `check` say of a workload that is not up, in the words of whoever refuses.

kubectl is a stand-in that reads what the objects are from a file; tests/cluster has the real one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slipway.cluster.components import Component
from slipway.cluster.platform import unready
from slipway.cluster.pods import up

Object = dict[str, Any]
KUBECTL = """#!/usr/bin/env python3
import json, pathlib, sys
there = json.loads(pathlib.Path(__file__).with_name("there.json").read_text())
words = [it for it in sys.argv[1:] if not it.startswith("-")]
if words[0] == "logs":
    print(there["log"]) if there.get("log") else sys.exit("previous terminated container not found")
elif "/" in words[1]:
    print(json.dumps(there[words[1]]) if words[1] in there else "")
else:
    print(json.dumps({"items": there.get(words[1], [])}))
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say what the cluster holds."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return lambda **objects: (tmp_path / "there.json").write_text(json.dumps(objects), encoding="utf-8")


OURS = Component(Path("argo/events"), "slipway-workflows", resources=("sensor/tune",))
DEPLOYED = {"status": {"conditions": [{"type": "Deployed", "status": "True"}]}}


def deployment(ready: int, **status: Any) -> Object:
    return {
        "kind": "Deployment",
        "metadata": {"name": "tune-sensor", "namespace": "slipway-workflows", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"sensor-name": "tune"}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready} | status,
    }


def pod(**container: Any) -> Object:
    state = {"name": "main", "ready": False, **container}
    return {
        "metadata": {"name": "it", "namespace": "slipway-workflows"},
        "status": {"phase": "Pending", "containerStatuses": [state]},
    }


def waiting(reason: str, message: str = "") -> Object:
    return pod(state={"waiting": {"reason": reason, "message": message}})


def said(there: Any, *pods: Object, events: tuple[Object, ...] = (), log: str = "", **status: Any) -> str:
    made = [deployment(0, **status)]
    there(**{"sensor/tune": DEPLOYED, "deployment": made, "pods": list(pods), "events": list(events), "log": log})
    return "\n".join(unready(OURS))


def test_deployed_is_not_enough_a_pod_has_to_be_ready(there: Any) -> None:
    assert "no pod yet" in said(there)
    there(**{"sensor/tune": DEPLOYED, "deployment": [], "pods": []})
    assert (
        "\n".join(unready(OURS))
        == "sensor/tune in namespace slipway-workflows has no deployment yet: its controller makes it."
    )
    there(**{"sensor/tune": DEPLOYED, "deployment": [deployment(1)]})
    assert list(unready(OURS)) == []


def test_a_rollout_counts_when_the_newest_pods_are_all_there_is() -> None:
    assert up(deployment(1))
    for unfinished in ({"observedGeneration": 0}, {"updatedReplicas": 0}, {"replicas": 2}):
        assert not up(deployment(1, **unfinished)), unfinished
    bus = deployment(1, currentRevision="a", updateRevision="a") | {"kind": "StatefulSet"}
    assert up(bus) and not up(bus | {"status": bus["status"] | {"updateRevision": "b"}})


def test_an_image_that_cannot_be_pulled_is_named(there: Any) -> None:
    words = 'failed to resolve reference "example.org/no/such:1": no such host'
    assert f"pod/it in namespace slipway-workflows: its container main waits, ErrImagePull: {words}" == said(
        there, waiting("ErrImagePull", words)
    )


def test_a_crash_comes_with_its_last_words(there: Any) -> None:
    crashed = pod(
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        lastState={"terminated": {"exitCode": 1, "reason": "Error"}},
    )
    words = "[1] nats-server: storage directory is not a directory"
    assert said(there, crashed, log=words).endswith(f"its container main ended with 1 (Error): {words}")
    assert said(there, crashed).endswith("ended with 1 (Error): it says nothing")


def test_a_secret_that_is_missing_is_in_the_words_of_the_mount(there: Any) -> None:
    words = 'MountVolume.SetUp failed for volume "s" : secret "github-webhook" not found'
    event = {"reason": "FailedMount", "message": words, "lastTimestamp": "2026-01-01T00:00:00Z"}
    assert said(there, waiting("ContainerCreating"), events=(event,)).endswith(f"waits, ContainerCreating: {words}")
    assert said(there, waiting("ContainerCreating")).endswith("its container main is being made")


def test_a_pod_that_no_node_takes_and_one_that_nobody_may_make(there: Any) -> None:
    unplaced = pod()
    unplaced["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu"}]}
    assert said(there, unplaced).endswith("no node takes it: Insufficient cpu")
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: quota"}
    assert said(there, conditions=[refused]).endswith("a pod is not made: exceeded quota: quota")
