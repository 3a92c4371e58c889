"""A model folder's words: what those who write one and those who serve one must say alike (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FORMAT = 2
"""``format`` of ``schema.json``."""
MADE_BY = "python -m slipway train --final --out models/current"
COMPILED = "ensemble.onnx"
"""The members as one graph for ONNX Runtime; `slipway register` writes it."""


def out_of_tolerance(answers: np.ndarray, expected: np.ndarray, allowed: Mapping[str, float]) -> bool:
    """Whether an answer is further off than ``absolute`` and ``relative`` of the expected one together."""
    limit = allowed["absolute"] + allowed["relative"] * np.abs(expected)
    return not bool((np.abs(answers - expected) <= limit).all())
