"""The split: what is learnt from, what trials are scored on, and what only the end sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slipway.errors import UserError
from slipway.learning.matrices import Rows
from slipway.params import PARAMS_FILE
from slipway.params import Split as Amounts
from slipway.problem import ByTime, Grouped, Problem, Random
from slipway.stretches import in_words

_LARGEST_DRAW = 2**32


@dataclass(frozen=True)
class Sides:
    """The rows by what they are for.

    Attributes:
        train: what trials learn from.
        validation: what trials are scored on.
        past: all before the hold-out, which a candidate for release is trained on.
        holdout: what only the end sees.
        label: the hold-out in words.
    """

    train: Rows
    validation: Rows
    past: Rows
    holdout: Rows
    label: str


def split_rows(rows: Rows, amounts: Amounts, problem: Problem) -> Sides:
    """Split as the problem and params.yaml say.

    Raises:
        UserError: a side would be empty, or params.yaml has a share where parts are counted, or the other way round.
    """
    if isinstance(problem.split, ByTime):
        return _by_time(rows, amounts, problem, problem.split.gap)
    return _drawn(rows, amounts, problem, problem.split)


def as_json(amounts: Amounts, problem: Problem) -> dict[str, Any]:
    """How the rows were split, for metadata.json."""
    return {"kind": type(problem.split).__name__, **vars(problem.split), **amounts.model_dump()}


def _by_time(rows: Rows, amounts: Amounts, problem: Problem, gap: int) -> Sides:
    words = problem.parts.words
    for name, amount in amounts.model_dump().items():
        if amount != int(amount):
            raise UserError(f"{PARAMS_FILE}: split.{name}: expected a number of {words}, not {amount:g}.")
    validation, holdout = int(amounts.validation), int(amounts.holdout)
    needed = validation + holdout + 2 * gap + 1
    parts = rows.parts
    if len(parts) < needed:
        gaps = f" {2 * gap} to leave out between," if gap else ""
        raise UserError(
            f"{problem.parts.folder} has {len(parts)} {words}, and split in {PARAMS_FILE} asks for {validation} to "
            f"validate, {holdout} to hold out,{gaps} and one to train on: add {words}, or lower split."
        )
    held = len(parts) - holdout
    scored = held - gap - validation
    names = [part.name for part in parts[held:]]
    return Sides(
        train=Rows(parts[: scored - gap]),
        validation=Rows(parts[scored : scored + validation]),
        past=Rows(parts[: held - gap]),
        holdout=Rows(parts[held:]),
        label=in_words(names),
    )


def _drawn(rows: Rows, amounts: Amounts, problem: Problem, by: Random | Grouped) -> Sides:
    if amounts.validation + amounts.holdout >= 1:
        raise UserError(
            f"{PARAMS_FILE}: split: validation and holdout are shares of the rows, which must leave some to train on, "
            f"not {amounts.validation:g} and {amounts.holdout:g}."
        )
    border = amounts.holdout + amounts.validation
    sides = {
        "holdout": _chosen(rows, lambda share: share < amounts.holdout),
        "validation": _chosen(rows, lambda share: (share >= amounts.holdout) & (share < border)),
        "train": _chosen(rows, lambda share: share >= border),
    }
    for name, side in sides.items():
        if not side.rows:
            raise UserError(
                f"{problem.parts.folder} has {rows.rows:,} {problem.name.many} with an answer, and {type(by).__name__} "
                f"draws none of them to {name}: add some, or raise split in {PARAMS_FILE}."
            )
    together = f" by {by.column}" if isinstance(by, Grouped) else ""
    label = f"{amounts.holdout:.0%} of {problem.name.many}, drawn{together}"
    return Sides(**sides, past=sides["train"] + sides["validation"], label=label)


def _chosen(rows: Rows, on_this_side: Callable[[np.ndarray], np.ndarray]) -> Rows:
    parts = []
    for part in rows:
        chosen = np.flatnonzero(on_this_side(part.id("draw") / _LARGEST_DRAW))
        if len(chosen):
            parts.append(replace(part, chosen=chosen))
    return Rows(tuple(parts))
