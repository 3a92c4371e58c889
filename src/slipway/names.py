"""slipway.yaml: the one place for names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from slipway.params import read_yaml_model

NAMES_FILE = Path("slipway.yaml")
LOCAL_MLFLOW = "sqlite:///mlflow.db"


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
    """MLflow's address: MLFLOW_TRACKING_URI, or a SQLite file in this folder when it is not set."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_MLFLOW
