"""Score a model on the newest month and draw its plots.

  evaluate                models/current on the hold-out: reports/metrics.json, reports/slices.json, reports/plots/*.svg
  evaluate --model models/challenger --out build/challenger
                          another model, into another folder

The hold-out is what split.holdout_months in params.yaml says; no trial and no candidate has learnt from it, and a
model that has is refused. Every month is scored, so that a drift over time shows; the months that were learnt from
are marked, because a model is always better there. Prints one metric a line, as `slipway train` does.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipway.errors import UserError
from slipway.files import check_replaceable, finite, whole_folder, write_json
from slipway.learning.ensemble import Ensemble, load_ensemble
from slipway.learning.matrices import PREPARED, Months, load_months, split
from slipway.learning.metrics import auc_error, scores
from slipway.learning.train import emit
from slipway.model.features import NAMES
from slipway.model.schema import COLUMN
from slipway.params import load_params
from slipway.stretches import in_words

REPORTS = Path("reports")
METRICS = "metrics.json"
SLICES = "slices.json"
PLOTS = "plots"
SLICED_BY = ("origin", "carrier")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway evaluate`."""
    parser.add_argument(
        "--model", type=Path, default=Path("models/current"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--prepared", type=Path, default=PREPARED, metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--out", type=Path, default=REPORTS, metavar="DIR", help="where the three outputs go, default: %(default)s"
    )
    parser.add_argument("--metrics", type=Path, metavar="FILE", help=f"default: {METRICS} in --out")


def run(args: argparse.Namespace) -> None:
    """Score, print, write."""
    settings = load_params().split
    parts = split(load_months(args.prepared), settings.validation_months, settings.holdout_months)
    check_replaceable(args.out / PLOTS, "*.svg")
    model = load_ensemble(args.model)
    check_model(model, parts.holdout)
    scored = [score_month(model, month) for month in parts.past + parts.holdout]
    holdout = together(month for month in scored if month.name in parts.holdout.names)
    metrics = summary(holdout)
    if metrics["auc"] is None:
        raise UserError(
            f"the hold-out ({holdout.name}) has only one kind of answer, so AUC cannot be computed: raise "
            "split.holdout_months in params.yaml."
        )
    emit({f"holdout-{name.replace('_', '-')}": value for name, value in metrics.items() if value is not None})
    write_json(args.metrics or args.out / METRICS, metrics)
    details = {
        "trained_on": model.metadata["trained_on"],
        "held_out": parts.holdout.names,
        "auc_error": _or_none(auc_error(metrics["auc"], holdout.answers)),
        "slices": slices(holdout) | {"month": by_month(scored, model)},
        "importance": importance(model),
    }
    write_json(args.out / SLICES, details)

    from slipway.learning.plots import draw_all

    with whole_folder(args.out / PLOTS, "*.svg") as folder:
        draw_all(folder, holdout.name, holdout.answers, holdout.probabilities, metrics, details)
        names = sorted(path.name for path in folder.iterdir())
    print(f"{args.out}  scored on {holdout.name}, {len(holdout.answers):,} flights; plots: {', '.join(names)}")


@dataclass(frozen=True)
class Scored:
    """Rows with their answers (0 or 1), the model's probabilities and the codes they are sliced by: shape (rows,)."""

    name: str
    answers: np.ndarray
    probabilities: np.ndarray
    codes: dict[str, np.ndarray]


def check_model(model: Ensemble, holdout: Months) -> None:
    """Refuse a model whose score on the hold-out would say nothing.

    Raises:
        UserError: the model has seen the hold-out, or reads other features than are prepared.
    """
    if lacking := [key for key in ("trained_on", "features") if key not in model.metadata]:
        raise UserError(f"{model.folder}/metadata.json has no {lacking[0]!r}: train again with `dvc repro`.")
    if seen := sorted(set(model.metadata["trained_on"]) & set(holdout.names)):
        raise UserError(
            f"{model.folder} has learnt from {', '.join(seen)}, which is held out now: its score there would flatter. "
            "Train again with `dvc repro`, or look at split.holdout_months in params.yaml."
        )
    if model.metadata["features"] != list(NAMES):
        raise UserError(
            f"{model.folder} reads other features than src/slipway/model/features.py has: train again with `dvc repro`."
        )


def score_month(model: Ensemble, month: Any) -> Scored:
    """Score one month; only its answers, probabilities and slicing columns stay in memory."""
    matrix = month.load()
    return Scored(
        month.name,
        np.array(matrix[:, -1]),
        model.predict(np.ascontiguousarray(matrix[:, :-1])),
        {name: matrix[:, NAMES.index(name)].astype(int) for name in SLICED_BY},
    )


def together(months: Iterable[Scored]) -> Scored:
    """Several months as one."""
    parts = list(months)
    return Scored(
        in_words([part.name for part in parts]),
        np.concatenate([part.answers for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        {name: np.concatenate([part.codes[name] for part in parts]) for name in SLICED_BY},
    )


def summary(rows: Scored) -> dict[str, float | int | None]:
    """All metrics of some rows, rounded; AUC is None where only one kind of answer is there."""
    return {
        **{name: _or_none(value) for name, value in scores(rows.answers, rows.probabilities).items()},
        "base_rate": finite(float(rows.answers.mean(dtype=np.float64))),
        "predicted_rate": finite(float(rows.probabilities.mean(dtype=np.float64))),
        "rows": len(rows.answers),
    }


def slices(holdout: Scored) -> dict[str, list[dict[str, Any]]]:
    """The metrics of each origin and each carrier that has rows, the largest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in SLICED_BY:
        found[name] = []
        for code, category in enumerate(COLUMN[name].categories):
            here = holdout.codes[name] == code
            if here.any():
                part = Scored(category, holdout.answers[here], holdout.probabilities[here], {})
                found[name].append({"name": category, **_with_error(part)})
        found[name].sort(key=lambda entry: (-entry["rows"], entry["name"]))
    return found


def by_month(scored: list[Scored], model: Ensemble) -> list[dict[str, Any]]:
    """The metrics of each month in order of time; ``learnt`` says whether the model was trained on it."""
    learnt = set(model.metadata["trained_on"])
    return [{"name": month.name, "learnt": month.name in learnt, **_with_error(month)} for month in scored]


def _with_error(rows: Scored) -> dict[str, Any]:
    found = summary(rows)
    area = found["auc"]
    return {**found, "auc_error": None if area is None else _or_none(auc_error(area, rows.answers))}


def importance(model: Ensemble) -> list[dict[str, Any]]:
    """What share of all loss reduction splits on each feature brought: the mean, least and most of the members.

    XGBoost's ``total_gain``, made a share for each member first so that a member with more trees weighs no more.
    """
    shares = np.zeros((len(model.members), len(NAMES)))
    for position, member in enumerate(model.members):
        gain = member.get_score(importance_type="total_gain")
        values = np.array([gain.get(name, 0.0) for name in NAMES], dtype=float)
        shares[position] = values / values.sum() if values.sum() else values
    found = [
        {
            "feature": name,
            "share": finite(float(shares[:, place].mean())),
            "least": finite(float(shares[:, place].min())),
            "most": finite(float(shares[:, place].max())),
        }
        for place, name in enumerate(NAMES)
    ]
    return sorted(found, key=lambda entry: (-float(entry["share"]), str(entry["feature"])))


def _or_none(value: float) -> float | None:
    return finite(value) if math.isfinite(value) else None
