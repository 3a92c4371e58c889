"""The words a problem is declared in: what `src/slipway/model/problem.py` is written with, and what the rest reads."""

from slipway.problem.columns import Column, evenly, logarithmic
from slipway.problem.features import Feature, words
from slipway.problem.metrics import (
    Metric,
    accuracy,
    auc,
    brier,
    ece,
    logloss,
    macro_f1,
    mae,
    ndcg,
    poisson_deviance,
    r2,
    reciprocal_rank,
    rmse,
)
from slipway.problem.parts import Daily, Monthly, One, Parts, Weekly
from slipway.problem.problem import Name, Problem
from slipway.problem.splits import ByTime, Grouped, Random, Split
from slipway.problem.tasks import Binary, MultiClass, Ranking, Regression, Task

__all__ = [
    "Binary",
    "ByTime",
    "Column",
    "Daily",
    "Feature",
    "Grouped",
    "Metric",
    "Monthly",
    "MultiClass",
    "Name",
    "One",
    "Parts",
    "Problem",
    "Random",
    "Ranking",
    "Regression",
    "Split",
    "Task",
    "Weekly",
    "accuracy",
    "auc",
    "brier",
    "ece",
    "evenly",
    "logarithmic",
    "logloss",
    "macro_f1",
    "mae",
    "ndcg",
    "poisson_deviance",
    "r2",
    "reciprocal_rank",
    "rmse",
    "words",
]
