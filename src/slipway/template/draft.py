"""Drafts a problem from what a data file holds: a guess in every place, and a question where only a person knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.problem import (
    ByTime,
    Column,
    Daily,
    Grouped,
    Metric,
    Monthly,
    Name,
    One,
    Parts,
    Problem,
    Random,
    Regression,
    Split,
    Weekly,
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
from slipway.problem.tasks import TaskKind
from slipway.template.answers import guess
from slipway.template.survey import Found, look, read

if TYPE_CHECKING:
    import pandas as pd

_PATTERNS: tuple[tuple[type[Weekly | Daily | Monthly], str], ...] = (
    (Weekly, r"(?<!\d)\d{4}-W\d\d(?!\d)"),
    (Daily, r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)"),
    (Monthly, r"(?<!\d)\d{4}-\d\d(?!\d)"),
)
_MOST_SLICES = 20
_METRICS: dict[TaskKind, tuple[Metric, ...]] = {
    "binary": (auc, logloss, brier, ece),
    "multiclass": (logloss, accuracy, macro_f1, ece),
    "regression": (rmse, mae, r2),
    "ranking": (ndcg, reciprocal_rank),
}


@dataclass(frozen=True)
class Draft:
    """A problem that loads, and what a person must decide of it.

    Attributes:
        problem: as it will be written.
        source: the file that it was made from.
        found: what each column was found to be, in the file's order, as it is declared in the end.
        asks: what a person must decide, by the key of ``Problem``.
        parts: how many parts there are.
        spread: of a regression, the standard deviation of the answers; else 0.
    """

    problem: Problem
    source: Path
    found: tuple[Found, ...]
    asks: dict[str, tuple[str, ...]]
    parts: int
    spread: float


def draft(path: Path, answer: str | None, task: TaskKind | None, group: str | None) -> Draft:
    """Draft the problem of telling ``answer`` from the other columns of a file and of those beside it.

    Args:
        path: a file; where its name holds a month, a week or a day, those named alike beside it are read, too.
        answer: the column that holds the answer.
        task: what kind of answer it is; None to guess by its values.
        group: of a ranking, the column whose value the rows of one group share.

    Raises:
        UserError: the data cannot be read, or no problem can be made of it.
    """
    frame, kind, pattern, parts = _gathered(path)
    if answer is None or answer not in frame.columns:
        said = (
            f"--answer: {path} has no column {answer!r}" if answer else "--answer COLUMN says what is to be predicted"
        )
        raise UserError(f"{said}; it has {', '.join(map(str, frame.columns))}.")
    if group is not None and (group not in frame.columns or group == answer):
        others = ", ".join(name for name in map(str, frame.columns) if name != answer)
        raise UserError(f"--group: {path} has no other column {group!r}; it has {others}.")
    found = {str(name): look(path, str(name), frame[name]) for name in frame.columns}
    asks: dict[str, tuple[str, ...]] = {}
    wanted, found[answer], asks["task"] = guess(path, found[answer], frame[answer], task, group)
    if group is not None:
        found[group] = replace(found[group], features=(), asks=())
    _note_tell_tales(found, frame, answer)
    date = _date_column(path, kind, found, answer)
    folder = Path("data", _folder(path))
    where: Parts = kind(str(folder), pattern, date=date) if kind else One(str(folder), pattern, date=date)
    split, asks["split"] = _split(path, where, parts, group, found[group].column if group else None)
    metrics = _METRICS[wanted.kind]
    if isinstance(wanted, Regression) and wanted.loss == "poisson":
        metrics = (poisson_deviance, rmse, mae, r2)
    many = folder.name.replace("_", " ").replace("-", " ")
    asks["name"] = ("the words for one row, for many, and for what is answered; reports use them.",)
    columns = tuple(_distinct_names(list(found.values())))
    features = tuple(feature for one in columns for feature in one.features)
    if not features:
        raise UserError(f"{path}: beside {answer} there is no column that could be a feature: add some.")
    problem = Problem(
        name=Name(_one_of(many), many, answer.replace("_", " ")),
        question=f"What is the {answer.replace('_', ' ')} of this {_one_of(many)}?",
        task=wanted,
        answer=answer,
        columns=tuple(one.column for one in columns),
        features=features,
        parts=where,
        split=split,
        metrics=metrics,
        decides=metrics[0],
        key=_key(columns, frame, answer),
        drawn_by=date if kind in (Monthly,) and group is None else "",
        slices=tuple(
            one.column.name for one in columns if one.features and 2 <= len(one.column.categories) <= _MOST_SLICES
        )[:2],
    )
    if problem.drawn_by:
        asks["drawn_by"] = (f"are the rows of one {date} alike for reasons of their own? Else leave it out.",)
    spread = float(frame[answer].astype(float).std()) if isinstance(wanted, Regression) else 0.0
    return Draft(problem, path, columns, asks, parts, spread)


def _gathered(path: Path) -> tuple[pd.DataFrame, type[Weekly | Daily | Monthly] | None, str, int]:
    """All rows of the file and of those that are named alike; what its name says, the pattern, how many files."""
    import pandas as pd

    for kind, expression in _PATTERNS:
        if match := re.search(expression, path.name):
            before, after = path.name[: match.start()], path.name[match.end() :]
            pattern = re.compile(re.escape(before) + expression + re.escape(after))
            paths = sorted(file for file in path.parent.glob("*") if pattern.fullmatch(file.name)) or [path]
            frames = [read(file) for file in paths]
            for file, frame in zip(paths, frames, strict=True):
                if set(frame.columns) != set(frames[0].columns):
                    odd = sorted(map(str, set(frame.columns) ^ set(frames[0].columns)))[0]
                    raise UserError(f"{paths[0]} and {file} do not have the same columns: only one has {odd}.")
            named = f"{before}{{{kind.word}}}{after}"
            return pd.concat(frames, ignore_index=True), kind, named, len(paths)
    return read(path), None, path.name, 1


def _note_tell_tales(found: dict[str, Found], frame: pd.DataFrame, answer: str) -> None:
    """Ask of columns that say the answer by themselves: they may be made after it."""
    rows = frame[frame[answer].notna()]
    for name, one in found.items():
        if name == answer or not one.features or one.distinct > len(rows) / 4:
            continue
        answers = rows.groupby(name)[answer].nunique()
        if len(answers) > 1 and answers.max() == 1:
            ask = f"{name} tells {answer} by itself. If it is known only afterwards: known=False, and no feature."
            found[name] = replace(one, asks=(*one.asks, ask))


def _date_column(path: Path, kind: type[Weekly | Daily | Monthly] | None, found: dict[str, Found], answer: str) -> str:
    dates = [
        name for name, one in found.items() if one.column.kind == "date" and not one.column.nullable and name != answer
    ]
    if kind and not dates:
        raise UserError(
            f"{path} is named after a {kind.word}, and no column holds a day as YYYY-MM-DD in every row: add one, or "
            "name the file otherwise."
        )
    return dates[0] if dates else ""


def _split(
    path: Path, parts: Parts, count: int, group: str | None, column: Column | None
) -> tuple[Split, tuple[str, ...]]:
    if group is not None and column is not None and column.nullable:
        raise UserError(f"--group: column {group} of {path} is empty in some rows, which belong to no group then.")
    if isinstance(parts, One):
        ask = (
            f"rows are drawn, whatever their {parts.date}; a file for each month is split by time."
            if parts.date
            else ""
        )
        if group is not None:
            return Grouped(group), (ask,) if ask else ()
        together = "where several rows are of one customer, patient, …, draw these together: Grouped(column)."
        return Random(), (*([ask] if ask else []), together)
    asks = [f"the newest {parts.words} are held out. Where answers are known late, leave some out: gap=."]
    if count < 3:
        asks.append(f"There are {count} {parts.words}: three are the least, to learn, to validate and to hold out.")
    return ByTime(), tuple(asks)


def _key(columns: Sequence[Found], frame: pd.DataFrame, answer: str) -> tuple[str, ...]:
    for one in columns:
        name = one.column.name
        fits = name != answer and one.column.kind in ("integer", "text") and not one.column.nullable
        if fits and not one.features and one.distinct == len(frame):
            return (name,)
    return ()


def _distinct_names(columns: list[Found]) -> list[Found]:
    """Two columns may differ by a sign only: their features are numbered then."""
    taken: set[str] = set()
    done = []
    for one in columns:
        features = []
        for feature in one.features:
            name, number = feature.name, 2
            while name in taken:
                name, number = f"{feature.name}_{number}", number + 1
            taken.add(name)
            features.append(replace(feature, name=name))
        done.append(replace(one, features=tuple(features)))
    return done


def _folder(path: Path) -> str:
    """The folder under data/: the one it lies in, or one named after it."""
    parent = path.resolve().parent
    if parent.parent.name == "data" and parent.name != "prepared":
        return parent.name
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    for _, expression in _PATTERNS:
        stem = re.sub(expression, "", stem)
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-").lower() or "rows"


def _one_of(many: str) -> str:
    """A guess at the singular."""
    for end, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if many.endswith(end) and not many.endswith("ss"):
            return many.removesuffix(end) + one
    return many
