"""A binary problem with every kind of column that has a range or a list, and made-up rows: departures of flights.

It is declared here and not in the model folder, which is a team's: what answers requests needs no more than the model's
own folder. The problems of other tasks are in ``tests/problems``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipway.learning.ensemble import save_ensemble
from slipway.learning.prepare import as_rows
from slipway.learning.profile import score_buckets
from slipway.problem import Binary, ByTime, Column, Feature, Monthly, Name, Problem, auc
from slipway.problem import features as of_features

CARRIERS = tuple("9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split())
ORIGINS = ("EWR", "JFK", "LGA")
DESTINATIONS = tuple("ATL BOS CLT DEN FLL LAX MCO MIA ORD SFO".split())
NUMBERS = ("distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
TOLERANCE = 1e-5

PROBLEM = Problem(
    name=Name("flight", "flights", answer="late"),
    question="Will this flight be late?",
    task=Binary(positive="late"),
    answer="late",
    columns=(
        Column("date", "date", "day of the scheduled departure"),
        Column("sched_dep_time", "clock", "scheduled departure"),
        Column("sched_arr_time", "clock", "scheduled arrival"),
        Column("carrier", "category", "airline", categories=CARRIERS),
        Column("origin", "category", "airport of departure", categories=ORIGINS),
        Column("dest", "category", "airport of arrival", categories=DESTINATIONS),
        Column("distance", "integer", "between the airports", minimum=1, maximum=6000, unit="miles"),
        Column("temp", "number", "temperature", nullable=True, minimum=-40, maximum=130, unit="°F"),
        Column("dewp", "number", "dew point", nullable=True, minimum=-60, maximum=100, unit="°F"),
        Column("humid", "number", "relative humidity", nullable=True, minimum=0, maximum=100, unit="%"),
        Column("wind_dir", "number", "where the wind blows from", nullable=True, minimum=0, maximum=360),
        Column("wind_speed", "number", "wind", nullable=True, minimum=0, maximum=150, unit="mph"),
        Column("wind_gust", "number", "gusts", nullable=True, minimum=0, maximum=200, unit="mph"),
        Column("precip", "number", "rain or snow", nullable=True, minimum=0, maximum=10, unit="inches"),
        Column("pressure", "number", "at sea level", nullable=True, minimum=870, maximum=1090, unit="mbar"),
        Column("visib", "number", "visibility", nullable=True, minimum=0, maximum=10, unit="miles"),
        Column("late", "integer", "whether it was late", known=False, nullable=True, minimum=0, maximum=1),
    ),
    features=(
        Feature("departure_minute", "sched_dep_time", "minutes"),
        Feature("arrival_minute", "sched_arr_time", "minutes"),
        Feature("weekday", "date", "weekday"),
        Feature("carrier", "carrier", "code"),
        Feature("origin", "origin", "code"),
        Feature("dest", "dest", "code"),
        *(Feature(name, name, "number") for name in NUMBERS),
    ),
    parts=Monthly("data/departures", "{month}.csv", date="date"),
    split=ByTime(),
    metrics=(auc,),
    decides=auc,
)


def departures(month: int, rows: int = 6000) -> pd.DataFrame:
    """A month of 2013, as a checked part has it: summer is warm, and evenings, wind and rain make late."""
    random = np.random.default_rng(month)
    departure = random.integers(5 * 60, 24 * 60, rows)
    arrival = (departure + random.integers(60, 300, rows)) % 1440
    warm = 40 - 35 * np.cos((month - 1) / 6 * np.pi)
    wind = random.gamma(3, 4, rows)
    rain = np.where(random.random(rows) < 0.1, random.exponential(0.2, rows), 0)
    frame = pd.DataFrame(
        {
            "date": pd.to_datetime(f"2013-{month:02}-01") + pd.to_timedelta(random.integers(0, 28, rows), "D"),
            "sched_dep_time": departure // 60 * 100 + departure % 60,
            "sched_arr_time": arrival // 60 * 100 + arrival % 60,
            "carrier": random.choice(CARRIERS, rows, p=np.arange(1, 17) / 136),
            "origin": random.choice(ORIGINS, rows),
            "dest": random.choice(DESTINATIONS, rows),
            "distance": random.integers(150, 2600, rows),
            "temp": (warm + random.normal(0, 8, rows)).round(2),
            "dewp": (warm - 12 + random.normal(0, 8, rows)).clip(-60, 100).round(2),
            "humid": random.uniform(20, 100, rows).round(2),
            "wind_dir": random.integers(0, 37, rows) * 10.0,
            "wind_speed": wind.clip(0, 150).round(5),
            "wind_gust": (wind * 1.4).clip(0, 200).round(5),
            "precip": rain.clip(0, 10).round(2),
            "pressure": random.normal(1017, 7, rows).clip(870, 1090).round(1),
            "visib": random.choice([10.0, 9.0, 5.0, 2.0], rows, p=[0.85, 0.05, 0.05, 0.05]),
        }
    )
    for name, share in (("wind_gust", 0.75), ("pressure", 0.1), ("wind_dir", 0.02), ("temp", 0.001)):
        frame[name] = frame[name].mask(random.random(rows) < share)
    odds = (departure - 900) / 300 + (wind - 12) / 6 + 4 * rain + (frame["carrier"] == "EV") - 1.5
    frame["late"] = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(float)
    return frame


def schema_json() -> dict[str, Any]:
    """A model's schema.json."""
    return PROBLEM.schema_json() | {"tolerance": {"absolute": TOLERANCE, "relative": 0.0}}


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Rows as the model sees them: float32, shape (rows, features)."""
    return np.ascontiguousarray(of_features.encode(frame, PROBLEM.schema_json()))


def sample(frame: pd.DataFrame, rows: int = 200) -> list[dict[str, Any]]:
    """Evenly spaced rows as a client sends them."""
    names = [column.name for column in PROBLEM.inputs]
    return as_rows(frame.iloc[np.unique(np.linspace(0, len(frame) - 1, rows).astype(int))][names])


def profile(frame: pd.DataFrame, answers: np.ndarray) -> dict[str, Any]:
    """A model's profile.json: each column by its buckets, and the model's answers to ``frame``."""
    matrix, columns = encode(frame), {}
    for column in schema_json()["columns"]:
        drift = column["drift"]
        values = pd.Series(matrix[:, drift["feature"]].astype(float))
        if drift["edges"]:
            bins = [-np.inf, *drift["edges"], np.inf]
            counts = pd.cut(values, bins, right=False, labels=drift["buckets"]).value_counts()
        else:
            counts = values.dropna().astype(int).map(dict(enumerate(drift["buckets"]))).value_counts()
        columns[column["name"]] = {
            "missing": int(values.isna().sum()),
            "buckets": {bucket: int(counts.get(bucket, 0)) for bucket in drift["buckets"]},
        }
    return {"rows": len(frame), "columns": columns, "scores": score_buckets(PROBLEM.task, answers)}


def train(
    folder: Path, frame: pd.DataFrame, seed: int, rounds: int = 25, objective: str = "binary:logistic", shift: float = 0
) -> Path:
    """Two small members as a model folder, not compiled."""
    import xgboost

    matrix = xgboost.QuantileDMatrix(
        encode(frame), label=frame["late"].to_numpy() + shift, feature_names=list(PROBLEM.feature_names)
    )
    members = [
        xgboost.train(
            {"objective": objective, "max_depth": 5, "seed": seed + i, "subsample": 0.7, "nthread": 1},
            matrix,
            num_boost_round=rounds,
        )
        for i in range(2)
    ]
    answers = np.mean([member.inplace_predict(encode(frame)) for member in members], axis=0)
    metadata = {
        "members": 2,
        "learner": PROBLEM.learner,
        "library": f"xgboost {xgboost.__version__}",
        "lineage": {"git_sha": "0" * 40},
    }
    save_ensemble(folder, members, schema_json(), profile(frame, answers), sample(frame), metadata)
    return folder
