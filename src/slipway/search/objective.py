"""An experiment held against the problem: it searches by what decides, over what the learner takes."""

from __future__ import annotations

from slipway.errors import UserError
from slipway.learning.learners.learner import learner_named
from slipway.problem import Problem
from slipway.search.experiment import Experiment

PREFIX = "validation-"
"""What stands before a metric's name in the lines of a trial."""


def check_objective(experiment: Experiment, problem: Problem) -> None:
    """See that a search finds what the gate will ask for.

    Raises:
        UserError: the objective is another metric than decides, points the other way, or a parameter or another metric
            is none of the problem's.
    """
    metric, path = problem.decides, experiment.path
    if experiment.metric != PREFIX + metric.name:
        raise UserError(
            f"{path}: spec.objective.objectiveMetricName is {experiment.metric}, and src/slipway/model/problem.py "
            f"decides by {metric.name}: expected {PREFIX}{metric.name}."
        )
    direction = "maximize" if metric.higher_is_better else "minimize"
    if experiment.maximize != metric.higher_is_better:
        raise UserError(f"{path}: spec.objective.type: {metric.title} is to {direction}.")
    known = [PREFIX + name for name in problem.metric]
    if unknown := [name for name in experiment.metrics if name not in known]:
        raise UserError(
            f"{path}: spec.objective.additionalMetricNames: a trial prints no {unknown[0]}, but {', '.join(known)}."
        )
    fields = [*learner_named(problem.learner).HyperParameters.model_fields, "members", "seed"]
    if unknown := [str(parameter.name) for parameter in experiment.parameters if parameter.name not in fields]:
        raise UserError(
            f"{path}: spec.parameters, {unknown[0]}: no hyper-parameter of {problem.learner}, which has "
            f"{', '.join(fields)}."
        )
