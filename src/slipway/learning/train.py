"""Train: a trial, or a candidate for release.

  train                   a trial: learn from the past, score on the validation months, save nothing
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
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from slipway.errors import UserError
from slipway.files import check_replaceable, read_json
from slipway.learning.ensemble import MARK, average, import_xgboost, save_ensemble
from slipway.learning.matrices import INDEX, MADE_BY, PREPARED, Months, load_months, split
from slipway.learning.metrics import scores
from slipway.learning.provenance import made_of
from slipway.model.features import NAMES, schema_json
from slipway.params import HyperParameters, Train, load_params
from slipway.stretches import gaps, in_words

if TYPE_CHECKING:
    import xgboost as xgb

DATA_REPORT = Path("reports/data.json")
COLLECT = "python -m slipway collect"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway train`: one for each hyper-parameter, with the value of params.yaml as its default."""
    parser.add_argument("--prepared", type=Path, default=PREPARED, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--final", action="store_true", help="learn from the validation months too")
    parser.add_argument("--trials", type=Path, metavar="FILE", help="one member for each trial in this file")
    parser.add_argument("--out", type=Path, metavar="DIR", help="save the ensemble here")
    parser.add_argument(
        "--report", type=Path, default=DATA_REPORT, metavar="FILE", help="what `prepare` counted, default: %(default)s"
    )
    numbers = parser.add_argument_group("hyper-parameters, default: params.yaml")
    for name, field in Train.model_fields.items():
        kind: type = {int: int, float: float}.get(field.annotation, str)  # type: ignore[arg-type]
        numbers.add_argument(f"--{name}", type=kind, metavar=kind.__name__)


def run(args: argparse.Namespace) -> None:
    """Train, print the metrics, save if asked to."""
    params = load_params()
    parts = split(load_months(args.prepared), params.split.validation_months, params.split.holdout_months)
    settings = with_flags(params.train, args)
    recipes = [settings] * settings.members
    search: dict[str, Any] = {"experiment": None, "trials": []}
    if args.trials:
        search = read_json(args.trials, COLLECT, "experiment", "trials")
        recipes = [from_trial(settings, trial, args.trials) for trial in search["trials"]]
        if not recipes:
            raise UserError(f"{args.trials} holds no trial: make it again with `{COLLECT}`.")
    if args.out:  # what is wrong with it is said now, not when all is learnt
        check_replaceable(args.out, MARK)
        sample = read_json(args.prepared / "sample.json", MADE_BY)
    learn = parts.past if args.final else parts.train
    learnt = profile(described(learn, args.report)) if args.out else {}
    members = boost(learn, None if args.final else parts.validation, recipes, settings)
    if args.final:
        late = learn.answers()
        emit({f"train-{name}": value for name, value in scores(late, _predict(members, learn)).items()})
    if args.out:
        metadata = origin(args.prepared, recipes, learn, parts.holdout, search) | {"made_of": made_of(params)}
        save_ensemble(args.out, members, schema_json(), learnt, sample, metadata)
        print(f"{args.out}  {len(members)} members, trained on {in_words(learn.names)}")


def with_flags(settings: Train, args: argparse.Namespace) -> Train:
    """The settings of params.yaml, overridden by the flags that were given.

    Raises:
        UserError: a flag's value is out of range.
    """
    given = {name: getattr(args, name) for name in Train.model_fields if getattr(args, name) is not None}
    return _checked(settings, given, "--")


def from_trial(settings: Train, trial: dict[str, Any], path: Path) -> Train:
    """The settings with a trial's assignments in their place.

    Raises:
        UserError: the trial assigns something that is not a hyper-parameter.
    """
    if not isinstance(trial, dict) or not {"name", "parameters"} <= set(trial):
        raise UserError(f"{path} holds a trial without name and parameters: make it again with `{COLLECT}`.")
    if unknown := set(trial["parameters"]) - set(HyperParameters.model_fields):
        raise UserError(f"trial {trial['name']} assigns {sorted(unknown)[0]}, which is no hyper-parameter.")
    return _checked(settings, trial["parameters"], f"trial {trial['name']}, ")


def _checked(settings: Train, values: dict[str, Any], where: str) -> Train:
    try:
        return Train.model_validate(settings.model_dump() | values)
    except ValidationError as error:
        fault = error.errors()[0]
        message = f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
        raise UserError(f"{where}{fault['loc'][0]}: {message}, not {fault['input']!r}.") from None


def boost(learn: Months, validation: Months | None, recipes: Sequence[Train], settings: Train) -> list[xgb.Booster]:
    """Boost one member for each recipe, reporting on ``validation`` as it goes.

    Member i is seeded with ``seed + i``. Every ``report_every`` rounds the running member's own validation metrics
    are computed and printed (after each round they would cost a fifth of a trial), and at the end those of the whole
    ensemble: the last line of a metric is the trial's.

    Returns:
        The members, in the recipes' order.
    """
    import numpy as np

    xgb_ = import_xgboost()

    class Report(xgb_.callback.TrainingCallback):  # type: ignore[name-defined]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if epoch % settings.report_every == 0:
                # "[10]\tvalidation-logloss:0.58\tvalidation-auc:0.66", to the last digit of a float64
                metrics = model.eval_set([(scored, "validation")], epoch).split("\t")[1:]
                emit({name: float(value) for name, _, value in (metric.partition(":") for metric in metrics)})
            return False

    quantized: dict[int, tuple[Any, Any]] = {}
    members, predicted = [], []
    for position, recipe in enumerate(recipes):
        if recipe.max_bin not in quantized:
            matrix = learn.quantized(recipe.max_bin)
            quantized = {recipe.max_bin: (matrix, validation and validation.quantized(recipe.max_bin, matrix))}
        matrix, scored = quantized[recipe.max_bin]
        member = xgb_.train(
            xgboost_parameters(recipe, position),
            matrix,
            num_boost_round=recipe.rounds,
            callbacks=[Report()] if scored else [],
            verbose_eval=False,
        )
        members.append(member)
        if scored:  # the margins of all rounds but the last few are held since the last report
            predicted.append(member.predict(scored).astype(np.float64))
    if validation:
        probabilities = np.mean(predicted, axis=0).astype(np.float32)
        emit({f"validation-{name}": value for name, value in scores(validation.answers(), probabilities).items()})
    return members


def xgboost_parameters(recipe: Train, position: int) -> dict[str, Any]:
    """XGBoost's parameters of one member."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "eval_metric": ["logloss", "auc"],
        "eta": recipe.eta,
        "max_depth": recipe.max_depth,
        "min_child_weight": recipe.min_child_weight,
        "subsample": recipe.subsample,
        "colsample_bytree": recipe.colsample_bytree,
        "reg_lambda": recipe.reg_lambda,
        "max_bin": recipe.max_bin,
        "grow_policy": recipe.grow_policy,
        "seed": recipe.seed + position,
        # Releases before 3.1 cannot read the intercept that 3.1 and later write, and take this value without a word.
        "base_score": 0.5,
    }


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
    prepared: Path, recipes: Sequence[Train], learnt: Months, holdout: Months, search: dict[str, Any]
) -> dict[str, Any]:
    """Where an ensemble comes from, for its metadata.json.

    Nothing in it differs between two runs on the same data: `slipway register` adds commit and image.
    """
    return {
        "members": len(recipes),
        "recipes": [
            recipe.hyper_parameters().model_dump() | {"seed": recipe.seed + i} for i, recipe in enumerate(recipes)
        ],
        "experiment": search["experiment"],
        "trials": search["trials"],
        "trained_on": learnt.names,
        "held_out": holdout.names,
        "gaps": gaps(learnt.names + holdout.names),
        "rows": learnt.rows,
        "features": list(NAMES),
        "data_md5": read_json(prepared / INDEX, MADE_BY, "data_md5")["data_md5"],
        "xgboost": import_xgboost().__version__,
    }


def described(learn: Months, report: Path) -> list[dict[str, Any]]:
    """What the report says of each month that is learnt from.

    Raises:
        UserError: it describes other months, or the same ones with other flights.
    """
    months = read_json(report, MADE_BY, "months")["months"]
    for month in learn:
        if months.get(month.name, {}).get("answered") != month.rows:
            raise UserError(
                f"{report} does not describe the {month.rows:,} flights of {month.name} that {month.path} has: name "
                f"the report of the same `{MADE_BY}` with --report."
            )
    return [months[name] for name in learn.names]


def profile(months: list[dict[str, Any]]) -> dict[str, Any]:
    """The buckets of several months added up: what live traffic is compared with."""
    columns: dict[str, Any] = {}
    for month in months:
        for name, column in month["columns"].items():
            total = columns.setdefault(name, {"missing": 0, "buckets": {}})
            total["missing"] += column["missing"]
            for bucket, count in column["buckets"].items():
                total["buckets"][bucket] = total["buckets"].get(bucket, 0) + count
    return {"rows": sum(month["rows"] for month in months), "columns": columns}


def _predict(members: list[xgb.Booster], months: Months) -> Any:
    import numpy as np

    return np.concatenate([average(members, np.ascontiguousarray(month.load()[:, :-1])) for month in months])
