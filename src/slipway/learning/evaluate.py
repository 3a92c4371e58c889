"""Score a model on what is held out and draw its plots.

  evaluate                models/current on the hold-out: reports/metrics.json, reports/slices.json, reports/plots/*.svg
  evaluate --model models/challenger --out build/challenger
                          another model, into another folder

The hold-out is what problem.py and split in params.yaml say; no trial and no candidate has learnt from it, and a model
that has is refused. Every part is scored, so that a drift over time shows; the parts that were learnt from are marked,
because a model is always better there. Prints one metric a line, as `slipway train` does.
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
from slipway.learning.learners.learner import settings
from slipway.learning.matrices import PREPARED, Part, Rows, load_parts
from slipway.learning.split import Sides, as_json, split_rows
from slipway.learning.train import emit
from slipway.model.problem import PROBLEM
from slipway.params import Split
from slipway.problem import Binary, ByTime, MultiClass, Regression
from slipway.problem.columns import OTHER

REPORTS = Path("reports")
METRICS = "metrics.json"
SLICES = "slices.json"
PLOTS = "plots"


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
    params = settings(PROBLEM)
    sides = split_rows(load_parts(args.prepared), params.split, PROBLEM)
    check_replaceable(args.out / PLOTS, "*.svg")
    model = load_ensemble(args.model)
    check_model(model, sides, params.split)
    held = score(model, sides.holdout, sides.label)
    metrics = summary(held)
    if metrics[PROBLEM.decides.name] is None:
        raise UserError(
            f"{PROBLEM.decides.title} of the hold-out ({sides.label}) is not defined, as when it has only one kind of "
            "answer: raise split.holdout in params.yaml."
        )
    emit({f"holdout-{name.replace('_', '-')}": value for name, value in metrics.items() if value is not None})
    write_json(args.metrics or args.out / METRICS, metrics)
    details = {
        "trained_on": model.metadata["trained_on"],
        "held_out": sides.holdout.names,
        "holdout": sides.label,
        "decides": PROBLEM.decides.name,
        "error": _or_none(PROBLEM.decides.error(held.answers, held.predicted, held.groups)),
        "slices": slices(held),
        "parts": by_part(model, sides),
        "importance": importance(model),
    }
    write_json(args.out / SLICES, details)

    from slipway.plots.plots import draw_all

    with whole_folder(args.out / PLOTS, "*.svg") as folder:
        draw_all(folder, held, metrics, details)
        names = sorted(path.name for path in folder.iterdir())
    print(f"{args.out}  scored on {sides.label}, {len(held.answers):,} {PROBLEM.name.many}; plots: {', '.join(names)}")


@dataclass(frozen=True)
class Scored:
    """Rows with their answers, a model's, the groups they are ranked in and the codes they are sliced by.

    ``answers`` have shape (rows,), ``predicted`` (rows,) or (rows, classes), ``groups`` and each of ``codes`` (rows,).
    """

    name: str
    answers: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray | None
    codes: dict[str, np.ndarray]

    def some(self, name: str, here: np.ndarray) -> Scored:
        """Those of the rows where ``here`` is true."""
        groups = None if self.groups is None else self.groups[here]
        return Scored(name, self.answers[here], self.predicted[here], groups, {})


def check_model(model: Ensemble, sides: Sides, amounts: Split) -> None:
    """Refuse a model whose score on the hold-out would say nothing.

    Raises:
        UserError: the model has seen the hold-out, or reads other features than are prepared.
    """
    if lacking := [key for key in ("trained_on", "features", "split") if key not in model.metadata]:
        raise UserError(f"{model.folder}/metadata.json has no {lacking[0]!r}: train again with `dvc repro`.")
    if seen := seen_by(model, sides.holdout, amounts):
        raise UserError(
            f"{model.folder} has learnt from {seen}, which is held out now: its score there would flatter. "
            "Train again with `dvc repro`, or look at split.holdout in params.yaml."
        )
    if model.metadata["features"] != list(PROBLEM.feature_names):
        raise UserError(
            f"{model.folder} reads other features than src/slipway/model/features.py has: train again with `dvc repro`."
        )


def seen_by(model: Ensemble, holdout: Rows, amounts: Split) -> str:
    """What of the hold-out a model has learnt from, in words; empty when nothing.

    Of parts it is told by their names. Of rows that are drawn it is known only where they were drawn alike: by the same
    hash, and at least as many held out.
    """
    if isinstance(PROBLEM.split, ByTime):
        return ", ".join(sorted(set(model.metadata["trained_on"]) & set(holdout.names)))
    then, now = model.metadata["split"], as_json(amounts, PROBLEM)
    same = all(then.get(key) == now[key] for key in now if key not in ("validation", "holdout"))
    return "" if same and then["holdout"] >= now["holdout"] else f"{PROBLEM.name.many} that were drawn otherwise"


def score(model: Ensemble, rows: Rows, name: str) -> Scored:
    """Score some rows part by part; only answers, predictions and slicing columns stay in memory."""
    scored = [_score_part(model, part) for part in rows]
    return Scored(
        name,
        np.concatenate([answers for answers, _, _ in scored]),
        np.concatenate([predicted for _, predicted, _ in scored]),
        rows.groups(),
        {name: np.concatenate([codes[name] for _, _, codes in scored]) for name in PROBLEM.slices},
    )


def _score_part(model: Ensemble, part: Part) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    matrix = part.load()
    places = {f.source: place for place, f in reversed([*enumerate(PROBLEM.features)])}
    return (
        np.array(matrix[:, -1]),
        model.predict(np.ascontiguousarray(matrix[:, :-1])),
        {name: np.nan_to_num(matrix[:, places[name]], nan=-1).astype(int) for name in PROBLEM.slices},
    )


def summary(rows: Scored) -> dict[str, float | int | None]:
    """All metrics of some rows, rounded, None where one is not defined; their means, where answers have one."""
    found: dict[str, float | int | None] = {
        metric.name: _or_none(metric(rows.answers, rows.predicted, None, rows.groups)) for metric in PROBLEM.metrics
    }
    if not isinstance(PROBLEM.task, MultiClass):
        found["mean_answer"] = finite(float(rows.answers.mean(dtype=np.float64)))
    if isinstance(PROBLEM.task, Binary | Regression):  # a ranking's scores are in no unit
        found["mean_prediction"] = finite(float(rows.predicted.mean(dtype=np.float64)))
    return {**found, "rows": len(rows.answers)}


def slices(held: Scored) -> dict[str, list[dict[str, Any]]]:
    """The metrics of each category that has rows, of each column that is sliced by, the largest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in PROBLEM.slices:
        entries = [
            {"name": category, **_with_error(held.some(category, here))}
            for category, here in categories(name, held.codes[name])
        ]
        found[name] = sorted(entries, key=lambda entry: (-entry["rows"], entry["name"]))
    return found


