"""The sample's problem, as tests of it want it at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipway.learning import describe as describing
from slipway.learning.matrices import load_parts
from slipway.learning.split import Sides, split_rows
from slipway.model.problem import PROBLEM
from slipway.params import Split
from slipway.problem import features
from slipway.problem.features import row_encoder

__all__ = ["NAMES", "PROBLEM", "answer", "describe", "encode", "inputs", "row_encoder", "schema_json", "sides"]

NAMES = PROBLEM.feature_names
ONE_EACH = Split(validation=1, holdout=1)
TOLERANCE = 1e-5
"""What a binary model's golden answers may be off by."""


def schema_json() -> dict[str, Any]:
    """schema.json of a model."""
    return PROBLEM.schema_json() | {"tolerance": {"absolute": TOLERANCE, "relative": 0.0}}


def inputs() -> tuple[Any, ...]:
    """The columns a request must bring."""
    return PROBLEM.inputs


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Checked rows as the model sees them: float32, shape (rows, features)."""
    return features.encode(frame, PROBLEM.schema_json())


def answer(frame: pd.DataFrame) -> np.ndarray:
    """Their answers: float32, shape (rows,)."""
    return PROBLEM.answers(frame)


def describe(frame: pd.DataFrame) -> dict[str, Any]:
    """What `prepare` says of them."""
    return describing.describe(frame, answer(frame))


def sides(folder: Path, validation: float = 1, holdout: float = 1) -> Sides:
    """The prepared rows of a repository, split."""
    return split_rows(load_parts(folder / "data/prepared"), Split(validation=validation, holdout=holdout), PROBLEM)
