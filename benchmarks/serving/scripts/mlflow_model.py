"""Saves the ensemble as an MLflow pyfunc for `mlflow models serve`: argv is the model folder and the target."""

import sys
from pathlib import Path

import mlflow.pyfunc
import numpy as np


class Fused(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        from slipway.learning.ensemble import load_ensemble
        from slipway.problem.features import row_encoder

        self.ensemble = load_ensemble(Path(context.artifacts["model"]))
        self.encode = row_encoder(self.ensemble.schema)

    def predict(self, context, model_input, params=None):
        clean = model_input.astype(object).where(model_input.notna(), None)
        rows = [self.encode(row) for row in clean.to_dict("records")]
        return self.ensemble.predict(np.array(rows, dtype=np.float32))


if __name__ == "__main__":
    mlflow.pyfunc.save_model(sys.argv[2], python_model=Fused(), artifacts={"model": sys.argv[1]}, pip_requirements=[])
