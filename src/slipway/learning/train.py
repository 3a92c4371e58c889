"""Train: a trial, or a candidate for release.

  train                   a trial: learn from the past, score on the validation rows, save nothing
  train --eta 0.05 --max_depth 8
                          the same with other hyper-parameters; each is a flag, a key of params.yaml and a
                          parameter of k8s/katib/experiment.yaml under one name
  train --final --out models/current
                          a candidate: learn from everything before the hold-out and save the ensemble
  train --final --trials build/tune/top.json --out models/challenger
                          the same, one member for each of the trials that `slipway collect` took

Prints one metric a line as `<RFC 3339 time> <metric>=<value>`, which Katib's collector reads. A metric that is not
a finite number ends the run with exit code 2 and is never printed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from slipway.errors import UserError
from slipway.files import check_replaceable, read_json
from slipway.learning.ensemble import MARK, average, save_ensemble, tolerance
from slipway.learning.learners.learner import learner_named, recipe, settings
from slipway.learning.matrices import INDEX, MADE_BY, PREPARED, Rows, load_parts
from slipway.learning.profile import profile, score_buckets
from slipway.learning.provenance import made_of
from slipway.learning.split import as_json, split_rows
from slipway.model.problem import PROBLEM
from slipway.params import Train
from slipway.stretches import gaps, in_words

DATA_REPORT = Path("reports/data.json")
COLLECT = "python -m slipway collect"
Recipe = tuple[Any, int]
"""A member's hyper-parameters and seed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway train`: one for each hyper-parameter, with the value of params.yaml as its default."""
    parser.add_argument("--prepared", type=Path, default=PREPARED, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--final", action="store_true", help="learn from the validation rows too")
    parser.add_argument("--trials", type=Path, metavar="FILE", help="one member for each trial in this file")
    parser.add_argument("--out", type=Path, metavar="DIR", help="save the ensemble here")
    parser.add_argument(
        "--report", type=Path, default=DATA_REPORT, metavar="FILE", help="what `prepare` counted, default: %(default)s"
    )
    numbers = parser.add_argument_group("hyper-parameters, default: params.yaml")
    fields = learner_named(PROBLEM.learner).HyperParameters.model_fields
    for name, field in {**Train.model_fields, **fields}.items():
        kind = _kind(field.annotation)
        numbers.add_argument(f"--{name}", type=kind, metavar=kind.__name__)


def _kind(annotation: Any) -> type:
    """int or float where a hyper-parameter is one, also where it may be left out; else text."""
    kinds = set(get_args(annotation)) if isinstance(annotation, UnionType) else {annotation}
    return next((kind for kind in (int, float) if kind in kinds), str)


def run(args: argparse.Namespace) -> None:
    """Train, print the metrics, save if asked to."""
    params = settings(PROBLEM)
    sides = split_rows(load_parts(args.prepared), params.split, PROBLEM)
    train, recipes = with_flags(params.train, args)
    search: dict[str, Any] = {"experiment": None, "trials": []}
    if args.trials:
        search = read_json(args.trials, COLLECT, "experiment", "trials")
        recipes = [
            (from_trial(params.train, args, trial, args.trials), train.seed + place)
            for place, trial in enumerate(search["trials"])
        ]
        if not recipes:
            raise UserError(f"{args.trials} holds no trial: make it again with `{COLLECT}`.")
    if args.out:  # what is wrong with it is said now, not when all is learnt
        check_replaceable(args.out, MARK)
        sample = read_json(args.prepared / "sample.json", MADE_BY)
    learn = sides.past if args.final else sides.train
    described_parts = described(learn, args.report) if args.out else []
    members = fit(learn, None if args.final else sides.validation, recipes, train.report_every)
    if not args.final and not args.out:
        return
    answers, predicted = learn.answers(), _predict(members, learn)
    if args.final:
        emit({f"train-{name}": value for name, value in scores(answers, predicted, learn).items()})
    if args.out:
        metadata = origin(args.prepared, recipes, learn, sides.holdout, search)
        metadata |= {"split": as_json(params.split, PROBLEM), "made_of": made_of(params)}
        schema = PROBLEM.schema_json() | {"tolerance": tolerance(PROBLEM.task, predicted)}
        learnt = profile(described_parts) | {"scores": score_buckets(PROBLEM.task, predicted)}
        save_ensemble(args.out, members, schema, learnt, sample, metadata)
        print(f"{args.out}  {len(members)} members, trained on {in_words(learn.names)}")


def with_flags(train: Train, args: argparse.Namespace) -> tuple[Train, list[Recipe]]:
    """What params.yaml says, overridden by the flags that were given: the settings, and a recipe for each member.

    Raises:
        UserError: a flag's value is out of range.
    """
    given = {name: getattr(args, name) for name in Train.model_fields if getattr(args, name) is not None}
    try:
        train = Train.model_validate(train.model_dump() | given)
    except ValidationError as error:
        fault = error.errors()[0]
        message = f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
        raise UserError(f"--{fault['loc'][0]}: {message}, not {fault['input']!r}.") from None
    checked = recipe(PROBLEM, train, _flags(args), "--")
    return train, [(checked, train.seed + place) for place in range(train.members)]


def from_trial(train: Train, args: argparse.Namespace, trial: dict[str, Any], path: Path) -> Any:
    """The hyper-parameters with a trial's assignments in their place.

    Raises:
        UserError: the trial assigns something that is not a hyper-parameter.
    """
    if not isinstance(trial, dict) or not {"name", "parameters"} <= set(trial):
        raise UserError(f"{path} holds a trial without name and parameters: make it again with `{COLLECT}`.")
    assigned = _flags(args) | trial["parameters"]
    return recipe(PROBLEM, train, assigned, f"trial {trial['name']}, ")


def _flags(args: argparse.Namespace) -> dict[str, Any]:
    fields = learner_named(PROBLEM.learner).HyperParameters.model_fields
    return {name: getattr(args, name) for name in fields if getattr(args, name) is not None}


def fit(learn: Rows, validation: Rows | None, recipes: Sequence[Recipe], report_every: int) -> list[Any]:
    """Learn one member for each recipe, reporting on ``validation`` as it goes.

    Every ``report_every`` rounds the running member's own validation metrics are computed and printed (after each round
    they would cost a fifth of a trial), and at the end those of the whole ensemble: the last line of a metric is the
    trial's.

    Returns:
        The members, in the recipes' order.
    """
    learner = learner_named(PROBLEM.learner)
    reporting = None
    if validation:
        answers = validation.answers()

        def report(predicted: np.ndarray) -> None:
            emit({f"validation-{name}": value for name, value in scores(answers, predicted, validation).items()})

        reporting = (report_every, report)
    members: list[Any] = []
    total: Any = 0.0
    for member, predicted in learner.fit(PROBLEM, learn, validation, recipes, reporting):
        members.append(member)
        if validation:
            total = total + np.asarray(predicted, dtype=np.float64)
    if validation:
        report(np.asarray(total / len(members)).astype(np.float32))
    return members


def scores(answers: np.ndarray, predicted: np.ndarray, rows: Rows) -> dict[str, float]:
    """Every metric of the problem by name: see :class:`slipway.problem.Metric`."""
    groups = rows.groups()
    return {metric.name: metric(answers, predicted, None, groups) for metric in PROBLEM.metrics}


def emit(metrics: dict[str, float]) -> None:
    """Print metrics as Katib reads them.

    Raises:
        UserError: one is not a finite number. Katib would take such a trial for its best (facts of its collector).
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise UserError(f"{name} came out as {value}: look at the hyper-parameters, or at what is to be learnt.")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for name, value in metrics.items():
        print(f"{now} {name}={value:.10g}", flush=True)


def origin(
    prepared: Path, recipes: Sequence[Recipe], learnt: Rows, holdout: Rows, search: dict[str, Any]
) -> dict[str, Any]:
    """Where an ensemble comes from, for its metadata.json.

    Nothing in it differs between two runs on the same data: `slipway register` adds commit and image.
    """
    return {
        "members": len(recipes),
        "recipes": [checked.model_dump() | {"seed": seed} for checked, seed in recipes],
        "experiment": search["experiment"],
        "trials": search["trials"],
        "trained_on": learnt.names,
        "held_out": holdout.names,
        "gaps": gaps(learnt.names + holdout.names),
        "rows": learnt.rows,
        "features": list(PROBLEM.feature_names),
        "data_md5": read_json(prepared / INDEX, MADE_BY, "data_md5")["data_md5"],
        "learner": PROBLEM.learner,
        "library": learner_named(PROBLEM.learner).library(),
    }


def described(learn: Rows, report: Path) -> list[dict[str, Any]]:
    """What the report says of each part that is learnt from.

    Raises:
        UserError: it describes other parts, or the same ones with other rows.
    """
    parts = read_json(report, MADE_BY, "parts")["parts"]
    for part in learn:
        if parts.get(part.name, {}).get("answered") != part.total:
            raise UserError(
                f"{report} does not describe the {part.total:,} {PROBLEM.name.many} of {part.name} that {part.path} "
                f"has: name the report of the same `{MADE_BY}` with --report."
            )
    return [parts[name] for name in learn.names]


def _predict(members: Sequence[Any], rows: Rows) -> np.ndarray:
    learner = learner_named(PROBLEM.learner)
    return np.concatenate([average(learner, members, np.ascontiguousarray(part.load()[:, :-1])) for part in rows])
