"""Guesses what kind of answer a column holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.problem import Binary, Column, MultiClass, Ranking, Regression, Task
from slipway.problem.tasks import MOST_RELEVANT, TaskKind
from slipway.template.survey import Found

if TYPE_CHECKING:
    import pandas as pd

_YES = {"yes", "y", "true", "t", "1", "1.0", "positive", "pos"}
_NO = {"no", "n", "false", "f", "0", "0.0", "negative", "neg"}
_MOST_CODES = 10
_MOST_CLASSES = 50
_COUNTED = 100


def guess(
    path: Path, found: Found, values: pd.Series, asked: TaskKind | None, group: str | None
) -> tuple[Task, Found, tuple[str, ...]]:
    """The task, the answer's column as the task needs it, and what a person must decide.

    Args:
        path: of the data, for what is said of it.
        found: the answer's column as it was found.
        values: all its values, as text.
        asked: the task that is asked for, None to guess.
        group: of a ranking, its column.

    Raises:
        UserError: the values are no answers to such a task.
    """
    column = found.column
    known = values.dropna()
    distinct = sorted(known.unique(), key=_number_or_text)
    numeric = column.kind in ("integer", "number", "clock")
    if len(distinct) < 2:
        raise UserError(f"{path}: column {column.name} is {distinct[0]!r} in every row: there is nothing to learn.")
    if group is not None and asked not in (None, "ranking"):
        raise UserError(f"--group is of a ranking, and --task says {asked}: leave one of them out.")
    kind = asked or ("ranking" if group is not None else _guess(path, found, distinct, numeric))
    if kind == "ranking":
        return _ranking(path, found, distinct, group)
    if kind == "regression":
        if not numeric:
            raise UserError(f"--task regression: column {column.name} of {path} holds no numbers, as {distinct[0]!r}.")
        return _regression(found, known)
    if kind == "binary":
        if len(distinct) != 2:
            raise UserError(f"--task binary: column {column.name} of {path} has {len(distinct)} values, not 2.")
        return _binary(found, known, distinct)
    if len(distinct) < 3:
        raise UserError(f"--task multiclass: column {column.name} of {path} has only 2 different values: it is binary.")
    rarest = known.value_counts().idxmin()
    asks = [f"the classes; the rarest, {rarest!r}, has {(known == rarest).sum()} rows."]
    if numeric and asked is None:
        asks.append(f"Where they are amounts and no codes, `--task regression` is meant ({column.name}).")
    classes = Column(column.name, "category", known=False, nullable=column.nullable, categories=tuple(distinct))
    return MultiClass(tuple(distinct)), _answering(found, classes), tuple(asks)


def _number_or_text(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _guess(path: Path, found: Found, distinct: Sequence[str], numeric: bool) -> TaskKind:
    if len(distinct) == 2:
        return "binary"
    if numeric:
        return "multiclass" if found.column.kind == "integer" and len(distinct) <= _MOST_CODES else "regression"
    if len(distinct) <= _MOST_CLASSES and found.column.kind in ("category", "text"):
        return "multiclass"
    raise UserError(
        f"{path}: column {found.column.name} holds {len(distinct)} different values that are no numbers, as "
        f"{distinct[0]!r}: an answer is one of at most {_MOST_CLASSES} classes, or a number."
    )


def _binary(found: Found, known: pd.Series, distinct: Sequence[str]) -> tuple[Task, Found, tuple[str, ...]]:
    column = found.column
    said = {value.strip().lower(): value for value in distinct}
    if positive := next((said[word] for word in said if word in _YES), ""):
        asks: tuple[str, ...] = ()
    elif no := next((said[word] for word in said if word in _NO), ""):
        positive, asks = next(value for value in distinct if value != no), ()
    else:
        positive = str(known.value_counts().idxmin())
        asks = (f"does 1 mean {positive!r}? It is the rarer one.",)
    if set(distinct) == {"0", "1"}:
        task = Binary(column.name.replace("_", " "))
        answer = replace(column, kind="integer", known=False, minimum=0, maximum=1, drift=())
        return task, _answering(found, answer), ("what does 1 mean, in words?",)
    answer = Column(column.name, "category", known=False, nullable=column.nullable, categories=tuple(distinct))
    return Binary(positive, value=positive), _answering(found, answer), asks


def _regression(found: Found, known: pd.Series) -> tuple[Task, Found, tuple[str, ...]]:
    amounts = known.astype(float)
    column = replace(found.column, known=False)
    if column.kind == "clock":
        column = Column(column.name, "integer", known=False, nullable=column.nullable, minimum=0, maximum=2400)
    counts = column.kind == "integer" and amounts.min() >= 0 and amounts.mean() < _COUNTED
    asks = ["the unit, for people."]
    if counts:
        asks.append("is it a count? Else loss='squared', and rmse decides.")
    elif amounts.min() > 0 and amounts.max() > 20 * amounts.median():
        asks.append("A few are far above the rest: loss='gamma' aims at the mean, loss='absolute' at the median.")
    return Regression(loss="poisson" if counts else "squared"), _answering(found, column), tuple(asks)


def _ranking(
    path: Path, found: Found, distinct: Sequence[str], group: str | None
) -> tuple[Task, Found, tuple[str, ...]]:
    column = found.column
    if group is None:
        raise UserError("--task ranking: give --group COLUMN, whose value the rows of one group share.")
    grades = [value for value in distinct if value.isdigit() and int(value) <= MOST_RELEVANT]
    if strange := [value for value in distinct if value not in grades]:
        raise UserError(
            f"{path}: column {column.name} holds {strange[0]!r}: a ranking's answers are grades of relevance, whole "
            f"numbers from 0 to {MOST_RELEVANT}."
        )
    graded = Column(
        column.name, "integer", known=False, nullable=column.nullable, minimum=0, maximum=max(map(int, grades))
    )
    return Ranking(group), _answering(found, graded), ()


def _answering(found: Found, column: Column) -> Found:
    return replace(found, column=replace(column, drift=()), features=(), asks=(), drift_range=None)
