"""The numbers the gate decides by, against slower and older ways to the same numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap

from slipway.errors import UserError
from slipway.gate.comparison import bootstrap_difference, reads_alike, score, slices
from slipway.learning.ensemble import Ensemble, load_ensemble, save_ensemble
from slipway.learning.matrices import Rows
from slipway.model.schema import CARRIERS
from slipway.problem import auc
from tests.gate.conftest import Workshop
from tests.sample import NAMES, schema_json, sides


def scored(rows: int, seed: int = 0, noise: tuple[float, float] = (0.5, 1.0)) -> tuple[np.ndarray, ...]:
    """Answers, two models' probabilities, the first with less noise, and days of one row each.

    The probabilities are rounded, so that there are ties.
    """
    rng = np.random.default_rng(seed)
    answers = (rng.random(rows) < 0.3).astype(np.float32)
    models = [np.round(1 / (1 + np.exp(-(answers - 0.5 + rng.normal(0, n, rows)))), 2) for n in noise]
    return answers, *(m.astype(np.float32) for m in models), np.arange(rows)


@pytest.mark.parametrize("rows_a_day", [1, 8])
def test_the_interval_is_that_of_auc_over_resampled_days(rows_a_day: int) -> None:
    """Counting rows in sorted order, instead of drawing and sorting them, changes nothing."""
    answers, one, other, _ = scored(400)
    number = 400 // rows_a_day
    rng = np.random.default_rng(3)
    differences = []
    for _ in range(200):
        drawn = np.concatenate([np.arange(rows_a_day) + day * rows_a_day for day in rng.integers(0, number, number)])
        differences.append(auc(answers[drawn], one[drawn]) - auc(answers[drawn], other[drawn]))
    days = np.repeat(np.arange(number), rows_a_day)
    low, high = bootstrap_difference(auc, answers, one, other, days, 200, 0.9, seed=3)
    assert (low, high) == pytest.approx(tuple(np.quantile(differences, [0.05, 0.95])), abs=1e-12)


def test_the_interval_is_scipys() -> None:
    answers, one, other, days = scored(300)

    def difference(a: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
        return auc(a, p) - auc(a, q)

    theirs = bootstrap(
        (answers, one, other), difference, paired=True, vectorized=False, n_resamples=1000, method="percentile",
        confidence_level=0.95, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    ours = bootstrap_difference(auc, answers, one, other, days, 1000, 0.95)
    assert ours == pytest.approx(tuple(theirs), abs=0.15 * (theirs.high - theirs.low)), "other draws, the same interval"


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """The two have the same noise, so the truth is 0."""
    held = 0
    for seed in range(60):
        low, high = bootstrap_difference(auc, *scored(200, seed, (1.0, 1.0)), 100, 0.9)
        held += low <= 0 <= high
    assert 47 <= held <= 59


def test_where_the_flights_of_a_day_share_their_luck_drawing_days_tells_and_drawing_rows_does_not() -> None:
    """Both models are equally good in the long run; on any one day either may be the better."""
    number, size = 30, 60
    days = np.repeat(np.arange(number), size)
    held = {"days": 0, "rows": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        answers = (rng.random(number * size) < 0.3).astype(np.float32)
        skill = rng.normal(0, 0.5, (2, number))[:, days]  # of a day, for each model
        noise = rng.normal(0, 1.0, (2, number * size))
        one, other = (1 / (1 + np.exp(-((answers - 0.3) * (1 + skill) + noise)))).astype(np.float32)
        for drawn, units in (("days", days), ("rows", np.arange(number * size))):
            low, high = bootstrap_difference(auc, answers, one, other, units, 100, 0.9)
            held[drawn] += low <= 0 <= high
    assert 46 <= held["days"] <= 59
    assert held["rows"] < held["days"] - 8


def test_the_interval_is_reproducible_and_widens_with_confidence() -> None:
    rows = scored(300)
    narrow = bootstrap_difference(auc, *rows, 300, 0.8)
    assert bootstrap_difference(auc, *rows, 300, 0.8) == narrow
    assert bootstrap_difference(auc, *rows, 300, 0.8, seed=1) != narrow
    wide = bootstrap_difference(auc, *rows, 300, 0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_pairing_cancels_what_the_models_share() -> None:
    """The same hard rows for both: the paired interval is far narrower than one of independent samples."""
    answers, one, _, days = scored(400, noise=(1.0, 1.0))
    other = np.clip(one + np.random.default_rng(1).normal(0, 0.02, 400), 0, 1).astype(np.float32)
    low, high = bootstrap_difference(auc, answers, one, other, days, 300, 0.95)
    rng = np.random.default_rng(0)
    apart = []
    for _ in range(300):
        first, second = rng.integers(0, 400, 400), rng.integers(0, 400, 400)
        apart.append(auc(answers[first], one[first]) - auc(answers[second], other[second]))
    assert high - low < 0.3 * (np.quantile(apart, 0.975) - np.quantile(apart, 0.025))


def test_a_model_does_not_differ_from_itself() -> None:
    answers, one, _, days = scored(300)
    assert bootstrap_difference(auc, answers, one, one, days, 100, 0.95) == (0.0, 0.0)


@pytest.fixture
def holdout(workshop: Workshop) -> Rows:
    return sides(workshop.folder).holdout


def test_slices_are_the_rows_of_each_carrier_and_origin(workshop: Workshop, holdout: Rows) -> None:
    model = load_ensemble(workshop.folder / "models/challenger")
    p = model.predict(holdout.features())
    found = {part.name: part for part in slices(holdout, p, None)}
    assert sum(part.rows for name, part in found.items() if name.startswith("carrier ")) == holdout.rows
    assert sum(part.rows for name, part in found.items() if name.startswith("origin ")) == holdout.rows
    here = holdout.column("carrier") == CARRIERS.index("UA")
    assert found["carrier UA"].rows == here.sum()
    assert found["carrier UA"].challenger == pytest.approx(auc(holdout.answers()[here], p[here]), abs=1e-6)
    assert found["carrier UA"].champion is None
    assert found["carrier UA"].drop is None


def other_reader(workshop: Workshop, to: Path, change: Callable[[dict[str, Any]], None]) -> Ensemble:
    """The challenger, as it would be had its code had another schema."""
    model = load_ensemble(workshop.folder / "models/challenger")
    schema = json.loads(json.dumps(schema_json()))
    change(schema)
    rows = json.loads((workshop.folder / "models/challenger/golden.json").read_text())["rows"]
    known = {c["name"]: c["categories"] for c in schema["columns"] if c["kind"] == "category"}
    rows = [row for row in rows if all(row[name] in values for name, values in known.items())]
    save_ensemble(to, model.members, schema, {}, rows, model.metadata)
    return load_ensemble(to)


def column(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in schema["columns"] if c["name"] == name)
    return found


def test_a_model_of_other_categories_is_scored_as_it_reads(workshop: Workshop, holdout: Rows, tmp_path: Path) -> None:
    turned = (*CARRIERS[3:], *CARRIERS[:3])
    model = other_reader(workshop, tmp_path / "m", lambda s: column(s, "carrier").update(categories=list(turned)))
    assert not reads_alike(model)
    features = holdout.features()
    place = NAMES.index("carrier")
    features[:, place] = [turned.index(CARRIERS[int(code)]) for code in features[:, place]]
    expected = model.predict(features)
    flights = workshop.folder / "data/flights"
    np.testing.assert_allclose(score(model, holdout, flights).predicted, expected, atol=1e-6)
    assert np.abs(expected - model.predict(holdout.features())).max() > 0.05, "today's matrices would be nonsense to it"


def test_a_category_that_a_model_does_not_know_is_missing_to_it(
    workshop: Workshop, holdout: Rows, tmp_path: Path
) -> None:
    fewer = CARRIERS[:-2]
    model = other_reader(workshop, tmp_path / "m", lambda s: column(s, "carrier").update(categories=list(fewer)))
    features = holdout.features()
    place = NAMES.index("carrier")
    features[features[:, place] >= len(fewer), place] = np.nan
    np.testing.assert_allclose(
        score(model, holdout, workshop.folder / "data/flights").predicted, model.predict(features), atol=1e-6
    )


def test_a_model_of_fewer_features_is_scored_as_it_reads(workshop: Workshop, holdout: Rows, tmp_path: Path) -> None:
    from slipway.learning.learners.xgboost import import_xgboost

    xgb = import_xgboost()
    fewer = [name for name in NAMES if name != "temp"]
    keep = [NAMES.index(name) for name in fewer]
    data = xgb.DMatrix(holdout.features()[:, keep], holdout.answers(), feature_names=fewer)
    member = xgb.train({"objective": "binary:logistic", "max_depth": 2, "base_score": 0.5}, data, 3)
    schema = json.loads(json.dumps(schema_json()))
    schema["features"] = [f for f in schema["features"] if f["name"] != "temp"]
    golden = json.loads((workshop.folder / "models/challenger/golden.json").read_text())["rows"]
    metadata = json.loads((workshop.folder / "models/challenger/metadata.json").read_text())
    save_ensemble(tmp_path / "m", [member], schema, {}, golden, metadata)
    model = load_ensemble(tmp_path / "m")
    np.testing.assert_allclose(
        score(model, holdout, workshop.folder / "data/flights").predicted, member.predict(data), atol=1e-6
    )


def test_a_column_that_is_gone_is_a_sentence(workshop: Workshop, holdout: Rows, tmp_path: Path) -> None:
    def rename(schema: dict[str, Any]) -> None:
        column(schema, "temp")["name"] = "temperature"
        next(f for f in schema["features"] if f["source"] == "temp")["source"] = "temperature"

    golden = workshop.folder / "models/challenger/golden.json"
    text = golden.read_text()
    renamed = Workshop(tmp_path / "shop")
    shutil.copytree(workshop.folder / "models", renamed.folder / "models")
    (renamed.folder / "models/challenger/golden.json").write_text(text.replace('"temp"', '"temperature"'))
    load = (renamed.folder / "models/challenger/schema.json").read_text()
    schema = json.loads(load)
    rename(schema)
    (renamed.folder / "models/challenger/schema.json").write_text(json.dumps(schema))
    model = load_ensemble(renamed.folder / "models/challenger")
    with pytest.raises(UserError, match="reads temperature, which the data no longer has"):
        score(model, holdout, workshop.folder / "data/flights")


def test_rows_that_are_not_there_are_a_sentence(workshop: Workshop, holdout: Rows, tmp_path: Path) -> None:
    model = other_reader(
        workshop, tmp_path / "m", lambda s: column(s, "carrier").update(categories=list(CARRIERS[::-1]))
    )
    with pytest.raises(UserError, match=r"2013-04\.csv is missing"):
        score(model, holdout, tmp_path)
