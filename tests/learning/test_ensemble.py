"""A model folder: whole, readable by XGBoost alone, and proven on its golden rows whenever it is loaded."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slipway.errors import UserError
from slipway.learning.ensemble import GOLDEN_ROWS, load_ensemble, save_ensemble
from slipway.learning.learners.xgboost import import_xgboost
from slipway.learning.matrices import load_parts
from tests.sample import NAMES, row_encoder


@pytest.fixture
def model(workspace: Path) -> Path:
    """A small trained model."""
    return workspace / "models/current"


def test_the_answer_is_the_mean_of_the_members(workspace: Path, model: Path) -> None:
    ensemble = load_ensemble(model)
    assert len(ensemble.members) == 2
    features = load_parts(workspace / "data/prepared").features()[:500]
    alone = [member.inplace_predict(features) for member in ensemble.members]
    assert not np.array_equal(alone[0], alone[1])
    np.testing.assert_allclose(ensemble.predict(features), np.mean(alone, axis=0), atol=1e-6)


def test_a_plain_booster_reads_a_member(workspace: Path, model: Path) -> None:
    xgb = import_xgboost()
    features = load_parts(workspace / "data/prepared").features()[:100]
    member = xgb.Booster(model_file=str(model / "members/0.bst"))
    expected = load_ensemble(model).members[0].inplace_predict(features)
    matrix = xgb.DMatrix(features, feature_names=list(NAMES))
    np.testing.assert_allclose(member.predict(matrix), expected, atol=1e-6)
    assert json.loads(member.save_config())["learner"]["objective"]["name"] == "binary:logistic"


def test_the_golden_rows_are_requests_and_their_answers(model: Path) -> None:
    golden = json.loads((model / "golden.json").read_text())
    assert len(golden["rows"]) == len(golden["answers"]) == GOLDEN_ROWS
    ensemble = load_ensemble(model)
    encode = row_encoder(ensemble.schema)
    again = ensemble.predict(np.array([encode(row) for row in golden["rows"]], dtype=np.float32))
    np.testing.assert_allclose(again, golden["answers"], atol=1e-6)
    assert np.ptp(again) > 0.05  # rows that are told apart: a constant model would not pass for this one


def test_a_golden_answer_that_differs_is_refused(model: Path) -> None:
    path = model / "golden.json"
    golden = json.loads(path.read_text())
    golden["answers"][7] += 1e-3
    path.write_text(json.dumps(golden))
    with pytest.raises(UserError, match=r"answers its golden rows wrongly \(off by 0\.001\) with xgboost"):
        load_ensemble(model)


@pytest.mark.parametrize("content", ["swapped", "empty", "cut short", "something else"])
def test_another_file_than_was_saved_never_reaches_xgboost(model: Path, content: str) -> None:
    """XGBoost ends the whole process on an empty member, and on some that are cut short."""
    first, second = model / "members/0.bst", model / "members/1.bst"
    second.write_bytes(
        {
            "swapped": first.read_bytes(),
            "empty": b"",
            "cut short": second.read_bytes()[:1000],
            "something else": b"no model",
        }[content]
    )
    with pytest.raises(UserError, match=r"members/1\.bst is not the file that was saved"):
        load_ensemble(model)


def test_a_model_without_digests_is_refused(model: Path) -> None:
    metadata = json.loads((model / "metadata.json").read_text())
    del metadata["sha256"]
    (model / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"metadata\.json has no 'sha256': make it again"):
        load_ensemble(model)


def test_a_file_that_xgboost_cannot_read_is_named(model: Path) -> None:
    content = b"{}"
    (model / "members/1.bst").write_bytes(content)
    metadata = json.loads((model / "metadata.json").read_text())
    metadata["sha256"][1] = hashlib.sha256(content).hexdigest()
    (model / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"members/1\.bst is not a model that xgboost .* can read"):
        load_ensemble(model)


def test_a_missing_member_is_counted(model: Path) -> None:
    (model / "members/1.bst").unlink()
    with pytest.raises(UserError, match=r"members holds 0\.bst, and metadata\.json says 2 members"):
        load_ensemble(model)


def test_a_copy_among_the_members_is_named(model: Path) -> None:
    (model / "members/0 copy.bst").write_bytes((model / "members/0.bst").read_bytes())
    with pytest.raises(UserError, match=r"members holds 0 copy\.bst, 0\.bst, 1\.bst, and metadata\.json says 2"):
        load_ensemble(model)


@pytest.mark.parametrize("name", ["schema.json", "metadata.json", "golden.json"])
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing: make it with"):
        load_ensemble(model)


def test_a_failure_while_saving_leaves_the_old_model(model: Path) -> None:
    ensemble = load_ensemble(model)
    before = sorted(path.read_bytes() for path in model.rglob("*") if path.is_file())
    rows = json.loads((model / "golden.json").read_text())["rows"]
    with pytest.raises(ValueError):  # NaN is not JSON, and metadata is the last file that is written
        save_ensemble(model, ensemble.members, ensemble.schema, {}, rows, ensemble.metadata | {"auc": float("nan")})
    assert sorted(path.read_bytes() for path in model.rglob("*") if path.is_file()) == before
    assert [path.name for path in model.parent.iterdir()] == ["current"]


def test_xgboost_comes_without_scikit_learn() -> None:
    code = (
        "import sys; from slipway.learning.learners.xgboost import import_xgboost; import_xgboost(); "
        "assert 'sklearn' not in sys.modules; import sklearn.metrics"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
