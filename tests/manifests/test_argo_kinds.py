"""Argo's kinds, for which the API server has no schema or none that is strict, held to Argo's own.

A misspelt field of an EventBus, an EventSource or a Sensor is taken by every cluster and does nothing.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.manifests.upstream import faults, kinds, read

OURS = {
    f"{path.parent.name}/{path.name}/{value['kind']}/{value['metadata']['name']}": value
    for path in sorted((ROOT / "argo").glob("*/*.yaml"))
    if path.parent.name != "cd"
    for value in read(path)
    if value.get("kind") in kinds()
}


def test_the_bus_the_source_the_sensor_and_the_templates_are_here() -> None:
    assert {"EventBus", "EventSource", "Sensor", "WorkflowTemplate", "CronWorkflow"} <= {
        value["kind"] for value in OURS.values()
    }


@pytest.mark.parametrize("name", OURS)
def test_every_field_is_one_that_argo_has(name: str) -> None:
    assert faults(OURS[name]) == []


@pytest.mark.parametrize(
    ("kind", "path", "misspelt"),
    [
        ("EventBus", "spec.jetstream", {"replica": 3}),
        ("EventBus", "spec.jetstream.containerTemplate", {"resource": {}}),
        ("EventSource", "spec.template", {"serviceAccount": "x"}),
        ("EventSource", "spec.github.repository", {"webhookSecrets": {"name": "a", "key": "b"}}),
        ("EventSource", "spec.github.repository.webhook", {"maxPayload": 1}),
        ("Sensor", "spec.dependencies.0.filters", {"scripts": "return true"}),
        ("Sensor", "spec.triggers.0.template", {"atLeastOnce": True}),  # which is where upstream's example has it
        ("Sensor", "spec.triggers.0.retryStrategy", {"limit": 3}),
        ("Sensor", "spec.triggers.0.template.k8s.parameters.0", {"operations": "append"}),
        ("WorkflowTemplate", "spec", {"synchronisation": {}}),
        ("WorkflowTemplate", "spec.templates.0", {"retryStrategies": {}}),
        ("CronWorkflow", "spec", {"schedule": "* * * * *"}),  # 3.x had it
    ],
)
def test_a_misspelt_field_is_found(kind: str, path: str, misspelt: dict[str, Any]) -> None:
    value = copy.deepcopy(next(it for it in OURS.values() if it["kind"] == kind))
    place: Any = value
    for step in path.split("."):
        place = place[int(step)] if step.isdigit() else place[step]
    place |= misspelt
    (field,) = misspelt
    assert any(f"'{field}' was unexpected" in fault for fault in faults(value)), faults(value)
