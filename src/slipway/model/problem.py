"""The problem: will this flight out of New York City arrive 15 minutes late or more?

Everything that differs from one team to the next is said here, in schema.py and in features.py (docs/yours.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.model.features import FEATURES
from slipway.model.schema import COLUMNS
from slipway.problem import Binary, ByTime, Monthly, Name, Problem, auc, brier, ece, logloss

if TYPE_CHECKING:
    import pandas as pd

LATE_MINUTES = 15


def late(frame: pd.DataFrame) -> np.ndarray:
    """1 where the flight was late, 0 where not, NaN where it never arrived; float32, shape (rows,)."""
    delay = frame["arr_delay"].to_numpy(dtype=np.float32, na_value=np.nan)
    return np.where(np.isnan(delay), np.float32("nan"), (delay >= LATE_MINUTES).astype(np.float32))


PROBLEM = Problem(
    name=Name("flight", "flights", answer="late"),
    question=f"Will this flight arrive {LATE_MINUTES} minutes late or more?",
    task=Binary(positive=f"{LATE_MINUTES} minutes late or more"),
    answer=late,
    columns=COLUMNS,
    features=FEATURES,
    key=("date", "carrier", "flight", "origin"),
    parts=Monthly("data/flights", "{month}.csv", date="date"),
    split=ByTime(),
    drawn_by="date",  # the flights of a day share its weather and its delays
    metrics=(auc, logloss, brier, ece),
    decides=auc,
    slices=("origin", "carrier"),
)
