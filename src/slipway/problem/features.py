"""What a model sees of a row: each feature is a pure function of one value of one column, with nothing fitted.

So training and serving cannot differ, and the answer of one row cannot leak into another. How a value becomes a number
is said by an encoding's name, which ``schema.json`` carries along: whoever has that file can encode a request.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from slipway.problem.columns import OTHER, Column, evenly
from slipway.problem.declared import FEATURES_FILE, refuse

if TYPE_CHECKING:
    import pandas as pd

Encoding = Literal[
    "number", "minutes", "weekday", "month", "day", "yearday", "code", "hash", "length", "words", "token"
]
_FITS: dict[str, tuple[str, ...]] = {
    "date": ("weekday", "month", "day", "yearday"),
    "clock": ("minutes",),
    "integer": ("number",),
    "number": ("number",),
    "category": ("code", "hash"),
    "text": ("length", "words", "token"),
}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LARGEST = float(np.finfo(np.float32).max)
_RANGES = {
    "minutes": (0.0, 1440.0), "weekday": (0.0, 6.0), "month": (1.0, 12.0), "day": (1.0, 31.0), "yearday": (1.0, 366.0),
}  # fmt: skip
MISSING = float("nan")
_MOST_HASHED_BUCKETS = 32


@dataclass(frozen=True)
class Feature:
    """``name`` is the value of column ``source``, made a number by ``encoding``.

    Encodings: ``number`` of an integer or a number; ``minutes`` after midnight of a clock; ``weekday`` (Monday is 0),
    ``month`` (1 to 12), ``day`` of the month and ``yearday`` of a date; ``code``, the position in a category's list
    (one past the end for another value, where the column allows one); ``hash``, the bucket of a hashed category;
    ``length`` in characters and number of ``words`` of a text; ``token``, how many of its words hash into ``bucket`` of
    ``buckets`` (see :func:`words`).
    """

    name: str
    source: str
    encoding: Encoding
    bucket: int = 0
    buckets: int = 0

    def check(self, column: Column) -> None:
        """See that the encoding is one for the column.

        Raises:
            UserError: it is none.
        """
        where = f"feature {self.name}"
        if not column.known:
            raise refuse(
                where,
                f"leakage: column {column.name} is not known when the prediction is made; leave the feature out",
                FEATURES_FILE,
            )
        fits = _FITS[column.kind]
        if column.kind == "category":
            fits = ("hash",) if column.hashed else ("code",)
        if self.encoding not in fits:
            known = "" if self.encoding in get_args(Encoding) else ", which is no encoding"
            raise refuse(
                where,
                f"encoding {self.encoding!r} does not fit column {column.name}{known}; expected {' or '.join(fits)}",
                FEATURES_FILE,
            )
        if self.encoding == "token" and not 0 <= self.bucket < self.buckets:
            raise refuse(where, f"bucket {self.bucket} is not one of {self.buckets}; `words` makes them", FEATURES_FILE)

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``schema.json``."""
        if self.encoding == "token":
            return asdict(self)
        return {"name": self.name, "source": self.source, "encoding": self.encoding}


def words(source: str, buckets: int = 32) -> tuple[Feature, ...]:
    """A text as features: how many words it has, and how many of them hash into each of ``buckets``.

    The hashing trick of Weinberger et al. (2009), https://doi.org/10.1145/1553374.1553516, without its signs: a text is
    as many numbers as there are buckets, whatever words will be met.
    """
    tokens = (Feature(f"{source}_token_{i}", source, "token", i, buckets) for i in range(buckets))
    return (Feature(f"{source}_words", source, "words"), *tokens)


def bounds(feature: Mapping[str, Any], column: Mapping[str, Any]) -> tuple[float, float]:
    """The smallest and the largest value of an encoded feature, from their entries in ``schema.json``."""
    encoding = feature["encoding"]
    if encoding in _RANGES:
        return _RANGES[encoding]
    if encoding == "code":
        return 0.0, len(column["categories"]) - 1.0 + bool(column.get("other"))
    if encoding == "hash":
        return 0.0, column["hashed"] - 1.0
    if encoding in ("length", "words", "token"):
        return 0.0, _LARGEST
    low, high = column["minimum"], column["maximum"]
    return -_LARGEST if low is None else float(low), _LARGEST if high is None else float(high)


