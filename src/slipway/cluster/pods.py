"""Whether the pods of a workload are up, and if not, what holds them, in the words of whoever refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from slipway.cluster.kubectl import kubectl
from slipway.errors import UserError

Object = dict[str, Any]
_ON_ITS_WAY = ("ContainerCreating", "PodInitializing")


def up(workload: Object) -> bool:
    """Has a Deployment or StatefulSet all its pods, of its newest template, and is each ready?"""
    status, wanted = workload.get("status", {}), workload["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "StatefulSet" and status.get("currentRevision") != status.get("updateRevision"):
        return False
    newest = wanted if workload["kind"] == "StatefulSet" else status.get("updatedReplicas", 0)
    return bool(newest == wanted == status.get("readyReplicas", 0) == status.get("replicas", 0))


def hindrances(workload: Object) -> Iterator[str]:
    """Why it is not up, a sentence for each pod that is not ready, or for the pod that nobody may make.

    Raises:
        UserError: see :func:`slipway.cluster.kubectl.kubectl`.
    """
    namespace, name = workload["metadata"]["namespace"], workload["metadata"]["name"]
    labels = ",".join(f"{key}={value}" for key, value in workload["spec"]["selector"]["matchLabels"].items())
    pods = _list("pods", namespace, f"--selector={labels}")
    owner = f"{workload['kind'].lower()}/{name} in namespace {namespace}"
    if len(pods) < workload["spec"].get("replicas", 1) and (said := _refused(workload)):
        yield f"{owner}: a pod is not made: {said}"
    elif not pods:
        yield f"{owner} has no pod yet."
    for pod in pods:
        if not _true(pod, "Ready"):
            yield f"pod/{pod['metadata']['name']} in namespace {namespace}: {_reason(pod)}"


def _refused(workload: Object) -> str:
    """Who makes the pods was refused one (a quota, the Pod Security of the namespace): its words."""
    for it in workload.get("status", {}).get("conditions", []):
        if it["type"] == "ReplicaFailure" and it["status"] == "True":
            return str(it["message"])
    return _warning(workload["metadata"], "FailedCreate")


def _reason(pod: Object) -> str:
    placed = next((it for it in _conditions(pod) if it["type"] == "PodScheduled"), None)
    if placed and placed["status"] != "True":
        return f"no node takes it: {placed.get('message', 'nobody says why')}"
    status = pod.get("status", {})
    for it in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        if waits := it.get("state", {}).get("waiting"):
            return _waits(pod, it, waits)
        if ended := it.get("state", {}).get("terminated"):
            if ended["exitCode"]:
                return _crashed(pod, it["name"], ended, previous=False)
        elif not it["ready"] and it.get("state", {}).get("running"):
            said = _warning(pod["metadata"], "Unhealthy")
            return f"its container {it['name']} runs and is not ready{f': {said}' if said else ''}"
    return f"it is {status.get('phase', 'Pending')}"


def _waits(pod: Object, container: Object, waits: Object) -> str:
    name, reason = container["name"], waits.get("reason", "Waiting")
    if ended := container.get("lastState", {}).get("terminated"):
        return _crashed(pod, name, ended, previous=True)
    said = waits.get("message") or _warning(pod["metadata"], "FailedMount", "FailedCreatePodSandBox", "Failed")
    if reason in _ON_ITS_WAY and not said:
        return f"its container {name} is being made"
    return f"its container {name} waits, {reason}{f': {said}' if said else ''}"


def _crashed(pod: Object, container: str, ended: Object, *, previous: bool) -> str:
    """It ended; its last words are what tells a volume that cannot be written from a secret that is wrong."""
    where = (f"--namespace={pod['metadata']['namespace']}", f"--container={container}", "--tail=3")
    try:
        said = kubectl("logs", pod["metadata"]["name"], *where, f"--previous={str(previous).lower()}")
    except UserError:  # the log is gone with the container
        said = ended.get("message", "")
    words = " / ".join(line.strip() for line in said.splitlines() if line.strip()) or "it says nothing"
    how = ended.get("reason", "Error")
    return f"its container {container} ended with {ended['exitCode']} ({how}): {words}"


def _warning(about: Object, *reasons: str) -> str:
    """The last event of these reasons about an object."""
    fields = f"--field-selector=type=Warning,involvedObject.name={about['name']}"
    found = [it for it in _list("events", about["namespace"], fields) if it.get("reason") in reasons]
    found.sort(key=lambda it: it.get("lastTimestamp") or it.get("eventTime") or "")
    return str(found[-1].get("message", "")) if found else ""


def _conditions(it: Object) -> list[Object]:
    found: list[Object] = it.get("status", {}).get("conditions", [])
    return found


def _true(it: Object, kind: str) -> bool:
    return any(found["type"] == kind and found["status"] == "True" for found in _conditions(it))


def _list(kind: str, namespace: str, selection: str) -> list[Object]:
    said = kubectl("get", kind, f"--namespace={namespace}", selection, "--output=json")
    found: list[Object] = json.loads(said)["items"]
    return found
