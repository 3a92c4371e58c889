"""Which parameters the next trial gets: Optuna in the place of Katib's suggestion services.

Katib's own services run the same families of algorithms (Optuna, hyperopt and goptuna inside), so a local search is
of the same kind but does not draw the same numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import optuna

from slipway.errors import UserError
from slipway.loop.experiment import Experiment

optuna.logging.set_verbosity(logging.WARNING)


class Suggester(Protocol):
    """Proposes assignments and learns from what came of them."""

    def ask(self) -> tuple[Any, dict[str, str]] | None:
        """The next trial's token and assignments; None when there are no more."""

    def tell(self, token: Any, value: float | None) -> None:
        """The trial's objective; None when it failed."""


def suggester(experiment: Experiment, seed: int) -> Suggester:
    """The suggester for the experiment's algorithm.

    Raises:
        UserError: the algorithm or a distribution has no local counterpart.
    """
    if experiment.algorithm == "grid":
        return _Grid(experiment)
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        "multivariate-tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed),
        "sobol": lambda: optuna.samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=seed),
    }
    if experiment.algorithm not in samplers:
        raise UserError(
            f"{experiment.path}: spec.algorithm.algorithmName is {experiment.algorithm!r}, "
            f"which runs on a cluster only; locally there are grid, {', '.join(samplers)}."
        )
    return _Optuna(experiment, samplers[experiment.algorithm]())


class _Grid:
    def __init__(self, experiment: Experiment) -> None:
        self._points = experiment.grid()

    def ask(self) -> tuple[Any, dict[str, str]] | None:
        point = next(self._points, None)
        return None if point is None else (None, point)

    def tell(self, token: Any, value: float | None) -> None:
        """A grid learns nothing."""


class _Optuna:
    def __init__(self, experiment: Experiment, sampler: optuna.samplers.BaseSampler) -> None:
        import warnings

        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        toward = optuna.study.StudyDirection
        direction = toward.MAXIMIZE if experiment.maximize else toward.MINIMIZE
        self._study = optuna.create_study(sampler=sampler, direction=direction)
        self._space = {str(p.name): _distribution(experiment, p) for p in experiment.parameters}

    def ask(self) -> tuple[Any, dict[str, str]] | None:
        trial = self._study.ask(self._space)
        return trial, {name: f"{v:.10g}" if isinstance(v, float) else str(v) for name, v in trial.params.items()}

    def tell(self, token: Any, value: float | None) -> None:
        state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
        self._study.tell(token, value, state=state)


def _distribution(experiment: Experiment, parameter: Any) -> optuna.distributions.BaseDistribution:
    space = parameter.feasible_space
    if space.distribution not in (None, "", "uniform", "logUniform"):
        raise UserError(
            f"{experiment.path}: spec.parameters, {parameter.name}: distribution {space.distribution!r} "
            "runs on a cluster only; locally there are uniform and logUniform."
        )
    log = space.distribution == "logUniform"
    if parameter.parameter_type == "double":
        step = float(space.step) if space.step and not log else None
        return optuna.distributions.FloatDistribution(float(space.min), float(space.max), log=log, step=step)
    if parameter.parameter_type == "int":
        step = 1 if log else int(space.step or 1)
        return optuna.distributions.IntDistribution(int(space.min), int(space.max), log=log, step=step)
    return optuna.distributions.CategoricalDistribution(space.list)
