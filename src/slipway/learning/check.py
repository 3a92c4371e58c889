"""Reads one month of flights and refuses what the schema does not allow, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from slipway.errors import UserError
from slipway.learning.widths import check_widths
from slipway.model.schema import ANSWER, COLUMN, COLUMNS, KEY, Column

MONTH_FILE = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2]))\.csv")
_FIRST_LINE = 2  # line 1 is the header
_NAMED = 5


def month_files(folder: Path) -> list[Path]:
    """The month files of ``folder``, oldest first.

    Raises:
        UserError: the folder is missing or empty, or holds something else: other names or endings, folders.
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    if not found:
        raise UserError(f"{folder} holds no month: `make data` makes the sample months, `dvc pull` fetches yours.")
    # DVC tracks whatever lies there, so what is not read is no accident to pass over.
    if strangers := [path for path in found if path.is_dir() or not MONTH_FILE.fullmatch(path.name)]:
        names = ", ".join(path.name + "/" * path.is_dir() for path in strangers[:_NAMED])
        more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
        raise UserError(
            f"{folder} holds {names}{more}, which nothing reads: a month's file is named YYYY-MM.csv, for example "
            "2013-06.csv; rename it, or move it out of the folder."
        )
    return found


def month_of(path: Path) -> str:
    """The month a file is named by, as YYYY-MM.

    Raises:
        UserError: the name is not a month.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: name month files, or none for all of data/flights.")
    match = MONTH_FILE.fullmatch(path.name)
    if not match:
        raise UserError(f"{path}: a month's file is named YYYY-MM.csv, for example 2013-06.csv; rename or remove it.")
    return match[1]


def read_month(path: Path) -> pd.DataFrame:
    """Read and check one month.

    Returns:
        The rows by date, those of a day in file order, one column for each of the schema's: dates as datetime64,
        categories as ordered categoricals whose codes are the schema's positions, clocks and integers as Int64, numbers
        as float64.

    Raises:
        UserError: names the file, the column, the first bad line, what stands there and what was expected.
    """
    month = month_of(path)
    text = _read_text(path)
    try:
        _text_schema().validate(text, lazy=True)
        frame = pd.DataFrame({column.name: _convert(text[column.name], column) for column in COLUMNS})
        _value_schema().validate(frame, lazy=True)
    except SchemaErrors as errors:
        raise UserError(f"{path}: {_first_fault(text, errors)}") from None
    _check_month(path, month, text, frame)
    if frame[ANSWER].isna().all():
        raise UserError(
            f"{path}: column {ANSWER} is empty in every row, so nothing can be learnt from this month: push it when "
            "its flights have landed."
        )
    if not frame["date"].is_monotonic_increasing:
        frame = frame.sort_values("date", kind="stable", ignore_index=True)
    return frame


def _read_text(path: Path) -> pd.DataFrame:
    """Every value as text, so that a bad one can be shown as it stands in the file."""
    expected = [column.name for column in COLUMNS]
    try:
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0].tolist()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: `make data` makes the sample months, `dvc pull` fetches yours.") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty: expected a header line and a row for each flight.") from None
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise UserError(f"{path} is not a CSV in UTF-8 ({error}): save it as one.") from None
    if missing := [name for name in expected if name not in header]:
        raise UserError(
            f"{path}: column {missing[0]} is missing (expected {COLUMN[missing[0]].expectation()}); "
            f"the header on line 1 has {', '.join(header)}."
        )
    if unknown := [name for name in header if name not in expected]:
        raise UserError(
            f"{path}: column {unknown[0]!r} on line 1 is not in the schema; "
            "remove it, or declare it in src/slipway/model/schema.py."
        )
    if len(header) != len(set(header)):
        raise UserError(f"{path}: line 1 names a column twice; each column stands once.")
    check_widths(path)
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, na_values=[""], skip_blank_lines=False, index_col=False
        )
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}): save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise UserError(f"{path}: {str(error).strip()}; every line has {len(expected)} values.") from None
    if frame.empty:
        raise UserError(f"{path} has a header but no rows: expected a row for each flight.")
    return frame[expected]


_WRITTEN_AS = {
    "date": r"\d{4}-\d\d-\d\d",
    "clock": r"\d{1,4}",
    "integer": r"-?\d{1,9}",
    "number": r"-?\d{1,12}(\.\d+)?([eE][+-]?\d{1,2})?",
}


@cache
def _text_schema() -> pa.DataFrameSchema:
    """Is every value written as its kind is written?"""
    columns = {}
    for column in COLUMNS:
        checks = []
        if column.kind in _WRITTEN_AS:
            checks.append(pa.Check(_written_as(_WRITTEN_AS[column.kind]), name="written as"))
        elif column.kind == "category":
            checks.append(pa.Check.isin(column.categories))
        columns[column.name] = pa.Column("str", checks, nullable=column.nullable)
    return pa.DataFrameSchema(columns)


def _written_as(pattern: str) -> Callable[[pd.Series], pd.Series]:
    """Which values match; each distinct one is looked at once, and a month has few of most."""
    matches = re.compile(pattern, re.ASCII).fullmatch  # \d alone is any script's digit
    return lambda text: text.isin([value for value in text.unique() if matches(value)])


@cache
def _value_schema() -> pa.DataFrameSchema:
    """Is every value in its range, and every row there once?"""
    columns = {}
    for column in COLUMNS:
        checks = []
        if column.kind == "clock":
            checks.append(pa.Check(lambda clock: (clock <= 2400) & (clock % 100 < 60), name="clock"))
        elif column.minimum is not None:
            checks.append(pa.Check.in_range(column.minimum, column.maximum))
        columns[column.name] = pa.Column(None, checks, nullable=column.nullable)
    return pa.DataFrameSchema(columns, unique=list(KEY))


def _convert(text: pd.Series, column: Column) -> pd.Series:
    if column.kind == "date":
        return pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    if column.kind in ("clock", "integer"):
        return text.astype("Int64")
    if column.kind == "number":
        return text.astype("float64")
    if column.kind == "category":
        return text.astype(pd.CategoricalDtype(list(column.categories), ordered=True))
    return text


def _first_fault(text: pd.DataFrame, errors: SchemaErrors) -> str:
    """The topmost fault of the leftmost column, and how many lines have one."""
    faults = errors.failure_cases
    faults = faults[faults["index"].notna()]
    rows = faults["index"].astype(int)
    row = int(rows.min())
    here = faults[rows == row]
    lines = rows.nunique()
    more = f" ({lines} lines have a fault)" if lines > 1 else ""
    column = next((column for column in COLUMNS if column.name in set(here["column"])), None)
    if column is None or "multiple_fields_uniqueness" in set(here["check"]):
        key = text.loc[row, list(KEY)]
        first, second = text.index[(text[list(KEY)] == key).all(axis=1)][:2]
        return (
            f"line {second + _FIRST_LINE} repeats line {first + _FIRST_LINE}: the same {', '.join(KEY)} "
            f"({', '.join(map(str, key))}) may stand only once; remove one{more}."
        )
    value = text[column.name].iloc[row]
    found = repr(value) if isinstance(value, str) else "nothing"
    return f"column {column.name}, line {row + _FIRST_LINE}: found {found}, expected {column.expectation()}{more}."


def _check_month(path: Path, month: str, text: pd.DataFrame, frame: pd.DataFrame) -> None:
    first_day = pd.Timestamp(f"{month}-01")
    strangers = (frame["date"] < first_day) | (frame["date"] >= first_day + pd.offsets.MonthBegin(1))
    if not strangers.any():
        return
    row = int(strangers.to_numpy().argmax())
    held = text["date"].str[:7].unique()
    twin = path.with_name(f"{held[0]}.csv")
    if len(held) == 1 and twin.exists():
        raise UserError(
            f"{path}: column date, line {_FIRST_LINE}: every row is of {held[0]}, which {twin} holds already; "
            f"expected rows of {month}."
        )
    number = int(strangers.sum())
    raise UserError(
        f"{path}: column date, line {row + _FIRST_LINE}: found {text.at[row, 'date']!r}, expected a day of {month} "
        f"({number} of the rows {'is' if number == 1 else 'are'} of another month); put them into their own file."
    )
