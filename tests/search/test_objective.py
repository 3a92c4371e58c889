"""An experiment searches by what decides, over what the learner takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.model.problem import PROBLEM
from slipway.problem import Regression, rmse
from slipway.search.experiment import read_experiment
from slipway.search.objective import check_objective
from tests.conftest import TEMPLATE

EXPERIMENT = TEMPLATE / "k8s/katib/experiment.yaml"


def test_the_templates_experiment_is_of_its_problem() -> None:
    check_objective(read_experiment(EXPERIMENT), PROBLEM)


def test_another_metric_than_decides_is_refused() -> None:
    prices = replace(PROBLEM, task=Regression(), metrics=(rmse,), decides=rmse)
    with pytest.raises(UserError, match=r"problem\.py decides by rmse: expected validation-rmse"):
        check_objective(read_experiment(EXPERIMENT), prices)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: maximize", "type: minimize", "spec.objective.type: AUC is to maximize"),
        ("validation-logloss", "validation-rmse", "additionalMetricNames: a trial prints no validation-rmse"),
        ("max_bin", "max_bins", "spec.parameters, max_bins: no hyper-parameter of slipway.learning.learners.xgboost"),
    ],
)
def test_what_is_not_the_problems_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as refused:
        check_objective(read_experiment(path), PROBLEM)
    assert said in str(refused.value) and str(refused.value).startswith(str(path))
