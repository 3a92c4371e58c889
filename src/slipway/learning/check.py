"""Reads one part of the data and refuses what the schema does not allow, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from slipway.errors import UserError
from slipway.learning.widths import check_widths
from slipway.model.problem import PROBLEM
from slipway.problem import Column, One

DATA = Path(PROBLEM.parts.folder)
_GET = "`dvc pull` fetches it; `make data` makes the sample's"
_FIRST_LINE = 2  # line 1 is the header
_NAMED = 5


def part_files(folder: Path) -> list[Path]:
    """The files of ``folder``, in the order of their parts' names, which is that of time.

    Raises:
        UserError: the folder is missing or empty, or holds something else: other names or endings, folders.
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    if not found:
        raise UserError(f"{folder} holds no data: {_GET}.")
    # DVC tracks whatever lies there, so what is not read is no accident to pass over.
    if strangers := [path for path in found if path.is_dir() or not PROBLEM.parts.matches(path.name)]:
        names = ", ".join(path.name + "/" * path.is_dir() for path in strangers[:_NAMED])
        more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
        raise UserError(
            f"{folder} holds {names}{more}, which nothing reads: {PROBLEM.parts.naming()}; rename it, or move it "
            "out of the folder."
        )
    return found


def part_of(path: Path) -> str:
    """The name of the part that a file holds.

    Raises:
        UserError: the file is not named as the problem says.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: name files, or none for all of {DATA}.")
    return PROBLEM.parts.name(path)


def read_part(path: Path) -> pd.DataFrame:
    """Read and check one part.

    Returns:
        The rows by date where they have one, those of a day in file order, one column for each of the schema's: dates
        as datetime64, listed categories as ordered categoricals whose codes are the schema's positions, those that may
        hold others as text, clocks and integers as Int64, numbers as float64.

    Raises:
        UserError: names the file, the column, the first bad line, what stands there and what was expected.
    """
    part = part_of(path)
    text = _read_text(path)
    try:
        _text_schema().validate(text, lazy=True)
        frame = pd.DataFrame({column.name: _convert(text[column.name], column) for column in PROBLEM.columns})
        _value_schema().validate(frame, lazy=True)
    except SchemaErrors as errors:
        raise UserError(f"{path}: {_first_fault(path, text, errors)}") from None
    date = PROBLEM.parts.date
    if date and not isinstance(PROBLEM.parts, One):
        _check_dates(path, part, text, frame)
    _check_answers(path, frame)
    if date and not frame[date].is_monotonic_increasing:
        frame = frame.sort_values(date, kind="stable", ignore_index=True)
    return frame


def _check_answers(path: Path, frame: pd.DataFrame) -> None:
    answers = PROBLEM.answers(frame)
    known = ~np.isnan(answers)
    name = f"column {PROBLEM.answer}" if isinstance(PROBLEM.answer, str) else "the answer"
    if not known.any():
        raise UserError(
            f"{path}: {name} is empty in every row, so nothing can be learnt from this {PROBLEM.parts.word}: push it "
            f"when it is known."
        )
    if fault := PROBLEM.task.fault(answers[known]):
        raise UserError(f"{path}: {name}: {fault}; correct it, or the task in src/slipway/model/problem.py.")


def _read_text(path: Path) -> pd.DataFrame:
    """Every value as text, so that a bad one can be shown as it stands in the file."""
    if not path.exists():
        raise UserError(f"{path} is missing: {_GET}.")
    if path.suffix == ".parquet":
        return _read_parquet(path)
    expected = [column.name for column in PROBLEM.columns]
    try:
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0].tolist()
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty: expected a header line and a row for each {PROBLEM.name.one}.") from None
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise UserError(f"{path} is not a CSV in UTF-8 ({error}): save it as one.") from None
    except (OSError, EOFError) as error:
        raise UserError(f"{path} is not in gzip's form ({error}): write it again with gzip.") from None
    _check_header(path, header, " on line 1")
    check_widths(path)
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, na_values=[""], skip_blank_lines=False, index_col=False
        )
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}): save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise UserError(f"{path}: {str(error).strip()}; every line has {len(expected)} values.") from None
    except (OSError, EOFError) as error:  # the header was whole
        raise UserError(f"{path} is not in gzip's form ({error}): write it again with gzip.") from None
    if frame.empty:
        raise UserError(f"{path} has a header but no rows: expected a row for each {PROBLEM.name.one}.")
    return frame[expected]


def _check_header(path: Path, header: list[str], where: str) -> None:
    expected = [column.name for column in PROBLEM.columns]
    if missing := [name for name in expected if name not in header]:
        raise UserError(
            f"{path}: column {missing[0]} is missing (expected {PROBLEM.column[missing[0]].expectation()}); "
            f"the header{where} has {', '.join(header)}."
        )
    if unknown := [name for name in header if name not in expected]:
        raise UserError(
            f"{path}: column {unknown[0]!r}{where} is not in the schema; "
            "remove it, or declare it in src/slipway/model/schema.py."
        )
    if len(header) != len(set(header)):
        raise UserError(f"{path}: line 1 names a column twice; each column stands once.")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise UserError(
            f"{path}: Parquet is read with pyarrow, which is not installed here: add it to requirements/train.in."
        ) from None
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        raise UserError(f"{path} is not a Parquet file ({' '.join(str(error).split())}): write it again.") from None
    _check_header(path, [str(name) for name in frame.columns], "")
    if frame.empty:
        raise UserError(f"{path} has no rows: expected a row for each {PROBLEM.name.one}.")
    return pd.DataFrame({column.name: _as_text(frame[column.name], column) for column in PROBLEM.columns})


def _as_text(values: pd.Series, column: Column) -> pd.Series:
    """Typed values as a CSV would hold them."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.strftime("%Y-%m-%d").astype("str")
    if pd.api.types.is_bool_dtype(values):
        values = values.astype("Int64")
    if pd.api.types.is_float_dtype(values):
        whole = column.kind in ("clock", "integer")
        codes, distinct = values.factorize()
        written = [str(int(v)) if whole and float(v).is_integer() else repr(float(v)) for v in distinct]
        return pd.Series([*written, None], dtype="str").take(codes).set_axis(values.index)
    return values.astype(object).where(values.notna(), None).map(str, na_action="ignore").astype("str")


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
    for column in PROBLEM.columns:
        checks = []
        if column.kind in _WRITTEN_AS:
            checks.append(pa.Check(_written_as(_WRITTEN_AS[column.kind]), name="written as"))
        elif column.kind == "category" and not (column.other or column.hashed):
            checks.append(pa.Check.isin(column.categories))
        columns[column.name] = pa.Column("str", checks, nullable=column.nullable)
    return pa.DataFrameSchema(columns)


