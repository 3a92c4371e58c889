"""What is predicted: the kinds of tasks, what an answer may be in each, and what comes out of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from slipway.problem.declared import refuse

TaskKind = Literal["binary", "multiclass", "regression", "ranking"]
Loss = Literal["squared", "absolute", "poisson", "gamma"]
MOST_RELEVANT = 31
"""The highest grade of relevance that gains of 2^grade − 1 allow, here as in XGBoost."""
MOST_CLASSES = 1000


@dataclass(frozen=True)
class Output:
    """What a model answers with.

    Attributes:
        name: of the tensor, in ``ensemble.onnx`` and in the Open Inference Protocol.
        key: of the list in the answer to ``/predict``.
        width: how many numbers a row has; 0 where a row is one number: then the shape is (rows,), else (rows, width).
    """

    name: str
    key: str
    width: int = 0

    def shape(self, rows: int) -> tuple[int, ...]:
        """The shape of the answers to ``rows`` rows, which are float32."""
        return (rows, self.width) if self.width else (rows,)


@dataclass(frozen=True)
class Binary:
    """Yes or no; the answers are 0 and 1, and a model gives the probability of 1.

    Args:
        positive: what 1 means, in words.
        value: which category is 1, where the answer is a column of the kind category.
    """

    positive: str
    value: str = ""
    kind: ClassVar[TaskKind] = "binary"
    output: ClassVar[Output] = Output("probability", "probabilities")

    def fault(self, answers: np.ndarray) -> str | None:
        """What is wrong with the known answers, float32 of shape (rows,); None when nothing is."""
        strange = answers[(answers != 0) & (answers != 1)]
        return f"found {strange[0]:g}, and a binary answer is 0, 1 or nothing" if len(strange) else None

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``schema.json``."""
        return {"kind": self.kind, "positive": self.positive}


@dataclass(frozen=True)
class MultiClass:
    """One of several classes; the answers are positions in ``classes``, and a model gives each one's probability."""

    classes: tuple[str, ...]
    kind: ClassVar[TaskKind] = "multiclass"

    def __post_init__(self) -> None:
        if not 3 <= len(self.classes) <= MOST_CLASSES or len(set(self.classes)) != len(self.classes):
            raise refuse("task", f"MultiClass has {len(self.classes)} classes, expected 3 to {MOST_CLASSES}, each once")

    @property
    def output(self) -> Output:
        """A probability for each class."""
        return Output("probability", "probabilities", len(self.classes))

    def fault(self, answers: np.ndarray) -> str | None:
        """What is wrong with the known answers; None when nothing is."""
        strange = answers[(answers < 0) | (answers >= len(self.classes)) | (answers != np.floor(answers))]
        most = len(self.classes) - 1
        return f"found {strange[0]:g}, and an answer is the position of a class, 0 to {most}" if len(strange) else None

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``schema.json``."""
        return {"kind": self.kind, "classes": list(self.classes)}


@dataclass(frozen=True)
class Regression:
    """A number.

    Args:
        unit: for people.
        loss: what is minimised. ``squared`` aims at the mean and ``absolute`` at the median of any numbers; ``poisson``
            is for counts (0 or more), ``gamma`` for amounts above 0; both of these aim at the mean by its logarithm.
        drift: the borders of the buckets that answers are counted in, ascending; left out, those of the answer's
            column.
    """

    unit: str = ""
    loss: Loss = "squared"
    drift: tuple[float, ...] = ()
    kind: ClassVar[TaskKind] = "regression"
    output: ClassVar[Output] = Output("prediction", "predictions")

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise refuse("task", f"Regression has loss {self.loss!r}, expected one of {', '.join(get_args(Loss))}")

    @property
    def logarithmic(self) -> bool:
        """Whether what is boosted is the answer's logarithm."""
        return self.loss in ("poisson", "gamma")

    def fault(self, answers: np.ndarray) -> str | None:
        """What is wrong with the known answers; None when nothing is."""
        if len(endless := answers[np.isinf(answers)]):
            return f"found {endless[0]:g}, and an answer is a finite number or nothing"
        if self.loss == "poisson" and len(below := answers[answers < 0]):
            return f"found {below[0]:g}, and a count is 0 or more (loss poisson)"
        if self.loss == "gamma" and len(below := answers[answers <= 0]):
            return f"found {below[0]:g}, and an amount is above 0 (loss gamma)"
        return None

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``schema.json``."""
        return {"kind": self.kind, "unit": self.unit}


@dataclass(frozen=True)
class Ranking:
    """The best first within a group, such as a query; the answers are grades of relevance, and a model gives scores.

    Args:
        group: the column whose value the rows of one group share. Rows of a group lie in one part.
    """

    group: str
    kind: ClassVar[TaskKind] = "ranking"
    output: ClassVar[Output] = Output("score", "scores")

    def fault(self, answers: np.ndarray) -> str | None:
        """What is wrong with the known answers; None when nothing is."""
        strange = answers[(answers < 0) | (answers > MOST_RELEVANT) | (answers != np.floor(answers))]
        if len(strange):
            return f"found {strange[0]:g}, and a grade of relevance is a whole number from 0 to {MOST_RELEVANT}"
        return None

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``schema.json``."""
        return {"kind": self.kind, "group": self.group}


Task = Binary | MultiClass | Regression | Ranking
