"""A bad month is refused in one sentence that names the file, the column, the first bad line and what was expected."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.learning.check import part_files, read_part
from slipway.model.schema import COLUMNS
from slipway.problem import Column

HEADER = [column.name for column in COLUMNS]


@pytest.fixture
def month(small_months: Path, tmp_path: Path) -> Callable[..., Path]:
    """May with some values changed: ``month(line, column="value")`` changes one line of the file, ``month()`` none."""

    def write(line: int = 0, name: str = "2013-05.csv", **values: str) -> Path:
        lines = (small_months / "2013-05.csv").read_text(encoding="utf-8").splitlines()
        if values:
            cells = lines[line - 1].split(",")
            for column, value in values.items():
                cells[HEADER.index(column)] = value
            lines[line - 1] = ",".join(cells)
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def refusal(path: Path) -> str:
    """What is said of a bad file: one line, and it begins with the file."""
    with pytest.raises(UserError) as caught:
        read_part(path)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said.removeprefix(str(path))


def test_a_good_month_is_read_as_the_schema_declares_it(month: Callable[..., Path]) -> None:
    frame = read_part(month())
    assert list(frame.columns) == HEADER
    assert len(frame) == 2400
    assert {str(frame[c.name].dtype) for c in COLUMNS if c.kind in ("clock", "integer")} == {"Int64"}
    assert {str(frame[c.name].dtype) for c in COLUMNS if c.kind == "number"} == {"float64"}
    assert list(frame["origin"].cat.categories) == ["EWR", "JFK", "LGA"]
    assert frame["date"].dt.strftime("%Y-%m").unique().tolist() == ["2013-05"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("date", "05/09/2013", "expected a date as YYYY-MM-DD"),
        ("date", "2013-05-32", "expected a date as YYYY-MM-DD"),
        ("sched_dep_time", "half past nine", "expected a time of day as HHMM"),
        ("sched_dep_time", "2500", "expected a time of day as HHMM"),
        ("sched_arr_time", "1061", "with minutes below 60"),
        ("carrier", "ZZ", "expected one of 9E, AA, AS"),
        ("carrier", "", "expected one of 9E, AA, AS"),
        ("flight", "12.5", "expected a whole number from 1 to 9999"),
        ("flight", "0", "expected a whole number from 1 to 9999"),
        ("dest", "<script>", "expected one of ABQ, ACK"),
        ("flight", "١٢", "expected a whole number from 1 to 9999"),
        ("date", "２０１３-05-01", "expected a date as YYYY-MM-DD"),
        ("temp", "٧٠", "expected a number from -40 to 130 (°F) or nothing"),
        ("distance", "9000", "expected a whole number from 1 to 6000 (miles)"),
        ("distance", "", "found nothing, expected a whole number"),
        ("temp", "warm", "expected a number from -40 to 130 (°F) or nothing"),
        ("temp", "131", "expected a number from -40 to 130 (°F) or nothing"),
        ("temp", "NaN", "expected a number from -40 to 130 (°F) or nothing"),
        ("temp", "inf", "expected a number from -40 to 130 (°F) or nothing"),
        ("temp", "-Infinity", "expected a number from -40 to 130 (°F) or nothing"),
        ("pressure", "1e9", "expected a number from 870 to 1090 (mbar) or nothing"),
        ("arr_delay", "nan", "expected a whole number from -180 to 2880 (minutes) or nothing"),
        ("air_time", " 60", "expected a whole number from 1 to 1440 (minutes) or nothing"),
    ],
)
def test_a_bad_value_is_named_with_its_line(month: Callable[..., Path], column: str, value: str, expected: str) -> None:
    said = refusal(month(line=41, **{column: value}))
    assert f"column {column}, line 41" in said
    assert (repr(value) if value else "found nothing") in said
    assert expected in said


@pytest.mark.parametrize("value", ["NA", "null", "None", "N/A", "-"])
def test_words_for_nothing_are_not_nothing(month: Callable[..., Path], value: str) -> None:
    assert f"column wind_gust, line 7: found {value!r}" in refusal(month(line=7, wind_gust=value))


def test_the_first_bad_line_is_named_and_all_are_counted(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    for number in (9, 5, 700):
        lines[number - 1] = lines[number - 1].replace("2013-05", "May 2013", 1)
    path.write_text("\n".join(lines) + "\n")
    assert "column date, line 5: found 'May 2013" in refusal(path)
    assert "(3 lines have a fault)" in refusal(path)


def test_a_missing_column_is_named_with_what_it_holds(month: Callable[..., Path]) -> None:
    path = month()
    path.write_text(path.read_text().replace("carrier", "airline", 1))
    said = refusal(path)
    assert "column carrier is missing (expected one of 9E, AA" in said
    assert "line 1" in said and "airline" in said


def test_an_unknown_column_is_named(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",mood", *(line + ",good" for line in lines[1:])]) + "\n")
    assert "column 'mood' on line 1 is not in the schema" in refusal(path)


def test_a_column_that_stands_twice_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",date", *(line + ",2013-05-01" for line in lines[1:])]) + "\n")
    assert "line 1 names a column twice" in refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "2013-05.csv"
    path.write_text("")
    assert "is empty: expected a header line" in refusal(path)


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "2013-05.csv"
    path.write_text(",".join(HEADER) + "\n")
    assert "has a header but no rows" in refusal(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "is missing" in refusal(tmp_path / "2013-05.csv")


def test_a_copy_of_another_month_is_refused_as_that(month: Callable[..., Path]) -> None:
    twin = month()
    said = refusal(month(name="2013-06.csv"))
    assert f"column date, line 2: every row is of 2013-05, which {twin} holds already" in said
    assert "expected rows of 2013-06" in said


def test_rows_of_another_month_are_refused(month: Callable[..., Path]) -> None:
    said = refusal(month(line=88, date="2013-04-30"))
    assert (
        "column date, line 88: found '2013-04-30', expected a day of 2013-05 (1 of the rows is of another month)"
        in said
    )


def test_a_flight_that_stands_twice_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[49]]) + "\n")
    said = refusal(path)
    assert f"line {len(lines) + 1} repeats line 50: the same date, carrier, flight, origin" in said


def test_a_month_none_of_whose_flights_has_landed_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place = HEADER.index("arr_delay")
    path.write_text("\n".join(",".join([*cells[:place], "", *cells[place + 1 :]]) for cells in lines[1:]) + "\n")
    path.write_text(",".join(HEADER) + "\n" + path.read_text())
    assert refusal(path).startswith(": the answer is empty in every row, so nothing can be learnt")


def test_rows_come_by_date_however_the_file_has_them(month: Callable[..., Path]) -> None:
    path = month()
    header, *rows = path.read_text().splitlines()
    straight = read_part(path)
    path.write_text("\n".join([header, *rows[1::2], *rows[::2]]) + "\n")
    mixed = read_part(path)
    assert mixed["date"].is_monotonic_increasing and len(mixed) == len(straight)
    assert list(mixed.index) == list(range(len(mixed)))


def test_a_file_that_is_not_utf8_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    path.write_bytes(path.read_bytes() + "2013-05-31,é".encode("latin-1"))
    assert "is not in UTF-8" in refusal(path)


def test_a_header_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "2013-05.csv"
    path.write_bytes("date,é\n".encode("utf-16"))
    assert "UTF-8" in refusal(path)


def test_a_short_line_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    lines[30] = ",".join(lines[30].split(",")[:4])
    path.write_text("\n".join(lines) + "\n")
    said = refusal(path)
    assert (
        said
        == f": line 31 has 4 values, expected {len(HEADER)} as on line 1; a value with a comma in it stands in quotes."
    )


def test_a_long_line_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    lines[30] += ",1,2"
    path.write_text("\n".join(lines) + "\n")
    said = refusal(path)
    assert f": line 31 has {len(HEADER) + 2} values, expected {len(HEADER)} as on line 1; " in said


def test_a_blank_line_is_refused(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:20], "", *lines[20:]]) + "\n")
    assert ": line 21 has nothing on it, expected 23 as on line 1" in refusal(path)


@pytest.mark.parametrize("more", [",1", ",", None])
@pytest.mark.parametrize("which", ["first", "last", "all"])
def test_a_line_of_another_width_is_refused_wherever_it_stands(
    month: Callable[..., Path], more: str | None, which: str
) -> None:
    path = month()
    header, *rows = path.read_text().splitlines()
    places = {"first": [0], "last": [len(rows) - 1], "all": list(range(len(rows)))}[which]
    for place in places:
        rows[place] = rows[place].rpartition(",")[0] if more is None else rows[place] + more
    path.write_text("\n".join([header, *rows]) + "\n")
    said = refusal(path)
    has = len(HEADER) + (1 if more else -1)
    assert said.startswith(f": line {places[0] + 2} has {has} values, expected {len(HEADER)} as on line 1")
    assert ("(2400 lines have a fault)" in said) is (which == "all")


def test_a_line_that_is_no_csv_is_named(month: Callable[..., Path]) -> None:
    path = month()
    lines = path.read_text().splitlines()
    lines[30] = '"' + lines[30]  # and the quote is never closed
    path.write_text("\n".join(lines) + "\n")
    assert refusal(path).startswith(", line 31: is no line of a CSV (field larger than field limit (131072)")


def test_a_mark_at_the_files_begin_is_no_part_of_the_first_column(month: Callable[..., Path]) -> None:
    path = month()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_part(path)) == 2400


def test_a_folder_without_months_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`dvc pull` fetches it; `make data` makes the sample's"):
        part_files(tmp_path)


def test_a_file_that_is_not_named_by_its_month_is_refused(small_months: Path, tmp_path: Path) -> None:
    shutil.copy(small_months / "2013-05.csv", tmp_path)
    for name in (
        "june.csv",
        "2013-13.csv",
        "2013-6.csv",
        "2013-06.CSV",
        "2013-06.csv.gz",
        "2013-06.parquet",
        ".DS_Store",
    ):
        (tmp_path / name).write_text((small_months / "2013-06.csv").read_text())
        with pytest.raises(UserError, match=rf"holds {re.escape(name)}, which nothing reads: .* named YYYY-MM\.csv"):
            part_files(tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / "2013").mkdir()
    (tmp_path / "2013/2013-06.csv").touch()
    with pytest.raises(UserError, match=r"holds 2013/, which nothing reads"):
        part_files(tmp_path)


def test_every_column_can_say_what_it_expects() -> None:
    said = [column.expectation() for column in COLUMNS]
    assert all(said) and not any("None" in words for words in said)
    assert (
        Column("x", "number", "", nullable=True, minimum=0, maximum=1).expectation()
        == "a number from 0 to 1 or nothing"
    )
