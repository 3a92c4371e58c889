"""Parts: a file's name says which stretch of time it holds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.problem import Daily, Monthly, One, Parts, Weekly

MONTHLY = Monthly("data/rides", "rides-{month}.csv.gz", date="day")
WEEKLY = Weekly("data/rides", "{week}.parquet", date="day")
DAILY = Daily("data/rides", "{day}.csv", date="day")


@pytest.mark.parametrize(
    ("parts", "name", "first", "after"),
    [
        (MONTHLY, "2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        (MONTHLY, "2024-12", date(2024, 12, 1), date(2025, 1, 1)),
        (WEEKLY, "2020-W53", date(2020, 12, 28), date(2021, 1, 4)),
        (WEEKLY, "2021-W01", date(2021, 1, 4), date(2021, 1, 11)),
        (DAILY, "2024-02-29", date(2024, 2, 29), date(2024, 3, 1)),
    ],
)
def test_a_name_is_a_stretch_of_time_and_back(parts: Parts, name: str, first: date, after: date) -> None:
    assert parts.span(name) == (first, after)
    assert parts.name(parts.file(name)) == name
    assert parts.file(name).parent == Path("data/rides")


@pytest.mark.parametrize(
    ("parts", "file"),
    [
        (MONTHLY, "2024-02.csv.gz"), (MONTHLY, "rides-2024-13.csv.gz"), (MONTHLY, "rides-2024-2.csv.gz"),
        (MONTHLY, "rides-2024-02xcsv.gz"), (WEEKLY, "2021-W53.parquet"), (WEEKLY, "2021-W00.parquet"),
        (DAILY, "2023-02-29.csv"), (DAILY, "2023-02-28.csv.bak"),
    ],
)  # fmt: skip
def test_another_name_is_refused_with_an_example(parts: Parts, file: str) -> None:
    with pytest.raises(UserError, match=r"a (month|week|day)'s file is named .*, for example .*; rename or remove it"):
        parts.name(Path("data/rides", file))


def test_one_file_is_one_part() -> None:
    one = One("data/houses", "houses.csv.gz")
    assert one.name(Path("data/houses/houses.csv.gz")) == "houses" and one.file("houses").name == "houses.csv.gz"
    with pytest.raises(UserError, match=r"all data lies in data/houses/houses\.csv\.gz"):
        one.name(Path("data/houses/more.csv.gz"))


def test_names_stand_in_the_order_of_time() -> None:
    assert sorted(["2021-W01", "2020-W53", "2020-W09"]) == ["2020-W09", "2020-W53", "2021-W01"]
