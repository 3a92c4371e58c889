"""slipway.yaml is the one place for names: what other files must repeat, they repeat."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
import yaml

from slipway.names import load_names
from tests.conftest import TEMPLATE


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
    from slipway.errors import UserError

    path = tmp_path / "slipway.yaml"
    path.write_text(
        (TEMPLATE / "slipway.yaml").read_text(encoding="utf-8").replace("mlflow:", "mlfow:"), encoding="utf-8"
    )
    with pytest.raises(
        UserError, match=r"mlfow: no such key.*mlflow: is missing|mlflow: is missing.*mlfow: no such key"
    ):
        load_names(path)


def test_where_mlflow_is_slipway_yaml_says_and_the_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from slipway.__main__ import main
    from slipway.names import LOCAL_MLFLOW, tracking_uri

    names = yaml.safe_load(Path("slipway.yaml").read_text(encoding="utf-8"))
    for variable in ("MLFLOW_TRACKING_URI", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)

    def say(address: str) -> None:
        Path("slipway.yaml").write_text(yaml.safe_dump(names | {"mlflow": address}), encoding="utf-8")

    inside = "http://mlflow.registries.svc.cluster.local:5000"
    say(inside)
    assert tracking_uri() == LOCAL_MLFLOW
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert tracking_uri() == inside
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    say("http://127.0.0.1:9")
    assert main(["trace", "flight-delay@champion"]) != 0
    assert "MLflow at http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["slipway.yaml"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    assert tracking_uri() == "sqlite:///elsewhere.db"