def _written_as(pattern: str) -> Callable[[pd.Series], pd.Series]:
    """Which values match; each distinct one is looked at once, and a part has few of most."""
    matches = re.compile(pattern, re.ASCII).fullmatch  # \d alone is any script's digit
    return lambda text: text.isin([value for value in text.unique() if matches(value)])


@cache
def _value_schema() -> pa.DataFrameSchema:
    """Is every value in its range, and every row there once?"""
    columns = {}
    for column in PROBLEM.columns:
        checks = []
        if column.kind == "clock":
            checks.append(pa.Check(lambda clock: (clock <= 2400) & (clock % 100 < 60), name="clock"))
        if column.minimum is not None:
            checks.append(pa.Check.ge(column.minimum))
        if column.maximum is not None:
            checks.append(pa.Check.le(column.maximum))
        columns[column.name] = pa.Column(None, checks, nullable=column.nullable)
    return pa.DataFrameSchema(columns, unique=list(PROBLEM.key) or None)


def _convert(text: pd.Series, column: Column) -> pd.Series:
    if column.kind == "date":
        return pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    if column.kind in ("clock", "integer"):
        return text.astype("Int64")
    if column.kind == "number":
        return text.astype("float64")
    if column.kind == "category" and not (column.other or column.hashed):
        return text.astype(pd.CategoricalDtype(list(column.categories), ordered=True))
    return text


def _first_fault(path: Path, text: pd.DataFrame, errors: SchemaErrors) -> str:
    """The topmost fault of the leftmost column, and how many lines have one."""
    faults = errors.failure_cases
    faults = faults[faults["index"].notna()]
    rows = faults["index"].astype(int)
    row = int(rows.min())
    here = faults[rows == row]
    lines = rows.nunique()
    more = f" ({lines} lines have a fault)" if lines > 1 else ""
    column = next((column for column in PROBLEM.columns if column.name in set(here["column"])), None)
    if column is None or "multiple_fields_uniqueness" in set(here["check"]):
        key = text.loc[row, list(PROBLEM.key)]
        first, second = text.index[(text[list(PROBLEM.key)] == key).all(axis=1)][:2]
        return (
            f"{_line(path, second)} repeats {_line(path, first)}: the same {', '.join(PROBLEM.key)} "
            f"({', '.join(map(str, key))}) may stand only once; remove one{more}."
        )
    value = text[column.name].iloc[row]
    found = repr(value) if isinstance(value, str) else "nothing"
    return f"column {column.name}, {_line(path, row)}: found {found}, expected {column.expectation()}{more}."


def _line(path: Path, row: int) -> str:
    """Where a row stands in its file."""
    return f"row {row}" if path.suffix == ".parquet" else f"line {row + _FIRST_LINE}"


def _check_dates(path: Path, part: str, text: pd.DataFrame, frame: pd.DataFrame) -> None:
    """See that every row is of its file's stretch of time."""
    parts, word = PROBLEM.parts, PROBLEM.parts.word
    first, after = (pd.Timestamp(day) for day in parts.span(part))
    days = frame[parts.date]
    strangers = (days < first) | (days >= after)
    if not strangers.any():
        return
    row = int(strangers.to_numpy().argmax())
    where = f"column {parts.date}, {_line(path, row)}"
    others = (other for other in part_files(path.parent) if other != path)
    for other in others if strangers.all() else ():
        start, end = (pd.Timestamp(day) for day in parts.span(part_of(other)))
        if ((days >= start) & (days < end)).all():
            raise UserError(
                f"{path}: {where}: every row is of {part_of(other)}, which {other} holds already; "
                f"expected rows of {part}."
            )
    number = int(strangers.sum())
    raise UserError(
        f"{path}: {where}: found {text.at[row, parts.date]!r}, expected a day of {part} "
        f"({number} of the rows {'is' if number == 1 else 'are'} of another {word}); put them into their own file."
    )
