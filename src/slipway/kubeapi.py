"""The cluster's API, as the loop asks it: what is refused is said in a sentence."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slipway.away import UnavailableError
from slipway.errors import UserError

WORKFLOWS = ("argoproj.io", "v1alpha1", "workflows")
EXPERIMENTS = ("kubeflow.org", "v1beta1", "experiments")
TRIALS = ("kubeflow.org", "v1beta1", "trials")
Kind = tuple[str, str, str]
"""Group, version and plural."""
_SECONDS = 30


class Cluster:
    """The cluster that this machine, or this pod, is logged in to."""

    def __init__(self) -> None:
        """Log in.

        Raises:
            UserError: there is no cluster to ask.
        """
        from kubernetes import client, config

        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG"):
                config.load_incluster_config()
            else:
                config.load_kube_config(os.environ.get("KUBECONFIG") or None)
        except config.ConfigException as error:
            raise UserError(
                f"there is no cluster to ask ({error}): log in with kubectl, or run this in a pod."
            ) from None
        self._objects, self._core = client.CustomObjectsApi(), client.CoreV1Api()

    def find(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """One object, None where there is none of that name."""
        from kubernetes import client

        group, version, plural = kind
        with _said(f"get {plural} {name} in {namespace}"):
            try:
                found = self._objects.get_namespaced_custom_object(
                    group, version, namespace, plural, name, _request_timeout=_SECONDS
                )
            except client.ApiException as error:
                if error.status == 404:
                    return None
                raise
        assert isinstance(found, dict)
        return found

    def select(self, kind: Kind, namespace: str, labels: str) -> list[dict[str, Any]]:
        """The objects with these labels."""
        group, version, plural = kind
        with _said(f"list {plural} in {namespace}"):
            found = self._objects.list_namespaced_custom_object(
                group, version, namespace, plural, label_selector=labels, _request_timeout=_SECONDS
            )
        assert isinstance(found, dict)
        items: list[dict[str, Any]] = found["items"]
        return items

    def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> bool:
        """Make an object; False where one of its name is there already."""
        from kubernetes import client

        group, version, plural = kind
        with _said(f"create {plural} {body['metadata']['name']} in {namespace}"):
            try:
                self._objects.create_namespaced_custom_object(
                    group, version, namespace, plural, body, _request_timeout=_SECONDS
                )
            except client.ApiException as error:
                if error.status == 409:
                    return False
                raise
        return True

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object, and what it owns; nothing where there is none."""
        from kubernetes import client

        group, version, plural = kind
        with _said(f"delete {plural} {name} in {namespace}"):
            try:
                self._objects.delete_namespaced_custom_object(
                    group, version, namespace, plural, name, _request_timeout=_SECONDS
                )
            except client.ApiException as error:
                if error.status != 404:
                    raise

    def warnings(self, namespace: str, prefix: str) -> list[str]:
        """What the cluster warns of about pods whose names begin so, the newest first, nothing twice.

        It keeps such words for an hour.
        """
        with _said(f"list events in {namespace}"):
            events = self._core.list_namespaced_event(
                namespace, field_selector="type=Warning,involvedObject.kind=Pod", _request_timeout=_SECONDS
            ).items
        ours = [event for event in events if (event.involved_object.name or "").startswith(prefix)]
        ours.sort(key=lambda it: str(it.last_timestamp or it.event_time or ""), reverse=True)
        return list(dict.fromkeys(f"{it.reason}: {' '.join((it.message or '').split())}" for it in ours))

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """The last lines that a container printed; "" where it never ran."""
        from kubernetes import client

        with _said(f"read the log of {pod} in {namespace}"):
            try:
                said: str = self._core.read_namespaced_pod_log(
                    pod, namespace, container=container, tail_lines=lines, _request_timeout=_SECONDS
                )
            except client.ApiException as error:
                if error.status in (400, 404):
                    return ""
                raise
        return said

    def pods(self, namespace: str, labels: str) -> list[Any]:
        """The pods with these labels, as Kubernetes' own types."""
        with _said(f"list pods in {namespace}"):
            pods: list[Any] = self._core.list_namespaced_pod(
                namespace, label_selector=labels, _request_timeout=_SECONDS
            ).items
        return pods


def json_sha256(value: Any) -> str:
    """A hash of a manifest, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@contextmanager
def _said(doing: str) -> Iterator[None]:
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    try:
        yield
    except client.ApiException as error:
        if error.status == 404:
            raise UserError(
                f"the cluster has no such kind (404, {doing}): log in to the one that has Katib and Argo Workflows."
            ) from None
        refused = UnavailableError if error.status >= 500 or error.status == 429 else UserError
        raise refused(
            f"the cluster refused to {doing} ({error.status}): {_words(error.body) or error.reason}"
        ) from None
    except HTTPError as error:
        raise UnavailableError(f"the cluster does not answer ({error}).") from None


def _words(body: object) -> str:
    """What the API server says in an answer that is a Status."""
    try:
        status = json.loads(str(body))
    except json.JSONDecodeError:
        return ""
    return str(status.get("message", "")) if isinstance(status, dict) else ""
