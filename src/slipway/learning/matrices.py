"""The prepared matrices: one file a month, read lazily, split by time.

A month is one ``<YYYY-MM>.npy``: float32, shape (rows, features + 1), Fortran order, the answer in the last column.
Column after column compresses well, and a new month adds a file and touches no other: that is what keeps an image's
data layers small (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway.errors import UserError
from slipway.files import read_json
from slipway.learning.provenance import PREPARE, code_sha256
from slipway.model.features import NAMES

if TYPE_CHECKING:
    import xgboost as xgb

PREPARED = Path("data/prepared")
INDEX = "index.json"
MADE_BY = "python -m slipway prepare"


@dataclass(frozen=True)
class Month:
    """One prepared month; nothing is read until asked for."""

    name: str
    path: Path
    rows: int
    days: tuple[int, ...] = ()
    """How many rows each of its days has, in their order; rows of one day stand together."""

    def load(self) -> np.ndarray:
        """The month's matrix, mapped from the file: float32, shape (rows, features + 1)."""
        try:
            matrix: np.ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{self.path} cannot be read ({error}): make it again with `{MADE_BY}`.") from None
        if matrix.shape != (self.rows, len(NAMES) + 1):
            raise UserError(
                f"{self.path} has shape {matrix.shape}, {INDEX} says {(self.rows, len(NAMES) + 1)}: "
                f"make it again with `{MADE_BY}`."
            )
        return matrix


@dataclass(frozen=True)
class Months:
    """Months in order of time."""

    months: tuple[Month, ...]

    @property
    def names(self) -> list[str]:
        """Their names, oldest first."""
        return [month.name for month in self.months]

    @property
    def rows(self) -> int:
        """How many rows they have together."""
        return sum(month.rows for month in self.months)

    def __iter__(self) -> Iterator[Month]:
        return iter(self.months)

    def __add__(self, other: Months) -> Months:
        return Months(self.months + other.months)

    def features(self) -> np.ndarray:
        """All features in memory: float32, shape (rows, features). For a few months, not for the whole past."""
        return np.concatenate([np.ascontiguousarray(month.load()[:, :-1]) for month in self.months])

    def answers(self) -> np.ndarray:
        """All answers: float32, shape (rows,), 0 or 1."""
        return np.concatenate([month.load()[:, -1] for month in self.months])

    def column(self, name: str) -> np.ndarray:
        """One feature of all rows: float32, shape (rows,)."""
        return np.concatenate([month.load()[:, NAMES.index(name)] for month in self.months])

    def days(self) -> np.ndarray:
        """Each row's day, counted from 0 on: int64, shape (rows,). Rows of one day share its weather and its delays."""
        sizes = [size for month in self.months for size in month.days]
        return np.repeat(np.arange(len(sizes)), sizes)

    def quantized(self, max_bin: int, reference: xgb.QuantileDMatrix | None = None) -> xgb.QuantileDMatrix:
        """Binned for boosting, month by month, so that the whole matrix never stands in memory.

        Args:
            max_bin: bins a feature.
            reference: the training matrix, whose bins a validation matrix must share.
        """
        import xgboost as xgb

        class ByMonth(xgb.DataIter):
            def __init__(self, months: tuple[Month, ...]) -> None:
                self.months, self.position = months, 0
                super().__init__()

            def next(self, input_data: object) -> bool:
                if self.position == len(self.months):
                    return False
                matrix = self.months[self.position].load()
                assert callable(input_data)
                input_data(data=np.ascontiguousarray(matrix[:, :-1]), label=matrix[:, -1], feature_names=list(NAMES))
                self.position += 1
                return True

            def reset(self) -> None:
                self.position = 0

        return xgb.QuantileDMatrix(ByMonth(self.months), max_bin=max_bin, ref=reference)


@dataclass(frozen=True)
class Split:
    """The months by time: what is learnt from, what trials are scored on, and what only the end sees."""

    train: Months
    validation: Months
    holdout: Months

    @property
    def past(self) -> Months:
        """Everything before the hold-out: what a candidate for release is trained on."""
        return self.train + self.validation


def load_months(folder: Path = PREPARED) -> Months:
    """The prepared months.

    Raises:
        UserError: nothing is prepared there, or it was prepared by other code than stands here now.
    """
    index = read_json(folder / INDEX, MADE_BY, "features", "code", "months")
    if index["features"] != list(NAMES):
        raise UserError(
            f"{folder} was prepared for other features than src/slipway/model/features.py has: `{MADE_BY}`."
        )
    if index["code"] != code_sha256(PREPARE):
        raise UserError(f"{folder} was prepared by other code than stands here now: `{MADE_BY}`.")
    months = []
    for month in index["months"]:
        name, rows, days = month["month"], month["rows"], tuple(month.get("days", ()))
        if sum(days) != rows:
            raise UserError(f"{folder / INDEX} does not say how many rows of {name} each day has: `{MADE_BY}`.")
        months.append(Month(name, folder / f"{name}.npy", rows, days))
    return Months(tuple(months))


def split(months: Months, validation_months: int, holdout_months: int) -> Split:
    """Split by time: the newest ``holdout_months`` are held out, the ones before them validate, the rest train.

    Raises:
        UserError: there are too few months for that.
    """
    needed = validation_months + holdout_months + 1
    if len(months.months) < needed:
        raise UserError(
            f"data/flights has {len(months.months)} months, and split in params.yaml asks for {validation_months} to "
            f"validate, {holdout_months} to hold out and one to train on: add months, or lower split.*_months."
        )
    holdout = len(months.months) - holdout_months
    validation = holdout - validation_months
    return Split(
        Months(months.months[:validation]),
        Months(months.months[validation:holdout]),
        Months(months.months[holdout:]),
    )
