"""Requests made from schema.json alone: rows as it allows them, rows that are nearly so, and anything at all."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FAR = 2.0**60
"""How far numbers go where the schema sets no end."""
UTF_8 = st.characters(codec="utf-8")


def right_value(column: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a column of the schema allows."""
    values: st.SearchStrategy[Any]
    if column["kind"] == "category":
        values = st.sampled_from(column["categories"]) if column["categories"] else st.nothing()
        if column["other"] or column["hashed"]:
            values |= st.text(UTF_8, min_size=1)
    elif column["kind"] == "text":
        values = st.text(UTF_8)
    elif column["kind"] == "date":
        values = st.dates().map(str)
    elif column["kind"] == "clock":
        values = st.builds(lambda h, m: h * 100 + m, st.integers(0, 23), st.integers(0, 59)) | st.just(2400)
    else:
        low = -FAR if column["minimum"] is None else column["minimum"]
        high = FAR if column["maximum"] is None else column["maximum"]
        values = st.integers(math.ceil(low), math.floor(high))
        if column["kind"] == "number":
            values |= st.floats(low, high)
    return values | st.none() if column["nullable"] else values


def right_row(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Rows that the schema allows."""
    return st.fixed_dictionaries({column["name"]: right_value(column) for column in schema["columns"]})


def odd_row(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Rows of which a value or two are anything, or missing."""
    names = [column["name"] for column in schema["columns"]]
    return st.builds(
        lambda row, changes, dropped: {k: v for k, v in (row | changes).items() if k not in dropped},
        right_row(schema),
        st.dictionaries(st.sampled_from(names), ANYTHING, max_size=2),
        st.sets(st.sampled_from(names), max_size=1),
    )


def dump(value: Any) -> bytes:
    """JSON as a careless client writes it: NaN and Infinity literally, lone surrogates escaped."""
    return json.dumps(value).encode()


def as_tensors(*rows: Any) -> Any:
    """Rows of the same columns as V2 columns."""
    return {
        "inputs": [
            {"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows]}
            for name in rows[0]
        ]
    }
