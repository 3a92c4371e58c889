"""Eleven thousand requests that nobody would write: no 5xx, no exception, and every 4xx says what it expects.

Hypothesis makes the values; each is sent in every form that can carry it, and each form is a case.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.serving.app import App
from slipway.serving.metrics import Metrics
from slipway.serving.model import load_model
from slipway.serving.server import make_server
from tests.serving.conftest import Server
from tests.serving.departures import schema_json
from tests.serving.rows import ANYTHING, FUZZ, as_tensors, dump, odd_row, right_row

SCHEMA = schema_json()
COLUMNS = [column["name"] for column in SCHEMA["columns"]]
INFER = "/v2/models/flight-delay/infer"
RIGHT = {
    "date": "2013-06-01", "sched_dep_time": 600, "sched_arr_time": 800, "carrier": "UA", "origin": "EWR", "dest": "ORD",
    "distance": 719, "temp": 70, "dewp": 60, "humid": 70, "wind_dir": None, "wind_speed": None, "wind_gust": None,
    "precip": 0, "pressure": None, "visib": 10,
}  # fmt: skip
RIGHT_ROW, ODD_ROW = right_row(SCHEMA), odd_row(SCHEMA)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([*COLUMNS, "features"]) | ANYTHING,
        "shape": st.lists(st.integers(-2, 20), max_size=3) | st.just([1, 16]) | ANYTHING,
        "datatype": st.sampled_from(["FP32", "FP64", "INT64", "BYTES", "BOOL"]) | ANYTHING,
        "data": st.lists(st.floats(width=32) | st.integers() | ANYTHING, max_size=20)
        | st.lists(st.floats(0, 2), min_size=16, max_size=16)
        | ANYTHING,
    },
)


@contextmanager
def asked(folder: Path, name: str) -> Iterator[Any]:
    """``ask(path, body)`` → (status, answer), through the server's protocol without the network."""
    app = App(Metrics(64), name)
    app.put(load_model(folder, name))
    server = make_server(app, 64)
    server.config.load()
    loop = asyncio.new_event_loop()

    async def exchange(path: str, body: bytes) -> bytes:
        wire = Wire()
        protocol = server.config.http_protocol_class(server.config, server.server_state, {}, loop)
        protocol.connection_made(wire)
        protocol.data_received(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (path.encode(), len(body), body))
        while not wire.written:
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    def call(path: str, body: bytes) -> tuple[int, Any]:
        head, _, content = loop.run_until_complete(exchange(path, body)).partition(b"\r\n\r\n")
        return int(head.split()[1]), orjson.loads(content)

    yield call
    assert app.in_flight == 0
    loop.close()


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Any]:
    """The departures' model, asked without the network."""
    with asked(folder, "flight-delay") as call:
        yield call


class Wire(asyncio.Transport):
    """Keeps what is written."""

    written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


def check(status: int, answer: Any, rows: int | None = None) -> None:
    """A probability for each row, or one sentence."""
    if status == 200:
        found = answer["probabilities"] if "probabilities" in answer else answer["outputs"][0]["data"]
        assert all(0 <= p <= 1 for p in found)
        assert rows is None or len(found) == rows
    else:
        assert 400 <= status < 500
        assert set(answer) == {"error"} and 10 < len(answer["error"]) < 1000
        # The one thing that is no fault of a column, but of the form.
        names_column = "column " in answer["error"] or "input" in answer["error"] or "feature" in answer["error"]
        assert names_column or answer["error"].startswith(("row ", "the body", "found ", "id:", "outputs:")), answer


@settings(FUZZ, max_examples=600)
@given(row=RIGHT_ROW)
def test_every_right_row_is_answered(ask: Any, row: Any) -> None:
    found = [ask("/predict", dump({"rows": [row]})), ask(INFER, dump(as_tensors(row)))]
    for status, answer in found:
        assert status == 200, (row, answer)
        check(status, answer, 1)
    assert found[0][1]["probabilities"] == found[1][1]["outputs"][0]["data"]


@settings(FUZZ, max_examples=1000)
@given(row=ODD_ROW)
def test_odd_rows(ask: Any, row: Any) -> None:
    for path, body, rows in (
        ("/predict", {"rows": [row]}, 1),
        ("/predict", {"rows": [RIGHT, row]}, 2),
        (INFER, as_tensors(row), 1),
    ):
        status, answer = ask(path, dump(body))
        check(status, answer, rows)
        if status == 400 and "row " in answer["error"]:
            assert "expected" in answer["error"] and "column " in answer["error"]


@settings(FUZZ, max_examples=800)
@given(inputs=st.lists(TENSOR, max_size=2))
def test_odd_tensors(ask: Any, inputs: Any) -> None:
    check(*ask(INFER, dump({"inputs": inputs})))


@settings(FUZZ, max_examples=600)
@given(body=ANYTHING)
def test_anything_at_all(ask: Any, body: Any) -> None:
    for path in ("/predict", INFER):
        for form in (body, {"rows": body}, {"rows": [body]}, {"inputs": body}):
            check(*ask(path, dump(form)))


@settings(FUZZ, max_examples=800)
@given(body=st.binary(max_size=200))
def test_bytes(ask: Any, body: bytes) -> None:
    for path in ("/predict", INFER):
        check(*ask(path, body))


@settings(FUZZ, max_examples=150)
@given(
    start=st.sampled_from([b"", b"POST /predict HTTP/1.1\r\n", b"POST /predict HTTP/1.1\r\ncontent-length: "]),
    rest=st.binary(max_size=300),
)
def test_bytes_instead_of_http(server: Server, start: bytes, rest: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(start + rest + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(1000)
        except ConnectionResetError:
            answer = b""
    assert not answer or not answer.split()[1].startswith(b"5"), answer


def test_the_server_is_alive_after_all_that(server: Server, rows: Any) -> None:
    assert server.call("/predict", {"rows": rows[:1]})[0] == 200
    assert server.process.poll() is None
