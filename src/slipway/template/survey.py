"""Looks at a data file: what each column holds, as far as the values tell, and what only a person can say."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway.errors import UserError
from slipway.learning.widths import check_widths
from slipway.problem import Column, Feature, logarithmic, words
from slipway.problem.parts import FORMATS

if TYPE_CHECKING:
    import pandas as pd

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INTEGER = re.compile(r"-?\d{1,9}")
_NUMBER = re.compile(r"-?\d{1,12}(\.\d+)?([eE][+-]?\d{1,2})?")
_MISSING_MARKS = {"na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "."}
"""What is written in the place of a number that is missing, in lower case. Here it is nothing."""
_IDENTIFIER = re.compile(r"(?:^|[_\s-])(?:id|key|uuid|guid|index)$|[a-z]I[dD]$|^id", re.ASCII)
_CLOCK = re.compile(r"time|clock|hhmm", re.IGNORECASE)
_MOST_LISTED = 100
_LONGEST_CATEGORY = 60
_WORDS_OF_A_TEXT = 3
_MOST_HASHED = 256
_FEW_CODES = 12
_FEW_ROWS = 5
_SKEWED = 20  # times the median: such numbers are counted in buckets that grow


@dataclass(frozen=True)
class Found:
    """A column as it was found.

    Attributes:
        column: what is proposed for schema.py.
        features: what is proposed for features.py; none for what only names a row.
        asks: what a person must decide, in sentences.
        drift_range: where ``column.drift`` was made by :func:`slipway.problem.logarithmic`, of what.
        distinct: how many different values it has, without nothing.
    """

    column: Column
    features: tuple[Feature, ...]
    asks: tuple[str, ...]
    drift_range: tuple[float, float] | None
    distinct: int


def read(path: Path) -> pd.DataFrame:
    """The rows of a CSV, gzipped CSV or Parquet file with every value as text, None where it is missing.

    Raises:
        UserError: it is not there, is no such file, or has no rows or no columns to learn from.
    """
    if not path.name.endswith(FORMATS):
        raise UserError(f"{path} is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file: save it as one of these.")
    if not path.is_file():
        raise UserError(f"{path} is not there: name the file that holds your data.")
    frame = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    if frame.empty:
        raise UserError(f"{path} has no rows: there is nothing to look at.")
    if empty := [name for name in frame.columns if frame[name].isna().all()]:
        raise UserError(f"{path}: column {empty[0]} is empty in every row: remove it from the file.")
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        head = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
        header = [str(name) for name in head.iloc[0]]
        _check_header(path, header)
        check_widths(path)
        return pd.read_csv(
            path, dtype=str, keep_default_na=False, na_values=[""], skip_blank_lines=False, index_col=False
        )
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty: expected a header line and a row for each thing.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}): save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise UserError(f"{path}: {str(error).strip()}; every line has as many values as the header.") from None
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}): write it again.") from None


def _check_header(path: Path, header: Sequence[str]) -> None:
    if len(header) == 1:
        other = next((f" (separated by {mark!r}?)" for mark in (";", "\t", "|") if mark in header[0]), "")
        raise UserError(
            f"{path} has one column, {header[0]!r}{other}: expected several, separated by commas: an answer and "
            "something to tell it from."
        )
    if nameless := [place for place, name in enumerate(header, 1) if not name.strip()]:
        raise UserError(
            f"{path}: column {nameless[0]} has no name on line 1: name it, or remove it (pandas writes its index so; "
            "`to_csv(index=False)` does not)."
        )
    if twice := [name for name in header if header.count(name) > 1]:
        raise UserError(f"{path}: line 1 names column {twice[0]} twice; each column stands once.")


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise UserError(f"{path}: Parquet is read with pyarrow, which is not installed: run `make setup`.") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        raise UserError(f"{path} is not a Parquet file ({' '.join(str(error).split())}): write it again.") from None
    _check_header(path, [str(name) for name in frame.columns])
    return pd.DataFrame({str(name): _as_text(frame[name]) for name in frame.columns})


def _as_text(values: pd.Series) -> pd.Series:
    """Typed values as a CSV would hold them; whole numbers that are floats because some are missing stay whole."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values) and (values.dropna().dt.normalize() == values.dropna()).all():
        return values.dt.strftime("%Y-%m-%d").astype(object).where(values.notna(), None)
    if pd.api.types.is_bool_dtype(values) or (
        pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all() and (values.abs().max() < 1e9)
    ):
        values = values.astype("Int64")
    return values.astype(object).where(values.notna(), None).map(str, na_action="ignore")