def drift_buckets(feature: Feature, column: Column) -> dict[str, Any]:
    """How the encoded values of a column's first feature are counted: what ``schema.json`` calls ``drift``.

    Returns:
        ``edges``, the ascending borders between the buckets (a value on a border belongs to the upper one), and
        ``buckets``, their names in order: one more than there are edges, or, without edges, one for each code.
    """
    encoding = feature.encoding
    if encoding == "weekday":
        return {"edges": [], "buckets": list(_WEEKDAYS)}
    if encoding == "code":
        return {"edges": [], "buckets": [*column.categories, *([OTHER] if column.other else [])]}
    if encoding == "month":
        return {"edges": [number + 0.5 for number in range(1, 12)], "buckets": list(_MONTHS)}
    edges: Sequence[float] = column.drift
    if encoding == "hash":  # any stretch of hashes is a sample of the values: few buckets tell what many would
        edges = evenly(-0.5, column.hashed - 0.5, min(column.hashed, _MOST_HASHED_BUCKETS))
    elif not edges and encoding == "day":
        edges = evenly(1, 31, 10)
    elif not edges and encoding in _RANGES:
        edges = evenly(*_RANGES[encoding])
    elif not edges and encoding in ("length", "words"):
        edges = [2.0**power for power in range(12)]
    elif not edges:
        edges = column.drift_edges()
    return {"edges": list(edges), "buckets": [str(bucket) for bucket in range(len(edges) + 1)]}


def value_encoder(feature: Mapping[str, Any], column: Mapping[str, Any]) -> Callable[[Any], float]:
    """The function from a checked value of a request (None where nothing is known) to a feature.

    Args:
        feature: its entry in ``schema.json``.
        column: the entry of the column it is made from.
    """
    encoding = feature["encoding"]
    if encoding == "code":
        codes = {name: float(code) for code, name in enumerate(column["categories"])}
        unseen = float(len(codes)) if column.get("other") else MISSING
        return lambda value: MISSING if value is None else codes.get(value, unseen)
    step: Callable[[Any], float] = {
        "number": float,
        "minutes": lambda value: float(value // 100 * 60 + value % 100),
        "weekday": lambda value: float(_day(value).weekday()),
        "month": lambda value: float(_day(value).month),
        "day": lambda value: float(_day(value).day),
        "yearday": lambda value: float(_day(value).timetuple().tm_yday),
        "hash": lambda value: float(bucket_of(value, column["hashed"])),
        "length": lambda value: float(len(value)),
        "words": lambda value: float(len(value.split())),
        "token": lambda value: float(_tokens(value, feature["buckets"])[feature["bucket"]]),
    }[encoding]
    return lambda value: MISSING if value is None else step(value)


def row_encoder(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], list[float]]:
    """The encoding of a checked request row, built from a model's ``schema.json``.

    Returns:
        A function from ``{column: value}`` (None where nothing is known) to the features in their order.
    """
    columns = {column["name"]: column for column in schema["columns"]}
    steps = [(f["source"], value_encoder(f, columns[f["source"]])) for f in schema["features"]]
    return lambda row: [step(row[source]) for source, step in steps]


def encode(frame: pd.DataFrame, schema: Mapping[str, Any]) -> np.ndarray:
    """The same encoding of many checked rows at once.

    Args:
        frame: rows as :func:`slipway.learning.check.read_part` returns them.
        schema: a model's ``schema.json``, or the problem's own.

    Returns:
        float32, shape (rows, features), Fortran order, NaN where a value is missing, or where a category's is none that
        the schema knows.
    """
    columns = {column["name"]: column for column in schema["columns"]}
    matrix = np.empty((len(frame), len(schema["features"])), dtype=np.float32, order="F")
    for position, feature in enumerate(schema["features"]):
        matrix[:, position] = _encoded(frame[feature["source"]], feature, columns[feature["source"]])
    return matrix


def _encoded(values: pd.Series, feature: Mapping[str, Any], column: Mapping[str, Any]) -> Any:
    encoding = feature["encoding"]
    if encoding == "number":
        return values.to_numpy(dtype=np.float32, na_value=np.nan)
    if encoding == "minutes":
        clock = values.to_numpy(dtype=np.float32, na_value=np.nan)
        return clock // 100 * 60 + clock % 100
    if encoding in ("weekday", "month", "day", "yearday"):
        days = values.dt
        return {"weekday": days.weekday, "month": days.month, "day": days.day, "yearday": days.dayofyear}[encoding]
    encode_one = value_encoder(feature, column)  # of few distinct values each is looked at once
    codes, distinct = values.astype(object).factorize()
    return np.array([*map(encode_one, distinct), MISSING], dtype=np.float32)[codes]


def bucket_of(value: str, buckets: int) -> int:
    """The bucket of a text by the CRC-32 of its UTF-8: the same on every machine and in every release of Python."""
    return zlib.crc32(value.encode()) % buckets


@lru_cache(maxsize=1024)
def _tokens(text: str, buckets: int) -> list[int]:
    counts = [0] * buckets
    for word in text.lower().split():
        counts[bucket_of(word, buckets)] += 1
    return counts


def forget_texts() -> None:
    """Keep no text whose words were counted: a server's clients may send a thousand large ones."""
    _tokens.cache_clear()


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)
