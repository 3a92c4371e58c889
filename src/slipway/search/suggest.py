"""Which parameters the next trial gets: Optuna in the place of Katib's suggestion services.

Katib's own services run the same families of algorithms (Optuna, hyperopt and goptuna inside), so a local search is
of the same kind but does not draw the same numbers.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any, Protocol

import optuna

from slipway.errors import UserError
from slipway.search.experiment import Experiment
from slipway.search.observation import finite_number

optuna.logging.set_verbosity(logging.ERROR)

_SEED = "random_state"
_SETTINGS: dict[str, dict[str, str]] = {
    "grid": {},
    "random": {},
    "tpe": {"n_EI_candidates": "n_ei_candidates", "prior_weight": "prior_weight"},
    "multivariate-tpe": {"n_startup_trials": "n_startup_trials", "n_ei_candidates": "n_ei_candidates"},
    "cmaes": {"sigma": "sigma0"},
    "sobol": {},
}
"""Of each algorithm: Katib's settings and Optuna's names for them, beside random_state."""


class Suggester(Protocol):
    """Proposes assignments and learns from what came of them."""

    def ask(self) -> tuple[Any, dict[str, str]] | None:
        """The next trial's token and assignments; None when there are no more."""

    def tell(self, token: Any, value: float | None) -> None:
        """The trial's objective; None when it failed."""


def suggester(experiment: Experiment, seed: int | None) -> Suggester:
    """The suggester for the experiment's algorithm.

    Args:
        experiment: what is searched.
        seed: of the proposals; None for the experiment's own random_state, or 0 where it has none.

    Raises:
        UserError: the algorithm, one of its settings or a distribution has no local counterpart.
    """
    if experiment.algorithm not in _SETTINGS:
        raise UserError(
            f"{experiment.path}: spec.algorithm.algorithmName is {experiment.algorithm!r}, "
            f"which runs on a cluster only; locally there are {', '.join(_SETTINGS)}."
        )
    settings = _settings(experiment)
    own_seed = int(settings.pop("seed", 0))
    seed = own_seed if seed is None else seed
    if experiment.algorithm == "grid":
        return _Grid(experiment)
    if (
        experiment.algorithm == "cmaes"
        and sum(p.parameter_type in ("double", "int") for p in experiment.parameters) < 2
    ):
        raise UserError(f"{experiment.path}: cmaes needs two double or int parameters at least, in Katib as well.")
    options: dict[str, Any] = {name: int(v) if name.startswith("n_") else v for name, v in settings.items()}
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, **options),
        "multivariate-tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, **options),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False, **options),
        "sobol": lambda: optuna.samplers.QMCSampler(
            qmc_type="sobol", scramble=True, seed=seed, warn_independent_sampling=False
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _Optuna(experiment, samplers[experiment.algorithm]())


def _settings(experiment: Experiment) -> dict[str, float]:
    """The algorithm's settings by Optuna's names."""
    known = _SETTINGS[experiment.algorithm]
    found = {}
    for name, text in experiment.settings.items():
        where = f"{experiment.path}: spec.algorithm.algorithmSettings, {name}"
        if name == "restart_strategy" and experiment.algorithm == "cmaes" and text.lower() == "none":
            continue
        if name != _SEED and name not in known:
            here = ", ".join([_SEED, *known])
            raise UserError(f"{where}: {experiment.algorithm} has no such setting here; it has {here}.")
        value = finite_number(text)
        if value is None or value < 0 or (known.get(name, "n_").startswith("n_") and not value.is_integer()):
            raise UserError(f"{where} is {text!r}, expected a number, not below 0.")
        found[known.get(name, "seed")] = value
    return found


_MOST_VALUES = 10_000
"""Of one parameter in a grid."""


class _Grid:
    def __init__(self, experiment: Experiment) -> None:
        names = [str(parameter.name) for parameter in experiment.parameters]
        axes = [_grid_values(experiment, parameter) for parameter in experiment.parameters]
        points, most = prod(map(len, axes)), experiment.spec.max_trial_count
        if most is not None and most > points:
            raise UserError(
                f"{experiment.path}: spec.maxTrialCount is {most}, but the grid has {points} points: lower it, "
                "as Katib refuses more trials than points."
            )
        self._points = (dict(zip(names, values, strict=True)) for values in product(*axes))

    def ask(self) -> tuple[Any, dict[str, str]] | None:
        point = next(self._points, None)
        return None if point is None else (None, point)

    def tell(self, token: Any, value: float | None) -> None:
        """A grid learns nothing."""


def _grid_values(experiment: Experiment, parameter: Any) -> list[str]:
    space = parameter.feasible_space
    if space.list:
        return list(space.list)
    where = f"{experiment.path}: spec.parameters, {parameter.name}"
    whole = parameter.parameter_type == "int"
    if not space.step and not whole:
        raise UserError(f"{where}: a grid needs feasibleSpace.step.")
    low, high, step = float(space.min), float(space.max), float(space.step or 1)
    values = (high - low) / step + 1e-9 + 1
    if values > _MOST_VALUES:  # asked before any is made: of step 1e-9 there would be no end
        raise UserError(
            f"{where}: step {space.step or 1} makes {values:.3g} values of a grid, which takes {_MOST_VALUES:,} at "
            "most: give a larger feasibleSpace.step."
        )
    if whole:
        return [str(value) for value in range(int(space.min), int(space.max) + 1, int(space.step or 1))]
    return [_text(low + step * position) for position in range(int(values))]


class _Optuna:
    def __init__(self, experiment: Experiment, sampler: optuna.samplers.BaseSampler) -> None:
        toward = optuna.study.StudyDirection
        direction = toward.MAXIMIZE if experiment.maximize else toward.MINIMIZE
        self._space = {str(p.name): _distribution(experiment, p) for p in experiment.parameters}
        self._study = optuna.create_study(sampler=sampler, direction=direction)

    def ask(self) -> tuple[Any, dict[str, str]] | None:
        trial = self._study.ask(self._space)
        return trial, {name: _text(v) if isinstance(v, float) else str(v) for name, v in trial.params.items()}

    def tell(self, token: Any, value: float | None) -> None:
        state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
        self._study.tell(token, value, state=state)


def _text(value: float) -> str:
    return f"{value:.10g}"


def _distribution(experiment: Experiment, parameter: Any) -> optuna.distributions.BaseDistribution:
    space, where = parameter.feasible_space, f"{experiment.path}: spec.parameters, {parameter.name}"
    if space.list:
        return optuna.distributions.CategoricalDistribution(space.list)
    if space.distribution not in (None, "", "uniform", "logUniform"):
        raise UserError(
            f"{where}: distribution {space.distribution!r} runs on a cluster only; "
            "locally there are uniform and logUniform."
        )
    log = space.distribution == "logUniform"
    if parameter.parameter_type == "double":
        if log and space.step:
            raise UserError(f"{where}: logUniform with a step runs on a cluster only; leave the step out.")
        low, high, float_step = float(space.min), float(space.max), float(space.step) if space.step else None
        if float_step:
            high = low + int((high - low) / float_step + 1e-9) * float_step
        return optuna.distributions.FloatDistribution(low, high, log=log, step=float_step)
    step = int(space.step or 1)
    if log and step != 1:
        raise UserError(f"{where}: logUniform with a step runs on a cluster only; leave the step out.")
    least, most = int(space.min), int(space.max)
    return optuna.distributions.IntDistribution(least, least + (most - least) // step * step, log=log, step=step)
