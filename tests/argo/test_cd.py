"""Argo CD's files: only fields that Argo CD has, only what the loop needs, and a health check that tells the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import lupa
import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from slipway.names import load_names

CD = Path("argo/cd")


class Strict(BaseModel):
    """Fields in camel case, and no others: Argo CD's own definitions, cut to what a team of models uses."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Metadata(Strict):
    name: str
    namespace: Literal["argocd"]
    annotations: dict[str, str] = {}


class Destination(Strict):
    server: str
    namespace: str


class Kind(Strict):
    group: str
    kind: str


class ProjectSpec(Strict):
    description: str
    source_repos: list[str]
    destinations: list[Destination]
    cluster_resource_whitelist: list[Kind]
    namespace_resource_whitelist: list[Kind]


class Project(Strict):
    api_version: Literal["argoproj.io/v1alpha1"]
    kind: Literal["AppProject"]
    metadata: Metadata
    spec: ProjectSpec


class Source(Strict):
    repo_url: str = Field(alias="repoURL")
    target_revision: str
    path: str


class Automated(Strict):
    prune: bool
    self_heal: bool
    allow_empty: bool


class Backoff(Strict):
    duration: str
    factor: int
    max_duration: str


class Retry(Strict):
    limit: int
    refresh: bool
    backoff: Backoff


class SyncPolicy(Strict):
    automated: Automated
    sync_options: list[Literal["ServerSideApply=true", "PruneLast=true"]]
    retry: Retry


class ApplicationSpec(Strict):
    project: str
    source: Source
    destination: Destination
    sync_policy: SyncPolicy


class Application(Strict):
    api_version: Literal["argoproj.io/v1alpha1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationSpec


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((CD / name).read_text(encoding="utf-8"))
    return document


def project() -> ProjectSpec:
    return Project.model_validate(read("project.yaml")).spec


@pytest.mark.parametrize("env", ["staging", "production"])
def test_an_application_syncs_its_overlay_into_a_namespace_its_project_allows(env: str) -> None:
    spec = Application.model_validate(read(f"{env}.yaml")).spec
    assert spec.destination in project().destinations
    assert spec.source.repo_url in project().source_repos
    assert spec.destination.namespace == getattr(load_names().namespaces, env)
    assert Path(spec.source.path).is_dir()
    assert spec.source.path.endswith(env)


def test_a_misspelt_field_is_refused() -> None:
    document = read("production.yaml")
    document["spec"]["syncPolicy"]["automatd"] = document["spec"]["syncPolicy"].pop("automated")
    with pytest.raises(ValidationError, match="automatd"):
        Application.model_validate(document)


def test_the_project_reaches_no_other_repository_and_nothing_of_the_cluster() -> None:
    assert project().source_repos == [f"https://github.com/{load_names().repository}.git"]
    assert project().cluster_resource_whitelist == []
    kinds = {kind.kind for kind in project().namespace_resource_whitelist}
    assert "*" not in kinds
    assert not kinds & {"Secret", "Role", "RoleBinding", "Pod"}


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (None, "Progressing"),
        ({}, "Progressing"),
        ({"state": "Creating"}, "Progressing"),
        ({"state": "Available"}, "Healthy"),
        ({"state": "Failed", "description": "no such image"}, "Degraded"),
    ],
)
def test_the_health_check_says_what_seldon_says(status: dict[str, str] | None, health: str) -> None:
    script = read("health.yaml")["data"]["resource.customizations.health.machinelearning.seldon.io_SeldonDeployment"]
    lua = lupa.LuaRuntime()
    lua.globals().obj = lua.table_from({} if status is None else {"status": lua.table_from(status)})
    found = lua.execute(script)
    assert found["status"] == health
    assert (status or {}).get("description", found["message"]) == found["message"]
