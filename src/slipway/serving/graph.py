"""The ensemble as a graph of Seldon components, for those who want its parts: transformer → members → combiner.

Each class runs under Seldon's own Python wrapper (`seldon-core-microservice slipway.serving.graph.Member …`) in an
environment of its own: seldon-core 1.18.2 needs a protobuf that nothing else here can live with. The protocol is
`seldon`, since a combiner does not work with v2. The members are XGBoost's. The fused server answers the same, many
times faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from slipway.files import read_json
from slipway.problem.folder import MADE_BY
from slipway.serving.requests import Refusal, RequestReader

MISSING = float(np.finfo(np.float32).min)
"""Stands for a missing value between the components: JSON has no NaN. No column's value is as low."""


class Transformer:
    """Raw rows to features: TRANSFORMER, from ``jsonData`` {"rows": […]} to an ndarray (rows, features).

    Args:
        folder: the model folder.
    """

    def __init__(self, folder: str) -> None:
        self._reader = RequestReader(read_json(Path(folder) / "schema.json", MADE_BY))

    def transform_input(self, body: Any, names: Any, meta: Any = None) -> Any:
        """The wrapper's entry: the features, with ``MISSING`` for NaN.

        Raises:
            SeldonMicroserviceException: the request is wrong; 400 with the same sentence as the fused server's.
        """
        try:
            features = self._reader.rows(body)
        except Refusal as refusal:
            from seldon_core.flask_utils import SeldonMicroserviceException

            raise SeldonMicroserviceException(
                refusal.sentence, status_code=refusal.status, reason="MICROSERVICE_BAD_DATA"
            ) from None
        return np.nan_to_num(features, nan=MISSING)


class Member:
    """One member: MODEL, from features (rows, features) to answers, one number a row or one for each class.

    Args:
        folder: the model folder.
        member: its number.
    """

    def __init__(self, folder: str, member: int) -> None:
        import xgboost

        data = (Path(folder) / "members" / f"{member}.bst").read_bytes()
        self._booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(data))

    def predict(self, features: Any, names: Any, meta: Any = None) -> Any:
        """The wrapper's entry: shape (rows, 1) or (rows, classes)."""
        matrix = np.asarray(features, dtype=np.float32)
        return self._booster.inplace_predict(matrix, missing=MISSING).reshape(len(matrix), -1)


class Combiner:
    """The mean: COMBINER, from the members' answers, which are of one shape, to one of that shape."""

    def aggregate(self, answers: Any, names: Any, meta: Any = None) -> Any:
        """The wrapper's entry."""
        return np.mean([np.asarray(one, dtype=np.float64) for one in answers], axis=0)
