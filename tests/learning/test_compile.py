"""The compiled ensemble answers as XGBoost does, or is not written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from slipway.errors import UserError
from slipway.learning.compile import STRICTER, compile_ensemble
from slipway.learning.ensemble import load_ensemble, save_ensemble
from slipway.learning.learners.xgboost import import_xgboost, probes
from slipway.serving.model import CompiledEngine, load_model
from tests.sample import TOLERANCE
from tests.serving.conftest import *  # noqa: F403  the fixtures: a model


def test_equals_xgboost_on_every_flight(folder: Path, features: np.ndarray) -> None:
    difference = np.abs(
        CompiledEngine(folder / "ensemble.onnx", "probability", 16).predict(features)
        - load_ensemble(folder).predict(features)
    )
    assert len(features) == 6000
    assert difference.max() <= 2e-7  # float32 has 24 bits: one or two units in the last place of a probability


def test_equals_xgboost_on_thresholds_and_missing_values(folder: Path) -> None:
    ensemble = load_ensemble(folder)
    rows = probes(ensemble.members, 16, 4096)
    assert np.isnan(rows).any() and len(np.unique(rows[:, 0])) > 10
    answers = CompiledEngine(folder / "ensemble.onnx", "probability", 16).predict(rows)
    assert np.abs(answers - ensemble.predict(rows)).max() <= TOLERANCE / STRICTER


def test_states_the_largest_difference(folder: Path) -> None:
    session = onnxruntime.InferenceSession(str(folder / "ensemble.onnx"), providers=["CPUExecutionProvider"])
    assert float(session.get_modelmeta().custom_metadata_map["max_difference"]) <= TOLERANCE / STRICTER


def test_same_members_same_bytes(folder: Path, bare_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(bare_folder, tmp_path / "again")
    compile_ensemble(tmp_path / "again")
    assert (tmp_path / "again/ensemble.onnx").read_bytes() == (folder / "ensemble.onnx").read_bytes()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"objective": "reg:tweedie"}, "has objective reg:tweedie"),
        ({"objective": "binary:logistic", "booster": "dart"}, "is a dart booster"),
    ],
)
def test_refuses_what_it_cannot_convert_exactly(
    parameters: dict[str, Any], says: str, folder: Path, features: np.ndarray, rows: Any, tmp_path: Path
) -> None:
    xgb = import_xgboost()
    matrix = xgb.DMatrix(features[:500], label=(features[:500, 0] > 900).astype(float))
    member = xgb.train({**parameters, "nthread": 1}, matrix, num_boost_round=2)
    read = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("schema", "profile", "metadata")}
    save_ensemble(
        tmp_path / "model", [member], read["schema"], read["profile"], rows, {**read["metadata"], "members": 1}
    )
    with pytest.raises(UserError, match=says):
        compile_ensemble(tmp_path / "model")
    assert not (tmp_path / "model/ensemble.onnx").exists()


def test_an_intercept_other_than_a_half_is_kept(folder: Path, features: np.ndarray, rows: Any, tmp_path: Path) -> None:
    xgb = import_xgboost()
    matrix = xgb.DMatrix(features[:2000], label=(features[:2000, 0] > 900).astype(float))
    member = xgb.train({"objective": "binary:logistic", "base_score": 0.2, "nthread": 1}, matrix, num_boost_round=3)
    read = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("schema", "profile", "metadata")}
    save_ensemble(
        tmp_path / "model", [member], read["schema"], read["profile"], rows, {**read["metadata"], "members": 1}
    )
    compile_ensemble(tmp_path / "model")
    answers = load_model(tmp_path / "model", "m").engine.predict(features)
    assert np.abs(answers - load_ensemble(tmp_path / "model").predict(features)).max() <= TOLERANCE / STRICTER
