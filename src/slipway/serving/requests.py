"""From a request's JSON to the feature matrix, or one sentence that says which value is wrong and what it must be.

Everything is driven by the ``schema.json`` beside the model, so a new column needs no change here. Nothing that a
client sends may reach the engine unchecked: XGBoost answers a matrix with a missing column without a word.

Rows are read twice at most. The schema is also a type of msgspec's, which checks rows as fast as others parse them, and
says of a wrong one only that it is wrong; then they are read once more, value by value, to find the sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import orjson

from slipway.problem.features import bounds, forget_texts, row_encoder, value_encoder

MAX_ROWS = 1024
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_SHOWN = 60
_MANY = 16
"""From how many rows on they are encoded column by column."""
_NOT_RIGHT = (msgspec.MsgspecError, RecursionError, LookupError)
DATATYPES = frozenset("BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES".split())


class Refusal(Exception):
    """A request that is the client's to correct.

    Attributes:
        status: the HTTP status, 4xx.
        sentence: what is wrong and what was expected.
        column: the column at fault, "" when it is none.
        reason: one of a few words, fit for a metric's label.
    """

    def __init__(self, sentence: str, *, status: int = 400, column: str = "", reason: str = "request") -> None:
        super().__init__(sentence)
        self.sentence, self.status, self.column, self.reason = sentence, status, column, reason


class RequestReader:
    """Reads the requests of one model.

    Args:
        schema: the model's ``schema.json``.
        max_rows: how many rows one request may bring.
    """

    def __init__(self, schema: dict[str, Any], max_rows: int = MAX_ROWS) -> None:
        self.columns: dict[str, dict[str, Any]] = {column["name"]: column for column in schema["columns"]}
        self.features: list[dict[str, Any]] = schema["features"]
        self.max_rows = max_rows
        self._checks = [(name, _check(column)) for name, column in self.columns.items()]
        self._encode = row_encoder(schema)
        types = {name: _value_type(column) for name, column in self.columns.items()}
        fields = {f"c{i}": name for i, name in enumerate(types)}
        row = msgspec.defstruct("Row", list(zip(fields, types.values(), strict=True)), rename=fields, gc=False)
        body = msgspec.defstruct("Body", [("rows", list[row])], gc=False)  # type: ignore[valid-type]
        self._decoder = msgspec.json.Decoder(body)
        self._column_types: dict[str, Any] = {name: list[kind] for name, kind in types.items()}  # type: ignore[valid-type]
        positions = {name: i for i, name in enumerate(self.columns)}
        self._steps = [(positions[feature["source"]], self._step(feature)) for feature in self.features]
        self._bounds = [bounds(feature, self.columns[feature["source"]]) for feature in self.features]
        self._low = np.array([low for low, _ in self._bounds], dtype=np.float32)
        self._high = np.array([high for _, high in self._bounds], dtype=np.float32)
        self._required = np.array([not self.columns[feature["source"]]["nullable"] for feature in self.features])
        self._whole = np.array([feature["encoding"] != "number" for feature in self.features])

    def rows(self, body: Any) -> np.ndarray:
        """Read ``{"rows": [{column: value, …}, …]}``; columns that the model does not use are ignored.

        Returns:
            float32, shape (rows, features), NaN where nothing is known.

        Raises:
            Refusal: anything is not as the schema says.
        """
        if type(body) is not dict or type(body.get("rows")) is not list:
            raise Refusal('the body must be {"rows": [{"column": value, ...}, ...]}.')
        return self._read_slowly(body["rows"])

    def read(self, raw: bytes) -> np.ndarray:
        """Read the same from its JSON.

        Raises:
            Refusal: anything is not as the schema says, or it is no JSON.
        """
        if raw.isascii():  # in columns that it passes over, msgspec does not look whether text is UTF-8
            try:
                rows = self._decoder.decode(raw).rows  # type: ignore[attr-defined]
                self._count(len(rows))
                return self._encoded(rows)
            except _NOT_RIGHT:
                pass
        return self.rows(parsed(raw))

    def _encoded(self, rows: list[Any]) -> np.ndarray:
        """Rows that are of the schema's type; LookupError for a time of day that does not exist."""
        values = [msgspec.structs.astuple(row) for row in rows]
        if len(values) >= _MANY:
            return self._encoded_columns(list(zip(*values, strict=True)))
        steps = self._steps
        return np.array([[row[i] if step is None else step(row[i]) for i, step in steps] for row in values], np.float32)

    def _encoded_columns(self, columns: Sequence[Sequence[Any]]) -> np.ndarray:
        """The same, column by column."""
        features = [columns[i] if step is None else [*map(step, columns[i])] for i, step in self._steps]
        return np.array(features, np.float32).T.copy()

    def _read_slowly(self, rows: list[Any]) -> np.ndarray:
        """Value by value, until one is wrong."""
        self._count(len(rows))
        encoded = []
        checks, encode = self._checks, self._encode
        for position, row in enumerate(rows):
            if type(row) is not dict:
                raise Refusal(f"row {position}: found {_shown(row)}, expected an object of columns and values.")
            for name, right in checks:
                try:
                    if right(row[name]):
                        continue
                except KeyError:
                    raise self._missing(position, name) from None
                raise self._wrong(position, name, row[name])
            encoded.append(encode(row))
        return np.array(encoded, dtype=np.float32)

    def tensors(self, body: Any) -> np.ndarray:
        """Read an Open Inference Protocol V2 request.

        Either one tensor [rows, features] of encoded features, or one tensor [rows] for each raw column, by name.

        Returns:
            float32, shape (rows, features), NaN where nothing is known (null in the JSON).

        Raises:
            Refusal: anything is not as the schema says.
        """
        if type(body) is not dict or type(body.get("inputs")) is not list or not body["inputs"]:
            raise Refusal('the body must be {"inputs": [{"name", "shape", "datatype", "data"}, ...]}.')
        given = body["inputs"]
        if len(given) > 1:  # what no column is called is passed over, unseen, as `rows` does
            given = [value for value in given if not self._is_unused(value)] or given[:1]
        inputs = [_tensor(value, position) for position, value in enumerate(given)]
        if len(inputs) == 1 and len(inputs[0][1]) == 2 and inputs[0][0] not in self.columns:
            return self._matrix(*inputs[0])
        return self._columns(inputs)

    def _is_unused(self, value: Any) -> bool:
        name = value.get("name") if type(value) is dict else None
        return type(name) is str and name != "" and name not in self.columns

    def _matrix(self, name: str, shape: list[int], datatype: str, data: list[Any]) -> np.ndarray:
        width = len(self.features)
        if datatype == "BYTES" or datatype == "BOOL":
            raise Refusal(f"input {name}: found datatype {datatype}, expected FP32.", reason="type")
        if shape[1] != width:
            names = ", ".join(feature["name"] for feature in self.features)
            raise Refusal(f"input {name}: found shape {shape}, expected [rows, {width}]: {names}.", reason="shape")
        self._count(shape[0])
        flat = _flat(name, data, shape)
        if not set(map(type, flat)) <= {int, float, type(None)}:
            at = next(i for i, value in enumerate(flat) if type(value) not in (int, float, type(None)))
            raise self._wrong_feature(at // width, at % width, flat[at])
        with np.errstate(over="ignore"):
            matrix = np.array(flat, dtype=np.float64).astype(np.float32).reshape(shape)
        unknown = np.isnan(matrix)
        wrong = (matrix < self._low) | (matrix > self._high) | (unknown & self._required)
        wrong |= self._whole & ~unknown & (matrix != np.floor(matrix))
        if wrong.any():
            row, position = (int(index) for index in np.argwhere(wrong)[0])
            raise self._wrong_feature(row, position, flat[row * width + position])
        return matrix

    def _columns(self, inputs: list[tuple[str, list[int], str, list[Any]]]) -> np.ndarray:
        values: dict[str, list[Any]] = {}
        rows = inputs[0][1][0] if inputs[0][1] else 0
        for name, shape, _, data in inputs:
            if name not in self.columns:
                raise Refusal(
                    f"input {_shown(name)}: no such column; expected {', '.join(self.columns)}, "
                    f"or one input of shape [rows, {len(self.features)}].",
                    reason="unknown_column",
                )
            if name in values:
                raise Refusal(f"input {name}: given twice, expected once.", column=name, reason="shape")
            if shape not in ([rows], [rows, 1]):
                raise Refusal(
                    f"input {name}: found shape {shape}, expected [{rows}] as the first input has.",
                    column=name,
                    reason="shape",
                )
            values[name] = _flat(name, data, shape)
        self._count(rows)
        for name in self.columns:
            if name not in values:
                raise self._missing(0, name)
        try:
            return self._encoded_columns(
                [msgspec.convert(values[name], kind) for name, kind in self._column_types.items()]
            )
        except _NOT_RIGHT:
            pass
        names = list(values)
        return self._read_slowly([dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)])

    def _step(self, feature: dict[str, Any]) -> Callable[[Any], float] | None:
        """From a column's value to the feature, LookupError if it is no time of day; None where they are the same."""
        column, encoding = self.columns[feature["source"]], feature["encoding"]
        known: dict[Any, float] = {None: math.nan} if column["nullable"] else {}
        if encoding == "weekday":
            return (lambda day: math.nan if day is None else day.weekday()) if column["nullable"] else date.weekday
        if column["kind"] == "clock":
            in_minutes = encoding == "minutes"
            clocks = [clock for clock in range(2401) if clock % 100 < 60]
            known |= {clock: float(clock // 100 * 60 + clock % 100 if in_minutes else clock) for clock in clocks}
        elif encoding == "code" and not column["other"]:
            known |= {name: float(code) for code, name in enumerate(column["categories"])}
        else:
            return None if encoding == "number" else value_encoder(feature, column)
        return known.__getitem__

    def _count(self, rows: int) -> None:
        """Refuse no rows and too many."""
        forget_texts()  # those of the request before
        if rows < 1:
            raise Refusal("found no rows, expected at least one.", reason="rows")
        if rows > self.max_rows:
            raise Refusal(
                f"found {rows} rows, expected {self.max_rows} at most: send several requests.",
                status=413,
                reason="rows",
            )

    def _missing(self, row: int, name: str) -> Refusal:
        column = self.columns[name]
        how = " (null where nothing is known)" if column["nullable"] else ""
        return Refusal(
            f"row {row}, column {name}: is missing, expected {column['expectation']}{how}.",
            column=name,
            reason="missing_column",
        )

    def _wrong(self, row: int, name: str, value: Any) -> Refusal:
        column = self.columns[name]
        if value is None:
            reason = "null"
        elif column["kind"] == "category" and type(value) is str:
            reason = "unknown_category" if value else "empty"
        elif type(value) in (int, float) and column["kind"] in ("clock", "integer", "number"):
            reason = "range"
        else:
            reason = "type"
        return Refusal(
            f"row {row}, column {name}: found {_shown(value)}, expected {column['expectation']}.",
            column=name,
            reason=reason,
        )

    def _wrong_feature(self, row: int, position: int, value: Any) -> Refusal:
        feature = self.features[position]
        column = self.columns[feature["source"]]
        low, high = self._bounds[position]
        kind = "a number" if feature["encoding"] == "number" else "a whole number"
        within = _within(low, high)
        nothing = " or null" if column["nullable"] else ""
        reason = "null" if value is None else "range" if type(value) in (int, float) else "type"
        return Refusal(
            f"row {row}, feature {feature['name']} (column {feature['source']}): found {_shown(value)}, "
            f"expected {kind}{within}{nothing}.",
            column=feature["source"],
            reason=reason,
        )


def parsed(raw: bytes) -> Any:
    """JSON's value.

    Raises:
        Refusal: it is none.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"the body is not JSON: {error}.", reason="json") from None


def _value_type(column: dict[str, Any]) -> Any:
    """The type of one column's values: what it lets through is right but for times of day like 12:60."""
    kind: Any
    if column["kind"] == "category" and _is_open(column):
        kind = Annotated[str, msgspec.Meta(min_length=1)]
    elif column["kind"] == "category":
        kind = Literal[tuple(column["categories"])]
    elif column["kind"] in ("date", "text"):
        kind = date if column["kind"] == "date" else str
    else:
        low, high = _limits(column)
        whole = None if column["kind"] == "number" else 1.0
        kind = Annotated[float, msgspec.Meta(ge=low, le=high, multiple_of=whole)]
    return kind | None if column["nullable"] else kind


def _is_open(column: dict[str, Any]) -> bool:
    """Whether a category may be one that the schema does not list."""
    return bool(column["other"] or column["hashed"])


def _within(low: float, high: float) -> str:
    """A range in words, of which either end may be open."""
    if high == _LARGEST_FLOAT32:
        return "" if low == -_LARGEST_FLOAT32 else f" of at least {low:g}"
    return f" of at most {high:g}" if low == -_LARGEST_FLOAT32 else f" from {low:g} to {high:g}"


def _limits(column: dict[str, Any]) -> tuple[float, float]:
    """The smallest and the largest value of a numeric column."""
    if column["kind"] == "clock":
        return 0.0, 2400.0
    low = -_LARGEST_FLOAT32 if column["minimum"] is None else column["minimum"]
    return low, _LARGEST_FLOAT32 if column["maximum"] is None else column["maximum"]


def _is_date(value: Any) -> bool:
    if type(value) is not str or len(value) != 10 or value[4] != "-" or value[7] != "-":
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _check(column: dict[str, Any]) -> Callable[[Any], bool]:
    """The test of one value of one column; it never raises."""
    low, high = _limits(column)
    names, is_open = frozenset(column["categories"]), _is_open(column)

    def is_number(value: Any) -> bool:
        kind = type(value)
        return (kind is float or kind is int) and low <= value <= high

    def is_integer(value: Any) -> bool:
        kind = type(value)
        return (kind is int or (kind is float and value.is_integer())) and low <= value <= high

    def is_clock(value: Any) -> bool:
        kind = type(value)
        return (kind is int or (kind is float and value.is_integer())) and low <= value <= high and value % 100 < 60

    def is_category(value: Any) -> bool:
        return type(value) is str and (value in names or (is_open and value != ""))

    def is_text(value: Any) -> bool:
        return type(value) is str

    checks: dict[str, Callable[[Any], bool]] = {
        "number": is_number,
        "integer": is_integer,
        "clock": is_clock,
        "category": is_category,
        "date": _is_date,
        "text": is_text,
    }
    check = checks[column["kind"]]
    if not column["nullable"]:
        return check
    return lambda value: value is None or check(value)


def _tensor(value: Any, position: int) -> tuple[str, list[int], str, list[Any]]:
    """One V2 input as (name, shape, datatype, data), its form checked."""
    if type(value) is not dict:
        raise Refusal(f"input {position}: found {_shown(value)}, expected an object with name, shape, datatype, data.")
    name = value.get("name")
    if type(name) is not str or not name:
        raise Refusal(f"input {position}, name: found {_shown(name)}, expected a column's name.")
    shape = value.get("shape")
    if type(shape) is not list or len(shape) not in (1, 2) or any(type(n) is not int or n < 0 for n in shape):
        raise Refusal(f"input {_shown(name)}, shape: found {_shown(shape)}, expected [rows] or [rows, features].")
    datatype = value.get("datatype")
    if type(datatype) is not str or datatype not in DATATYPES:
        raise Refusal(
            f"input {_shown(name)}, datatype: found {_shown(datatype)}, expected one of {', '.join(sorted(DATATYPES))}."
        )
    data = value.get("data")
    if type(data) is not list:
        raise Refusal(f"input {_shown(name)}, data: found {_shown(data)}, expected a list (binary data is not taken).")
    return name, shape, datatype, data


def _flat(name: str, data: list[Any], shape: list[int]) -> list[Any]:
    """The values of a tensor, row by row, whether it came flat or nested.

    Raises:
        Refusal: there are more or fewer than the shape says.
    """
    if data and len(shape) == 2 and all(type(row) is list for row in data):
        if len(data) != shape[0] or any(len(row) != shape[1] for row in data):
            raise Refusal(f"input {_shown(name)}, data: expected {shape[0]} lists of {shape[1]}.", reason="shape")
        return [value for row in data for value in row]
    if len(data) != math.prod(shape):
        raise Refusal(
            f"input {_shown(name)}, data: found {len(data)} values, expected {math.prod(shape)} as shape {shape} says.",
            reason="shape",
        )
    return data


def _shown(value: Any) -> str:
    """A value as it stands in JSON, cut to a length fit for a sentence."""
    if isinstance(value, dict | list):
        return f"a{'n object' if isinstance(value, dict) else ' list'} of {len(value)}"
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
