"""What learns: one module with one small interface. XGBoost is one; another is a file, here or in your model folder.

A learner is a module with what :class:`Learner` lists. `problem.py` names it. Its ``HyperParameters`` are declared
there once: they are the keys of ``train`` in params.yaml, the flags of `slipway train` and the parameters of an
experiment.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ValidationError

from slipway.errors import UserError
from slipway.params import PARAMS_FILE, Params, Train, load_params
from slipway.problem import Problem, Task
from slipway.problem.declared import refuse

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from slipway.learning.matrices import Rows

Report = Callable[["np.ndarray"], None]
"""Takes the answers to the validation rows as they are so far."""


class Learner(Protocol):
    """The interface, which a module fills with its names."""

    HyperParameters: type[BaseModel]
    """What a search may turn: each with its type and what it may be; unknown ones are refused."""
    SUFFIX: str
    """How a member's file ends: ``.bst``."""

    def library(self) -> str:
        """What reads the members, with its version: ``xgboost 3.2.0``."""

    def fit(
        self,
        problem: Problem,
        learn: Rows,
        validation: Rows | None,
        recipes: Sequence[tuple[Any, int]],
        report: tuple[int, Report] | None,
    ) -> Iterator[tuple[Any, np.ndarray | None]]:
        """Learn one member for each recipe, a pair of ``HyperParameters`` and a seed.

        ``report`` is to be called with the validation's answers every so many rounds, where there are rounds. Yields
        each member with its answers to the validation rows, None without any. Never looks at the validation to learn.
        """

    def predict(self, member: Any, features: np.ndarray) -> np.ndarray:
        """A member's answers to float32 of shape (rows, features), in the task's output's shape."""

    def importance(self, member: Any, names: Sequence[str]) -> np.ndarray:
        """What each feature brought, 0 or more in any unit: shape (features,)."""

    def save(self, member: Any) -> bytes:
        """A member as a file's content, the same for the same member."""

    def load(self, content: bytes) -> Any:
        """The member again. Raises ValueError with the reason where the library cannot read it."""

    def compile(self, members: Sequence[Any], task: Task, features: int) -> onnx.ModelProto:
        """The mean of the members' answers as one graph: see :mod:`slipway.learning.learners.onnx_graph`.

        Raises ValueError with the reason where a member is of a kind that is not converted.
        """

    def probes(self, members: Sequence[Any], features: int, rows: int) -> np.ndarray:
        """Rows on which a wrong conversion would show, always the same: float32, shape (rows, features)."""


_NEEDED = ("HyperParameters", "SUFFIX", "library", "fit", "predict", "importance", "save", "load", "compile", "probes")


@cache
def learner_named(module: str) -> Any:
    """The learner that a problem or a model folder names by its module.

    Raises:
        UserError: there is no such module, or it lacks something.
    """
    if not module.startswith("slipway."):
        raise refuse("learner", f"{module!r} is no module of this repository, as slipway.learning.learners.xgboost")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise refuse("learner", f"{module!r} cannot be imported ({error})") from None
    if lacking := [name for name in _NEEDED if not hasattr(found, name)]:
        raise refuse("learner", f"{module} has no {lacking[0]}, which slipway.learning.learners.learner asks for")
    return found


def settings(problem: Problem, path: Path = PARAMS_FILE) -> Params:
    """params.yaml, checked against the problem: its learner's hyper-parameters, its metrics.

    Raises:
        UserError: a key is unknown, missing or out of range.
    """
    params = load_params(path)
    recipe(problem, params.train, path=path)
    for key in ("floors", "ceilings"):
        for name in getattr(params.gate, key):
            if name not in problem.metric:
                raise UserError(
                    f"{path}: gate.{key}.{name}: no metric of the problem; it has {', '.join(problem.metric)}."
                )
    return params


def recipe(
    problem: Problem,
    train: Train,
    values: dict[str, Any] | None = None,
    where: str = "",
    path: Path = PARAMS_FILE,
) -> Any:
    """The learner's hyper-parameters of params.yaml, with ``values`` in their place.

    Args:
        problem: which learner.
        train: of params.yaml.
        values: what overrides it; text is read as the number it is.
        where: what to say before the name of one of ``values`` that is wrong.
        path: params.yaml.

    Raises:
        UserError: one is unknown, missing or out of range.
    """
    kind = learner_named(problem.learner).HyperParameters
    try:
        checked = kind.model_validate(train.hyper_parameters(), strict=True)
    except ValidationError as error:
        faults = "; ".join(f"train.{fault['loc'][0]}: {_said(fault, kind)}" for fault in error.errors())
        raise UserError(f"{path}: {faults}.") from None
    if not values:
        return checked
    try:
        return kind.model_validate(checked.model_dump() | values)
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(f"{where}{fault['loc'][0]}: {_said(fault, kind)}.") from None


def _said(fault: Any, kind: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"no hyper-parameter of the learner, which has {', '.join(kind.model_fields)}"
    if fault["type"] == "missing":
        return "is missing; add it"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"