def categories(column: str, codes: np.ndarray) -> Iterable[tuple[str, np.ndarray]]:
    """Each category of a column that some row has, and which rows these are: bool, shape (rows,)."""
    declared = PROBLEM.column[column]
    names = list(declared.categories) or [f"hash {bucket}" for bucket in range(declared.hashed)]
    for code, name in enumerate([*names, OTHER]):
        here = codes == code
        if here.any():
            yield name, here


def by_part(model: Ensemble, sides: Sides) -> list[dict[str, Any]]:
    """The metrics of each part, in order; ``learnt`` says whether the model was trained on it."""
    learnt = set(model.metadata["trained_on"])
    found = []
    for rows, held in ((sides.past, False), (sides.holdout, True)):
        for part in rows:
            scored = score(model, Rows((part,)), part.name)
            entry = {"name": part.name, "learnt": not held and part.name in learnt}
            found.append({**entry, **_with_error(scored)})
    return found


def _with_error(rows: Scored) -> dict[str, Any]:
    return {**summary(rows), "error": _or_none(PROBLEM.decides.error(rows.answers, rows.predicted, rows.groups))}


def importance(model: Ensemble) -> list[dict[str, Any]]:
    """What share of all that was gained each feature brought: the mean, least and most of the members.

    Made a share for each member first, so that a member with more trees weighs no more.
    """
    names = PROBLEM.feature_names
    shares = np.zeros((len(model.members), len(names)))
    for position, member in enumerate(model.members):
        values = model.learner.importance(member, names)
        shares[position] = values / values.sum() if values.sum() else values
    found = [
        {
            "feature": name,
            "share": finite(float(shares[:, place].mean())),
            "least": finite(float(shares[:, place].min())),
            "most": finite(float(shares[:, place].max())),
        }
        for place, name in enumerate(names)
    ]
    return sorted(found, key=lambda entry: (-float(entry["share"]), str(entry["feature"])))


def _or_none(value: float) -> float | None:
    return finite(value) if math.isfinite(value) else None
