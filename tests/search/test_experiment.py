"""An experiment is read strictly: what Katib would drop, misread or refuse is a sentence here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.errors import UserError
from slipway.search.experiment import read_experiment
from tests.conftest import ROOT, TEMPLATE
from tests.search.conftest import CONTAINER, Searches, parameter, searching

Refused = Callable[..., str]


def read(searches: Searches, changes: dict[str, Any] | None = None, script: str | None = None) -> Any:
    return read_experiment(searches.write(changes, script))


def test_the_repositorys_experiment_is_valid() -> None:
    read_experiment(ROOT / "k8s/katib/experiment.yaml")
    experiment = read_experiment(TEMPLATE / "k8s/katib/experiment.yaml")
    assert experiment.metric == "validation-auc"
    assert experiment.maximize


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("maxTrialCounts", 3, "spec.maxTrialCounts: no such field"),
        (".metdata", {}, "metdata: no such field"),
        ("objective.gaol", 0.9, "spec.objective.gaol: no such field"),
        ("parameters.0.feasibleSpace.minimum", "1", "spec.parameters.0.feasibleSpace.minimum: no such field"),
        (
            f"{CONTAINER}.resourses",
            {},
            "spec.trialTemplate.trialSpec.spec.template.spec.containers.0.resourses: no such",
        ),
        ("trialTemplate.trialSpec.spec.backofLimit", 0, "spec.trialTemplate.trialSpec.spec.backofLimit: no such field"),
        ("trialTemplate.retian", True, "spec.trialTemplate.retian: no such field"),
        ("metricsCollectorSpec", {"colector": {"kind": "StdOut"}}, "spec.metricsCollectorSpec.colector: no such field"),
    ],
)
def test_a_misspelt_field_is_refused_by_its_path(refused: Refused, path: str, value: Any, said: str) -> None:
    assert said in refused({path: value})


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("parameters.0.feasibleSpace.min", 0.1, "spec.parameters.0.feasibleSpace.min is 0.1, expected text: put it in"),
        ("parameters.0.feasibleSpace", {"list": [1, 2]}, "spec.parameters.0.feasibleSpace.list.0 is 1, expected text"),
        ("parameters.0.feasibleSpace.min", "low", "x: feasibleSpace.min is 'low', expected a number in quotes"),
        ("parameters.0.feasibleSpace.max", "0.05", "x: feasibleSpace.min is 0.1, above max, 0.05"),
        ("parameters.0.feasibleSpace.max", None, "x: feasibleSpace.max is None, expected a number"),
        ("parameters.0.feasibleSpace.step", "-1", "x: feasibleSpace.step is -1, expected more than 0"),
        ("parameters.0.feasibleSpace.distribution", "loguniform", "x: distribution is 'loguniform', expected one of"),
        ("parameters.0.parameterType", "int", "x: feasibleSpace.min is '0.1', expected a whole number"),
        ("parameters.0.parameterType", "float", "x: parameterType is 'float', expected double, int, discrete or"),
        ("parameters.0.parameterType", "categorical", "x: feasibleSpace.list is missing"),
        ("parameters.0.feasibleSpace.list", ["a"], "x: double takes min and max, no list"),
        ("parameters.0.feasibleSpace", None, "x: feasibleSpace is missing"),
        ("parameters", [], "spec.parameters is empty"),
        ("parameters", [parameter("x", "int", min="1", max="2")] * 2, "spec.parameters has x twice"),
        (".metadata.name", "n" * 41, "expected at most 40 of a-z, 0-9 and -"),
        (".metadata.name", "Tune", "metadata.name is 'Tune'"),
        (".metadata.name", "tune-", "metadata.name is 'tune-'"),
        (".kind", "Job", "is kubeflow.org/v1beta1 Job, expected kubeflow.org/v1beta1 Experiment"),
        (".apiVersion", "kubeflow.org/v1alpha3", "expected kubeflow.org/v1beta1 Experiment"),
        ("maxTrialCount", 0, "spec.maxTrialCount is 0, expected at least 1"),
        ("maxTrialCount", "4", "spec.maxTrialCount: input should be a valid integer, not '4'"),
        ("parallelTrialCount", 0, "spec.parallelTrialCount is 0, expected at least 1"),
        ("parallelTrialCount", 5, "spec.parallelTrialCount is 5, more than spec.maxTrialCount, 4"),
        ("maxFailedTrialCount", -1, "spec.maxFailedTrialCount is -1, expected at least 0"),
        ("maxFailedTrialCount", 5, "spec.maxFailedTrialCount is 5, more than spec.maxTrialCount, 4"),
        ("objective", None, "spec.objective.objectiveMetricName is missing"),
        ("objective.type", "maximise", "spec.objective.type is 'maximise', expected maximize or minimize"),
        ("objective.additionalMetricNames", ["auc"], "additionalMetricNames repeats the objective, auc"),
        ("objective.metricStrategies", [{"name": "auk", "value": "max"}], "metricStrategies names 'auk'"),
        (
            "objective.metricStrategies",
            [{"name": "auc", "value": "last"}],
            "value is 'last', expected min, max or latest",
        ),
        ("algorithm", {}, "spec.algorithm.algorithmName is missing"),
        ("earlyStopping", {"algorithmName": "asha"}, "spec.earlyStopping.algorithmName is 'asha', expected medianstop"),
        (
            "earlyStopping",
            {"algorithmName": "medianstop", "algorithmSettings": [{"name": "start_step", "value": "0"}]},
            "start_step is '0', expected at least \"1\"",
        ),
        (
            "earlyStopping",
            {"algorithmName": "medianstop", "algorithmSettings": [{"name": "steps", "value": "3"}]},
            "has 'steps'; medianstop has start_step and min_trials_required",
        ),
        ("metricsCollectorSpec", {"collector": {"kind": "Push"}}, "kind is 'Push', which runs on a cluster only"),
        ("trialTemplate.trialSpec", None, "spec.trialTemplate.trialSpec is missing"),
        ("trialTemplate.trialSpec.kind", "PyTorchJob", "is batch/v1 PyTorchJob, expected batch/v1 Job"),
        ("trialTemplate.trialSpec.metadata", ["mine"], "trialSpec.metadata is no mapping of keys and values"),
        ("trialTemplate.trialSpec.metadata", {"name": "mine"}, "trialSpec.metadata.name is set, but Katib names"),
        ("trialTemplate.primaryContainerName", None, "spec.trialTemplate.primaryContainerName is missing"),
        ("trialTemplate.primaryContainerName", "main", "'main', which the Job does not have; it has trial"),
        (f"{CONTAINER}.command", None, "declares x, which the Job does not use"),
        ("trialTemplate.trialParameters", [], "spec.trialTemplate.trialParameters is missing"),
    ],
)
def test_what_katib_would_refuse_is_a_sentence(refused: Refused, path: str, value: Any, said: str) -> None:
    assert said in refused({path: value})


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(\w+=", "not a regular expression"),
        (r"(\w+)=\d+", "needs two groups"),
        (r"(\w+)=(\d+);", "has a semicolon"),
        (r"(?<=Z )(\w+)=(\d+)", "do not exist in Katib's language, Go"),
        (r"(\w+)=(\d+) \1", "do not exist in Katib's language, Go"),
        (r"(\w++)=(\d+)", "do not exist in Katib's language, Go"),
    ],
)
def test_a_metrics_format_that_katib_cannot_use_is_refused(refused: Refused, pattern: str, said: str) -> None:
    assert said in refused({"metricsCollectorSpec": {"source": {"filter": {"metricsFormat": [pattern]}}}})


def test_a_group_that_go_knows_is_no_look_around(searches: Searches) -> None:
    pattern = r"([\w|-]+)\s*=\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?)"
    read(searches, {"metricsCollectorSpec": {"source": {"filter": {"metricsFormat": [pattern]}}}})


def test_a_placeholder_that_is_not_declared(refused: Refused) -> None:
    assert "${trialParameters.y} is used but not declared" in refused(
        script="echo ${trialParameters.x} ${trialParameters.y}"
    )


def test_a_trial_parameter_that_is_not_used(refused: Refused) -> None:
    assert "trialParameters declares x, which the Job does not use" in refused(script="echo auc=1")


def test_a_trial_parameter_of_nothing(refused: Refused) -> None:
    changes = {"trialTemplate.trialParameters": [{"name": "x", "reference": "z"}]}
    assert "trialParameters refers to z, which spec.parameters does not have" in refused(changes)


def test_a_parameter_that_no_trial_hears_of(refused: Refused) -> None:
    two = [parameter("x", "double", min="0", max="1"), parameter("y", "double", min="0", max="1")]
    assert "spec.parameters has y, which no trialParameter refers to" in refused({"parameters": two})


def test_the_same_parameter_under_two_names(refused: Refused) -> None:
    changes = {"trialTemplate.trialParameters": [{"name": "x", "reference": "x"}, {"name": "y", "reference": "x"}]}
    said = refused(changes, "echo ${trialParameters.x} ${trialParameters.y}")
    assert "trialParameters has the reference x twice" in said


@pytest.mark.parametrize(
    ("text", "said"), [("[1, 2]", "not a mapping"), ("a: [", "is not YAML"), ("", "not a mapping")]
)
def test_a_file_that_is_no_experiment(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "experiment.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_experiment(tmp_path / "experiment.yaml")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.yaml is missing: name the experiment with --experiment"):
        read_experiment(tmp_path / "no.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_experiment(tmp_path)


def test_every_placeholder_is_filled_in_command_arguments_and_environment(searches: Searches) -> None:
    x, y = parameter("x", "int", min="1", max="9"), parameter("y", "categorical", list=["a", "b"])
    experiment = read(
        searches,
        searching(x, y)
        | {
            f"{CONTAINER}.command": ["train", "--x=${trialParameters.x}"],
            f"{CONTAINER}.args": [
                "--both=${trialParameters.x}/${trialParameters.y}",
                "$(MODE)",
                "$(NOT_SET)",
                "$$HOME",
            ],
            f"{CONTAINER}.env": [{"name": "MODE", "value": "fast-${trialParameters.y}"}],
        },
    )
    command = experiment.command_for("try-001", {"x": "4", "y": "b"})
    assert command.words == ["sh", "-c", "train --x=4 --both=4/b fast-b $(NOT_SET) $HOME"]
    assert command.environment == {"KATIB_TRIAL_NAME": "try-001", "MODE": "fast-b"}


def test_a_trial_may_ask_for_its_own_name(searches: Searches) -> None:
    meta = [
        {"name": "x", "reference": "x"},
        {"name": "me", "reference": "${trialSpec.Name}"},
        {"name": "team", "reference": "${trialSpec.Labels[team]}"},
    ]
    changes = {
        "trialTemplate.trialParameters": meta,
        "trialTemplate.trialSpec.metadata": {"labels": {"team": "delays"}},
    }
    script = "echo ${trialParameters.me} ${trialParameters.team} ${trialParameters.x}"
    experiment = read(searches, changes, script)
    assert experiment.command_for("try-007", {"x": "1"}).words[2] == "echo try-007 delays 1"


def test_a_label_that_the_job_does_not_have(refused: Refused) -> None:
    meta = [{"name": "x", "reference": "x"}, {"name": "team", "reference": "${trialSpec.Labels[team]}"}]
    said = refused({"trialTemplate.trialParameters": meta}, "echo ${trialParameters.x} ${trialParameters.team}")
    assert "refers to ${trialSpec.Labels[team]}, which the Job's metadata does not have" in said


def test_a_shell_of_its_own_is_not_wrapped_again(searches: Searches) -> None:
    experiment = read(searches, {f"{CONTAINER}.command": ["bash", "-c", "echo ${trialParameters.x}"]})
    assert experiment.command_for("try-001", {"x": "1"}).words == ["bash", "-c", "echo 1"]


def test_a_container_without_a_command(refused: Refused) -> None:
    changes = {f"{CONTAINER}.command": None, f"{CONTAINER}.args": ["--x=${trialParameters.x}"]}
    assert "container trial has no command: Katib wraps it" in refused(changes)


def test_a_variable_from_a_secret_must_be_here_as_well(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"name": "SOME_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    monkeypatch.delenv("SOME_TOKEN", raising=False)
    assert "the trial takes SOME_TOKEN from the cluster" in refused({f"{CONTAINER}.env": [secret]})


def test_what_is_left_out_is_katibs_default(searches: Searches) -> None:
    experiment = read(searches, {"parallelTrialCount": None})
    assert experiment.parallel == 3
    assert experiment.median_stop() is None
    rule = read(searches, {"earlyStopping": {"algorithmName": "medianstop"}}).median_stop()
    assert (rule.start_step, rule.min_trials_required) == (4, 3)
