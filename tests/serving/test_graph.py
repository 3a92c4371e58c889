"""The graph's parts, called as Seldon's wrapper calls them, answer as the fused ensemble does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from slipway.learning.ensemble import load_ensemble
from slipway.problem.features import row_encoder
from slipway.serving.graph import Combiner, Member, Transformer


def over_the_wire(value: Any) -> Any:
    """What is left of an array after JSON as every JSON parser understands it."""
    return np.array(json.loads(json.dumps(value.tolist(), allow_nan=False)))


def test_transformer_members_and_combiner_equal_the_ensemble(folder: Path, rows: Any) -> None:
    ensemble = load_ensemble(folder)
    encode = row_encoder(ensemble.schema)
    expected = ensemble.predict(np.array([encode(row) for row in rows], dtype=np.float32))
    assert any(None in row.values() for row in rows)
    features = over_the_wire(Transformer(str(folder)).transform_input({"rows": rows}, []))
    answers = [over_the_wire(Member(str(folder), i).predict(features, [])) for i in range(len(ensemble.members))]
    combined = over_the_wire(Combiner().aggregate(answers, []))
    assert combined.shape == (len(rows), 1)
    assert np.abs(combined.ravel() - expected).max() <= 1e-6
