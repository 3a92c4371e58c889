"""slipway.yaml is the one place for names: what other files must repeat, they repeat."""

from __future__ import annotations

import configparser
from pathlib import Path

import yaml

from slipway.names import load_names


def test_dvc_pushes_where_slipway_yaml_says() -> None:
    config = configparser.ConfigParser()
    config.read(".dvc/config")
    assert config["'remote \"storage\"'"]["url"] == load_names().storage.data


def test_the_experiment_runs_in_the_trials_namespace_with_the_train_image() -> None:
    experiment = yaml.safe_load(Path("k8s/katib/experiment.yaml").read_text(encoding="utf-8"))
    container = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    assert experiment["metadata"]["namespace"] == load_names().namespaces.trials
    assert container["image"].partition("@")[0] == load_names().images.train


def test_a_misspelt_name_is_a_sentence(tmp_path: Path) -> None:
    import pytest

    from slipway.errors import UserError

    path = tmp_path / "slipway.yaml"
    path.write_text(Path("slipway.yaml").read_text(encoding="utf-8").replace("mlflow:", "mlfow:"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"mlfow: no such key.*mlflow: is missing|mlflow: is missing.*mlfow: no such key"
    ):
        load_names(path)
