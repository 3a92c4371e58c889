"""slipway.yaml: the one place for names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from slipway.errors import UserError
from slipway.params import read_yaml_model

NAMES_FILE = Path("slipway.yaml")
LOCAL_MLFLOW = "sqlite:///mlflow.db"
_OF_A_CLUSTER = (".svc", ".svc.cluster.local")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Images(_Section):
    """The images by target of the Dockerfile, without tag or digest."""

    train: str
    serve: str
    loop: str
    mlflow: str


class Storage(_Section):
    """Where bytes live: the DVC remote, MLflow's artifacts, and what a workflow's steps hand on."""

    data: str
    models: str
    artifacts: str


class Namespaces(_Section):
    """The cluster's namespaces by purpose."""

    trials: str
    workflows: str
    staging: str
    production: str
    platform: str


class Promotions(_Section):
    """How a promotion's pull request comes to be merged."""

    auto_merge: list[str] = []
    """The environments whose promotions GitHub merges by itself once the rules of main are met."""


class Slack(_Section):
    """Where the loop answers."""

    channel: str


class Names(_Section):
    """The whole of slipway.yaml."""

    model: Annotated[str, Field(pattern=r"^[^\s/:@]+$")]  # what MLflow takes for a name
    folder: Annotated[str, Field(pattern=r"^data/[A-Za-z0-9_-]+$")]
    repository: str
    images: Images
    storage: Storage
    mlflow: str
    namespaces: Namespaces
    promotions: Promotions = Promotions()
    slack: Slack


def load_names(path: Path = NAMES_FILE) -> Names:
    """Read slipway.yaml.

    Raises:
        UserError: see :func:`slipway.params.read_yaml_model`.
    """
    return read_yaml_model(Names, path)


def tracking_uri() -> str:
    """MLflow's address: what MLFLOW_TRACKING_URI says, else what slipway.yaml does.

    A name that only a cluster knows names nobody elsewhere, and stands there for a SQLite file in this folder.

    Raises:
        UserError: there is neither the variable nor the file.
    """
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    if not NAMES_FILE.exists():
        raise UserError(
            f"{NAMES_FILE} is missing, which says where MLflow is: run this in the repository's root, or set "
            "MLFLOW_TRACKING_URI."
        )
    said = load_names().mlflow
    of_a_cluster = (urlsplit(said).hostname or "").endswith(_OF_A_CLUSTER)
    return LOCAL_MLFLOW if of_a_cluster and "KUBERNETES_SERVICE_HOST" not in os.environ else said
