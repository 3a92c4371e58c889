"""Upstream's own manifests and schemas, out of the Go modules that the cluster's controllers are built from."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

from tests.cluster.programs.build import ARGO_EVENTS, ARGO_WORKFLOWS, CannotBuild, module_folder
from tests.cluster.upstream import git_settings
from tests.conftest import ROOT, missing

_SCHEMAS = (("github.com/argoproj/argo-events", ARGO_EVENTS), ("github.com/argoproj/argo-workflows/v4", ARGO_WORKFLOWS))
_GROUPS = {
    "io.argoproj.events.v1alpha1": ("EventBus", "EventSource", "Sensor"),
    "io.argoproj.workflow.v1alpha1": ("Workflow", "WorkflowTemplate", "CronWorkflow"),
}
_FREE = ("Resource", "JSONSchemaProps")
"""Definitions whose fields are whatever somebody else says."""
_WRONG = {"io.argoproj.events.v1alpha1.WebhookContext": {"required": []}}
"""What the published schema has and the controller has not: `url` is needed only by who makes the webhook."""


@cache
def built(folder: str) -> list[dict[str, Any]]:
    """The objects of a kustomization of the repository; upstream's manifests come from the Go modules."""
    try:
        env = os.environ | {"GIT_CONFIG_GLOBAL": str(git_settings())}
    except CannotBuild as reason:
        missing(f"k8s/platform was not built: {reason}")
    done = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / folder)], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [value for value in yaml.load_all(done.stdout, yaml.CSafeLoader) if value]  # Argo's CRDs are 11 MB


@cache
def _validators() -> dict[str, Draft7Validator]:
    """Argo's published schemas, strict: a field that is not declared is refused."""
    definitions: dict[str, Any] = {}
    try:
        for module, version in _SCHEMAS:
            schema = module_folder(module, version) / "api/jsonschema/schema.json"
            definitions |= json.loads(schema.read_text(encoding="utf-8"))["definitions"]
    except CannotBuild as reason:
        missing(f"Argo's kinds were not held to Argo's schemas: {reason}")
    for name, definition in definitions.items():
        if definition.get("properties") and not name.endswith(_FREE):
            definition.setdefault("additionalProperties", False)
        definition |= _WRONG.get(name, {})
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    return {
        kind: Draft7Validator({"$ref": f"#/definitions/{group}.{kind}", "definitions": definitions})
        for group, kinds in _GROUPS.items()
        for kind in kinds
    }


def faults(value: dict[str, Any]) -> list[str]:
    """What is wrong with an object of Argo's: sentences with paths, none when it is right."""
    found = _validators()[value["kind"]].iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def kinds() -> set[str]:
    """The kinds that :func:`faults` knows."""
    return {kind for group in _GROUPS.values() for kind in group}


def read(path: Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    return [value for value in yaml.safe_load_all(path.read_text(encoding="utf-8")) if value]
