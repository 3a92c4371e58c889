"""Compile the members into ``ensemble.onnx``: the same answers, one call.

XGBoost answers one row through a path made for matrices; ONNX Runtime walks the same trees in a fraction of the time
and needs no thread pool for it (figures: docs/serving.md). The learner converts; here it is proven.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slipway.errors import UserError
from slipway.learning.ensemble import Ensemble, load_ensemble
from slipway.problem.folder import COMPILED, out_of_tolerance

STRICTER = 10
"""By how much a compiled ensemble must be nearer to its members than a golden answer to its own."""
PROBE_ROWS = 4096


def compile_ensemble(folder: Path) -> None:
    """Write ``ensemble.onnx`` into a model folder, after proving that it answers as the members do.

    The proof: 4,096 rows on which a wrong conversion would show, such as ones whose every value stands on a split's
    threshold, one float below it, or is missing. The largest difference is stored in the file (metadata
    ``max_difference``).

    Raises:
        UserError: the folder is not a model, a member is of a kind that is not converted, or an answer differs by
            more than a tenth of the tolerance in schema.json.
    """
    import onnx
    import onnxruntime

    ensemble = load_ensemble(folder)
    learner, features = ensemble.learner, len(ensemble.schema["features"])
    try:
        model = learner.compile(ensemble.members, ensemble.task, features)
        probes = learner.probes(ensemble.members, features, PROBE_ROWS)
    except ValueError as error:
        raise UserError(f"{folder / 'members'}: {error}.") from None
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {"features": probes})
    worst = _check(folder, ensemble, answers, ensemble.predict(probes))
    onnx.helper.set_model_props(model, {"max_difference": f"{worst:.3g}", "probe_rows": str(len(probes))})
    partial = folder / f".{COMPILED}.partial"
    try:
        partial.write_bytes(model.SerializeToString(deterministic=True))
        partial.replace(folder / COMPILED)
    finally:
        partial.unlink(missing_ok=True)


def _check(folder: Path, ensemble: Ensemble, answers: np.ndarray, expected: np.ndarray) -> float:
    tolerance = {name: value / STRICTER for name, value in ensemble.schema["tolerance"].items()}
    worst = float(np.abs(answers - expected).max())
    if out_of_tolerance(answers, expected, tolerance):
        raise UserError(
            f"{folder}: the compiled ensemble is off by {worst:.3g} from {ensemble.metadata['library']}, more than "
            f"{tolerance['absolute']:.3g} and {tolerance['relative']:.3g} of the answer."
        )
    return worst
