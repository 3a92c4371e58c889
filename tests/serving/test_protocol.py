"""What a connection may do: send in pieces, send ahead, break off, and never read. Each time the room is given back."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import Server, serving, until


@pytest.fixture(scope="module")
def small(folder: Path) -> Iterator[Server]:
    """A server with room for two."""
    with serving("--model", str(folder), "--capacity", "2") as running:
        yield running
        assert running.metric("slipway_in_flight") == 0


def connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def post(body: bytes, *headers: str, path: str = "/predict") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], Any]]:
    """The next ``count`` answers as (status, headers, JSON)."""
    stream, found = connection.makefile("rb"), []
    for _ in range(count):
        status = int(stream.readline().split()[1])
        pairs = iter(lambda: stream.readline().decode().strip(), "")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in pairs)}
        found.append((status, headers, json.loads(stream.read(int(headers["content-length"])))))
    return found


@pytest.fixture(scope="module")
def one(rows: Any) -> bytes:
    return json.dumps({"rows": rows[:1]}).encode()


def test_a_request_may_come_byte_by_byte(small: Server, one: bytes) -> None:
    with connect(small) as connection:
        for byte in post(one):
            connection.send(bytes([byte]))
        ((status, headers, answer),) = answers(connection, 1)
        assert status == 200 and len(answer["probabilities"]) == 1
        assert headers["content-type"] == "application/json" and headers["date"].endswith("GMT")


def test_requests_sent_ahead_are_answered_in_their_order(small: Server, rows: Any) -> None:
    """Rows of every size, a wrong one, one too long for the event loop, and one that is no prediction."""
    bodies = [json.dumps({"rows": rows[:n]}).encode() for n in (1, 100, 2)] + [
        b"{",
        json.dumps({"rows": rows[:3]}).encode(),
    ]
    with connect(small) as connection:
        live = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
        connection.sendall(b"".join([post(bodies[0]), post(bodies[1]), live, *map(post, bodies[2:])]))
        found = answers(connection, 6)
    assert [status for status, _, _ in found] == [200, 200, 200, 200, 400, 200]
    assert [len(answer.get("probabilities", [])) for _, _, answer in found] == [1, 100, 0, 2, 0, 3]
    assert found[2][2] == {"live": True}


@pytest.mark.parametrize(
    "path", ["/predict?trace=1", "/%70redict", "http://x/predict", "/v2/models/flight%2Ddelay/infer"]
)
def test_a_path_may_be_written_in_other_ways(small: Server, one: bytes, path: str) -> None:
    with connect(small) as connection:
        connection.sendall(post(one, path=path))
        ((status, _, answer),) = answers(connection, 1)
    assert (status, "inputs" in answer.get("error", "")) == ((400, True) if "infer" in path else (200, False))


def test_the_connection_ends_when_the_client_says_so(small: Server, one: bytes) -> None:
    for request in (post(one, "connection: close"), post(one).replace(b"HTTP/1.1", b"HTTP/1.0")):
        with connect(small) as connection:
            connection.sendall(request)
            ((status, headers, _),) = answers(connection, 1)
            assert (status, headers["connection"]) == (200, "close")
            assert connection.recv(1) == b""


def test_a_client_that_asks_first_is_told_to_go_on(small: Server, one: bytes) -> None:
    with connect(small) as connection:
        connection.sendall(post(one, "expect: 100-continue")[: -len(one)])
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(one)
        assert answers(connection, 1)[0][0] == 200


@pytest.mark.parametrize(
    "start",
    [
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n{",
    ],
)
def test_who_breaks_off_leaves_no_trace(small: Server, one: bytes, start: bytes) -> None:
    for _ in range(5):
        with connect(small) as connection:
            connection.sendall(start)
            time.sleep(0.02)
    assert until(lambda: small.metric("slipway_in_flight") == 0)
    assert small.call("/predict", one)[0] == 200


def test_who_sends_ahead_fills_no_memory(small: Server, rows: Any) -> None:
    """The server reads on when it has answered: its memory is not the client's mailbox."""
    request = post(json.dumps({"rows": rows[:60]}).encode())
    before = small.metric("process_resident_memory_bytes")
    with connect(small) as connection:
        connection.settimeout(1)
        end, sent = time.monotonic() + 2, 0
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < end:
                connection.sendall(request)
                sent += len(request)
        assert small.metric("process_resident_memory_bytes") < before + 40e6, sent
    assert until(lambda: small.metric("slipway_in_flight") == 0)
    assert small.call("/predict", json.dumps({"rows": rows[:1]}).encode())[0] == 200
