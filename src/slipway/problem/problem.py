"""A problem: everything that differs from one team to the next, said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.problem.columns import Column
from slipway.problem.declared import FEATURES_FILE, SCHEMA_FILE, refuse
from slipway.problem.features import Feature, drift_buckets
from slipway.problem.folder import FORMAT
from slipway.problem.metrics import Metric
from slipway.problem.parts import One, Parts
from slipway.problem.splits import ByTime, Grouped, Split
from slipway.problem.tasks import Binary, MultiClass, Ranking, Task

if TYPE_CHECKING:
    import pandas as pd

Answer = str | Callable[["pd.DataFrame"], np.ndarray]
XGBOOST = "slipway.learning.learners.xgboost"


@dataclass(frozen=True)
class Name:
    """The words that reports and pages use: one row, many rows, and what is answered.

    ``Name("visit", "visits", "bought")``: 2,300 visits, 23 % bought. ``Name("house", "houses", "price")``.
    """

    one: str
    many: str
    answer: str


@dataclass(frozen=True)
class Problem:
    """What is learnt, from what, and how it is judged. The rest of the loop reads this and assumes nothing else.

    Args:
        name: the words for it.
        task: what kind of answer is predicted.
        answer: the column that holds it, or a pure function from checked rows to answers, float of shape (rows,). NaN
            is not known (yet): such a row is described, and never learnt from or scored.
        columns: what the data holds.
        features: what the model sees.
        parts: how the data lies in files.
        split: what is held out.
        metrics: what is measured, in the order it is shown.
        decides: the one of them that search, report and gate decide by.
        key: the columns in which no two rows agree; empty where two rows may be the same.
        drawn_by: the column whose value says which rows belong together, where rows that share it are alike for reasons
            of their own: a day, a customer. The gate's bootstrap draws these. "" for rows (or a ranking's groups).
        slices: the columns of which each category is looked at by itself.
        known_after: how many days after its date a row's answer is known. Rows whose answer cannot be known yet must
            have none: a "no" that only means "not yet" would teach a model to say no.
        learner: the module that learns; see docs/model.md.
        question: what is asked, as a sentence.

    Raises:
        UserError: something in it is not possible; names the key and what is allowed.
    """

    name: Name
    task: Task
    answer: Answer
    columns: tuple[Column, ...]
    features: tuple[Feature, ...]
    parts: Parts
    split: Split
    metrics: tuple[Metric, ...]
    decides: Metric
    key: tuple[str, ...] = ()
    drawn_by: str = ""
    slices: tuple[str, ...] = ()
    known_after: int = 0
    learner: str = XGBOOST
    question: str = ""

    def __post_init__(self) -> None:
        self._check_columns()
        self._check_features()
        self._check_metrics()
        self._check_answer()
        self._check_rows()

    @cached_property
    def column(self) -> dict[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns a request must bring: those that some feature is made from."""
        sources = {feature.source for feature in self.features}
        return tuple(column for column in self.columns if column.name in sources)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The features' names in their order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def metric(self) -> dict[str, Metric]:
        """The metrics by name, in the order they are shown."""
        return {metric.name: metric for metric in self.metrics}

    def answers(self, frame: pd.DataFrame) -> np.ndarray:
        """The answers of checked rows: float32, shape (rows,), NaN where it is not known.

        Raises:
            UserError: the answer's function returns something else.
        """
        if not isinstance(self.answer, str):
            found = np.asarray(self.answer(frame), dtype=np.float32)
            if found.shape != (len(frame),):
                raise refuse(
                    "answer", f"returned shape {found.shape}, expected one number for each of {len(frame)} rows"
                )
            return found
        values = frame[self.answer]
        if self.column[self.answer].kind != "category":
            numbers: np.ndarray = values.to_numpy(dtype=np.float32, na_value=np.nan)
            return numbers
        order = self.task.classes if isinstance(self.task, MultiClass) else None
        if isinstance(self.task, Binary):
            meant = (values.astype(object) == self.task.value).to_numpy(dtype=np.float32)
            return np.where(values.isna(), np.float32("nan"), meant)
        assert order
        position = {name: place for place, name in enumerate(order)}
        placed: np.ndarray = values.astype(object).map(position).to_numpy(dtype=np.float32)
        return placed

    def schema_json(self) -> dict[str, Any]:
        """What of ``schema.json`` does not depend on the training data: docs/architecture.md says what each key is."""
        first: dict[str, tuple[int, Feature]] = {}
        for position, feature in enumerate(self.features):
            first.setdefault(feature.source, (position, feature))
        return {
            "format": FORMAT,
            "name": {"one": self.name.one, "many": self.name.many, "answer": self.name.answer},
            "question": self.question,
            "task": self.task.as_json(),
            "output": {"name": self.task.output.name, "key": self.task.output.key, "width": self.task.output.width},
            "columns": [
                column.as_json()
                | {"drift": {"feature": first[column.name][0], **drift_buckets(first[column.name][1], column)}}
                for column in self.inputs
            ],
            "features": [feature.as_json() for feature in self.features],
        }

    def _check_columns(self) -> None:
        if twice := [name for name, count in Counter(column.name for column in self.columns).items() if count > 1]:
            raise refuse(f"column {twice[0]}", "stands there twice", SCHEMA_FILE)
        if not self.columns:
            raise refuse("columns", "there is none", SCHEMA_FILE)

    def _check_features(self) -> None:
        if not self.features:
            raise refuse("features", "there is none: name what the model is to see", FEATURES_FILE)
        if twice := [name for name, count in Counter(f.name for f in self.features).items() if count > 1]:
            raise refuse(f"feature {twice[0]}", "stands there twice", FEATURES_FILE)
        sources = set()
        for feature in self.features:
            if feature.source not in self.column:
                raise refuse(
                    f"feature {feature.name}", f"there is no column {feature.source!r} in {SCHEMA_FILE}", FEATURES_FILE
                )
            feature.check(self.column[feature.source])
            if feature.encoding == "token" and feature.source not in sources:
                raise refuse(
                    f"feature {feature.name}",
                    f"`words` or `length` of {feature.source} must stand before its tokens: drift is counted by it",
                    FEATURES_FILE,
                )
            sources.add(feature.source)

    def _check_metrics(self) -> None:
        for metric in (*self.metrics, self.decides):
            if self.task.kind not in metric.tasks:
                raise refuse(
                    "metrics",
                    f"{metric.name} is a metric of {' and '.join(metric.tasks)}, and the task is {self.task.kind}",
                )
        if self.decides.name not in self.metric:
            raise refuse("decides", f"{self.decides.name} is not among the metrics, {', '.join(self.metric)}")
        if len(self.metric) != len(self.metrics):
            raise refuse("metrics", "each stands once")

    def _check_answer(self) -> None:
        if not isinstance(self.answer, str):
            return
        column = self._declared("answer", self.answer)
        if any(feature.source == self.answer for feature in self.features):
            raise refuse("answer", f"column {self.answer} is a feature as well: the answer would be known")
        if isinstance(self.task, MultiClass):
            fits = set(column.categories) <= set(self.task.classes)
            if column.kind == "category" and (column.other or column.hashed or not fits):
                raise refuse("answer", f"the categories of column {self.answer} are not the task's classes")
        elif column.kind == "category" and not (isinstance(self.task, Binary) and self.task.value in column.categories):
            raise refuse(
                "answer", f"column {self.answer} is a category: Binary(…, value=) says which of its categories means 1"
            )
        if column.kind in ("date", "text", "clock"):
            raise refuse("answer", f"column {self.answer} holds a {column.kind}: make a number of it with a function")

    def _check_rows(self) -> None:
        for column in self.key:
            if self._declared("key", column).nullable:
                raise refuse("key", f"column {column} may be empty, so it tells no rows apart")
        for column in self.slices:
            if self._declared("slices", column).kind != "category" or not any(c.name == column for c in self.inputs):
                raise refuse("slices", f"{column} is no category that a feature is made from")
        if self.parts.date and self._declared("parts", self.parts.date).kind != "date":
            raise refuse("parts", f"column {self.parts.date} is no date")
        if self.parts.date and self.column[self.parts.date].nullable:
            raise refuse("parts", f"column {self.parts.date} may be empty, so its rows belong to no part")
        for key, column in self._together():
            if self._declared(key, column).nullable:
                raise refuse(key, f"column {column} may be empty, so its rows belong to no group")
        if isinstance(self.split, ByTime) and isinstance(self.parts, One):
            raise refuse("split", "ByTime needs Monthly, Weekly or Daily parts; one file is split by Random or Grouped")
        if isinstance(self.task, Ranking) and not isinstance(self.split, ByTime):
            by = self.split.column if isinstance(self.split, Grouped) else ""
            if by != self.task.group:
                raise refuse("split", f"a ranking's groups stay whole: Grouped({self.task.group!r})")
        if self.known_after < 0 or (self.known_after and not self.parts.date):
            raise refuse("known_after", "is a number of days after the date that parts names")

    def _together(self) -> list[tuple[str, str]]:
        """(key, column) of what says which rows belong together."""
        found = [("drawn_by", self.drawn_by)] if self.drawn_by else []
        if isinstance(self.split, Grouped):
            found.append(("split", self.split.column))
        if isinstance(self.task, Ranking):
            found.append(("task", self.task.group))
        return found

    def _declared(self, key: str, name: str) -> Column:
        if name not in self.column:
            raise refuse(key, f"there is no column {name!r} in {SCHEMA_FILE}")
        return self.column[name]
