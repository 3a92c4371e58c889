"""params.yaml: every slip is one sentence with the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.learning.learners.learner import learner_named, settings
from slipway.model.problem import PROBLEM
from slipway.params import load_params
from tests.conftest import TEMPLATE

PARAMS = TEMPLATE / "params.yaml"


@pytest.mark.parametrize(
    ("change", "to", "said"),
    [
        (
            "  max_depth:",
            "  max_dept:",
            "train.max_dept: no hyper-parameter of the learner, which has rounds, eta, max_depth",
        ),
        ("  max_depth:", "  max_dept:", "train.max_depth: is missing; add it"),
        ("\ngate:", "\ngates:", "gates: no such key"),
        ("  rounds: ", "  rounds: -", "train.rounds: input should be greater than or equal to 1"),
        ("  rounds: ", "  rounds: many #", "train.rounds: input should be a valid integer"),
        ("  subsample: ", "  subsample: 1", "train.subsample: input should be less than or equal to 1"),
        ("grow_policy: depthwise", "grow_policy: sideways", "'depthwise' or 'lossguide', not 'sideways'"),
        ("holdout: 1", "holdout: 0", "split.holdout: input should be greater than 0"),
        ("split:", "split: [", "is not YAML"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, change: str, to: str, said: str) -> None:
    text = PARAMS.read_text(encoding="utf-8")
    assert change in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(change, to, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        settings(PROBLEM, path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run this in the repository's root"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(UserError, match="the file: "):
        load_params(tmp_path / "params.yaml")


def test_the_repositorys_own_params_are_good() -> None:
    fields = learner_named(PROBLEM.learner).HyperParameters.model_fields
    assert set(settings(PROBLEM, PARAMS).train.hyper_parameters()) == set(fields)


def test_a_limit_of_a_metric_that_the_problem_has_not_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.read_text(encoding="utf-8").replace("floors: {auc", "floors: {rmse"), encoding="utf-8")
    with pytest.raises(UserError, match=r"gate\.floors\.rmse: no metric of the problem; it has auc, logloss"):
        settings(PROBLEM, path)
