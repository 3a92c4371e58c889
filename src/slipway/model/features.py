"""What the model sees of a flight, all of it known before departure. XGBoost takes missing values as they are."""

from __future__ import annotations

from slipway.problem import Feature

FEATURES = (
    Feature("departure_minute", "sched_dep_time", "minutes"),
    Feature("arrival_minute", "sched_arr_time", "minutes"),
    Feature("weekday", "date", "weekday"),
    Feature("carrier", "carrier", "code"),
    Feature("origin", "origin", "code"),
    Feature("dest", "dest", "code"),
    *(
        Feature(name, name, "number")
        for name in (
            "distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
        )
    ),
)  # fmt: skip
