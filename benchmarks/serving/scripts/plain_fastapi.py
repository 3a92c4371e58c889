"""A plain FastAPI + XGBoost app, as a careful person writes it: typed body, NumPy, one thread."""

import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from slipway.learning.ensemble import load_ensemble
from slipway.problem.features import row_encoder

ensemble = load_ensemble(Path(sys.argv[2]))
encode = row_encoder(ensemble.schema)
app = FastAPI()


class Row(BaseModel):
    date: str
    sched_dep_time: int
    sched_arr_time: int
    carrier: str
    origin: str
    dest: str
    distance: int
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_dir: float | None
    wind_speed: float | None
    wind_gust: float | None
    precip: float | None
    pressure: float | None
    visib: float | None


class Body(BaseModel):
    rows: list[Row]


@app.post("/predict")
async def predict(body: Body) -> dict[str, list[float]]:
    features = np.array([encode(row.__dict__) for row in body.rows], dtype=np.float32)
    return {"probabilities": ensemble.predict(features).tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