def look(path: Path, name: str, values: pd.Series) -> Found:
    """What a column holds, from all its values as text.

    Raises:
        UserError: most are numbers, and some are a mark for a missing one, which the data check would refuse.
    """
    known = values.dropna()
    distinct = list(known.unique())
    nullable = len(known) < len(values)
    if all(map(_is_date, distinct)):
        return _date(name, distinct, nullable)
    numbers = [value for value in distinct if _NUMBER.fullmatch(value)]
    if len(numbers) == len(distinct):
        return _numeric(name, known, distinct, nullable)
    strange = [value for value in distinct if not _NUMBER.fullmatch(value)]
    if numbers and all(value.strip().lower() in _MISSING_MARKS for value in strange):
        raise UserError(
            f"{path}: column {name} holds {strange[0]!r} among numbers: where a value is missing, leave it empty "
            "(pandas' `read_csv` and `to_csv(index=False)` do)."
        )
    return _worded(name, known, distinct, nullable)


def _is_date(value: str) -> bool:
    try:
        return bool(_DATE.fullmatch(value) and dt.date.fromisoformat(value))
    except ValueError:
        return False


def _date(name: str, distinct: list[str], nullable: bool) -> Found:
    year = dt.date.fromisoformat(max(distinct)) - dt.date.fromisoformat(min(distinct)) >= dt.timedelta(days=365)
    of = [Feature(f"{slug(name)}_weekday", name, "weekday")]
    if year:  # of a shorter time, the season that follows was never seen
        of.append(Feature(f"{slug(name)}_yearday", name, "yearday"))
    return Found(Column(name, "date", nullable=nullable), tuple(of), (), None, len(distinct))


def _numeric(name: str, known: pd.Series, distinct: list[str], nullable: bool) -> Found:
    whole = all(_INTEGER.fullmatch(value) for value in distinct)
    amounts = known.astype(float).to_numpy()
    low, high = float(amounts.min()), float(amounts.max())
    asks = []
    features: tuple[Feature, ...]
    if whole and _CLOCK.search(name) and low >= 0 and 100 < high <= 2400 and (amounts % 100 < 60).all():
        asks.append(f"{name} is read as a time of day, HHMM; an amount is the kind integer, with a range.")
        features = (Feature(f"{slug(name)}_minutes", name, "minutes"),)
        return Found(Column(name, "clock", nullable=nullable), features, tuple(asks), None, len(distinct))
    minimum, maximum = _margins(low, high, whole)
    skewed = low > 0 and high > _SKEWED * float(np.median(amounts))
    drift_range = (max(_outward(low, up=False), minimum or low), maximum) if skewed else None
    column = Column(
        name,
        "integer" if whole else "number",
        nullable=nullable,
        minimum=minimum,
        maximum=maximum,
        drift=logarithmic(*drift_range) if drift_range else (),
    )
    features = (Feature(slug(name), name, "number"),)
    if whole and (_IDENTIFIER.search(name) or _numbers_rows(amounts)):
        asks.append(f"{name} looks like the name of a row or of a thing, so no feature is made of it.")
        column, features, drift_range = Column(name, column.kind, nullable=nullable), (), None
    elif low == high:
        asks.append(f"{name} is {distinct[0]} in every row, so no feature is made of it.")
        features = ()
    elif whole and 2 < len(distinct) <= _FEW_CODES:
        asks.append(
            f"{name} has {len(distinct)} different whole numbers: if they are codes and no amounts, declare a category."
        )
    return Found(column, features, tuple(asks), drift_range, len(distinct))


