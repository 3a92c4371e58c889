"""The golden rows, predicted by the compiled ensemble: what a server asks of it before it answers anybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slipway.errors import UserError
from slipway.files import read_json
from slipway.problem.features import row_encoder
from slipway.problem.folder import COMPILED, MADE_BY, out_of_tolerance


def check_compiled(folder: Path) -> None:
    """See that ``ensemble.onnx`` answers the golden rows as the members did.

    Raises:
        UserError: it does not: a server would refuse the folder.
    """
    import onnxruntime

    golden = read_json(folder / "golden.json", MADE_BY, "rows", "answers")
    schema = read_json(folder / "schema.json", MADE_BY, "columns", "features", "tolerance")
    encode = row_encoder(schema)
    features = np.array([encode(row) for row in golden["rows"]], dtype=np.float32)
    session = onnxruntime.InferenceSession(str(folder / COMPILED), providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {"features": features})
    expected = np.array(golden["answers"], dtype=np.float32)
    if answers.shape != expected.shape or out_of_tolerance(answers, expected, schema["tolerance"]):
        worst = float(np.abs(answers - expected).max()) if answers.shape == expected.shape else np.inf
        raise UserError(
            f"the compiled ensemble answers the golden rows of the model wrongly (off by {worst:.3g}, which is "
            f"more than rounding), and no server would take it: train the model again, and look at what "
            "its learner compiles."
        )