def _numbers_rows(amounts: np.ndarray) -> bool:
    """Whether these whole numbers only count the rows of the file."""
    return len(amounts) >= _FEW_ROWS and bool((np.diff(amounts) == 1).all())


def _margins(low: float, high: float, whole: bool) -> tuple[float, float]:
    """What a value may be: what was seen and half as much again on either side, but no other sign."""
    if not whole and low >= 0 and high <= 1 and high - low > 0.1:
        return 0.0, 1.0
    span = high - low or abs(high) or 1.0
    minimum, maximum = _outward(low - span / 2, up=False), _outward(high + span / 2, up=True)
    if low >= 0:
        minimum = max(minimum, 0.0)
    if high <= 0:
        maximum = min(maximum, 0.0)
    return (math.floor(minimum), math.ceil(maximum)) if whole else (minimum, maximum)


def _outward(value: float, up: bool) -> float:
    """The next number with two digits, above or below."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{(math.ceil if up else math.floor)(round(value / step, 6)) * step:.6g}")


def _worded(name: str, known: pd.Series, distinct: list[str], nullable: bool) -> Found:
    rows = len(known)
    counted = known.value_counts()
    longest = max(map(len, distinct))
    length = float(np.mean([len(value.split()) for value in known]))
    enough = len(distinct) <= 20 or len(distinct) <= rows / 5
    if len(distinct) <= _MOST_LISTED and enough and longest <= _LONGEST_CATEGORY and len(distinct) < rows:
        return _listed(name, counted, distinct, nullable)
    if length >= _WORDS_OF_A_TEXT or longest > 2 * _LONGEST_CATEGORY:
        asks = (f"{name} is read as free text: how long it is, and which of 32 groups its words hash into.",)
        return Found(Column(name, "text", nullable=nullable), words(name), asks, None, len(distinct))
    if len(distinct) <= rows / 2:
        buckets = min(_MOST_HASHED, 2 ** math.ceil(math.log2(len(distinct))))
        asks = (f"{name} has {len(distinct)} different values, too many to list: hashed into {buckets} buckets.",)
        column = Column(name, "category", nullable=nullable, hashed=buckets)
        return Found(column, (Feature(slug(name), name, "hash"),), asks, None, len(distinct))
    ask = f"{name} is another in nearly every row, so it is declared as text and no feature is made of it."
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:.*", distinct[0]):
        ask = f"{name} holds times: a column of the kind date holds YYYY-MM-DD; no feature is made of it as it is."
    return Found(Column(name, "text", nullable=nullable), (), (ask,), None, len(distinct))


def _listed(name: str, counted: pd.Series, distinct: list[str], nullable: bool) -> Found:
    asks = []
    rare = [value for value in distinct if counted[value] < _FEW_ROWS]
    grows = len(distinct) > 1 and (len(distinct) > 10 or bool(rare)) and "other" not in distinct
    if grows:
        asks.append(
            f"other=True lets {name} hold what is not listed, and counts it as other; without it, that is refused."
        )
    if marks := sorted(value for value in distinct if value.strip().lower() in _MISSING_MARKS):
        asks.append(f"{name} holds {marks[0]!r}: a category of its own, or nothing? Nothing is written as nothing.")
    features: tuple[Feature, ...] = (Feature(slug(name), name, "code"),)
    if len(distinct) == 1:
        asks.append(f"{name} is {distinct[0]!r} in every row, so no feature is made of it.")
        features = ()
    column = Column(name, "category", nullable=nullable, categories=tuple(sorted(distinct)), other=grows)
    return Found(column, features, tuple(asks), None, len(distinct))


def slug(name: str) -> str:
    """A column's name as a feature's: letters, digits and underscores."""
    return re.sub(r"\W+", "_", name).strip("_").lower() or "feature"
