"""Requests that offer another protocol (``Upgrade``): the offer is passed over, and a body stays a body.

A server may ignore Upgrade (RFC 9110 §7.8). What it may not do is to take a request's body for the next request: behind
a proxy that counts otherwise, one caller's bytes would be another's request.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.serving.conftest import *  # noqa: F403  the fixtures: a model and a server with it
from tests.serving.conftest import TOKEN, Server, until
from tests.serving.test_protocol import answers, connect

H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA")
OFFERS = {
    "h2c": H2C,
    "websocket": ("Connection: upgrade", "Upgrade: websocket", "sec-websocket-version: 13"),
    "in two headers": ("connection: keep-alive", "connection: upgrade", "upgrade: TLS/1.0", "upgrade: h2c"),
}
LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"


def request(method: str, path: str, headers: tuple[str, ...], body: bytes, chunked: bool = False) -> bytes:
    """A request whose body is framed by its length or in two chunks."""
    framing = ("transfer-encoding: chunked",) if chunked else (f"content-length: {len(body)}",)
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *headers, *framing]).encode() + b"\r\n\r\n"
    parts = [body[: len(body) // 2], body[len(body) // 2 :]]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
    return head + (chunks if chunked else body)


@pytest.fixture(scope="module")
def one(rows: Any) -> bytes:
    return json.dumps({"rows": rows[:1]}).encode()


def exchange(server: Server, pieces: Iterator[bytes], count: int) -> list[tuple[int, dict[str, str], Any]]:
    with connect(server) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return answers(connection, count)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_a_prediction_that_offers_another_protocol_is_answered(
    server: Server, one: bytes, offer: tuple[str, ...], chunked: bool
) -> None:
    """With what was sent ahead behind it, and each with the answer that it has without the offer."""
    plain = exchange(server, iter([request("POST", "/predict", (), one)]), 1)[0][2]
    sent = request("POST", "/predict", offer, one, chunked)
    found = exchange(server, iter([sent + LIVE + sent + request("POST", "/predict", (), one)]), 4)
    assert [(status, answer) for status, _, answer in found] == [
        (200, plain), (200, {"live": True}), (200, plain), (200, plain),
    ]  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_repository_call_and_a_get_that_offer_another_protocol_are_answered(server: Server, chunked: bool) -> None:
    key = (f"authorization: Bearer {TOKEN}",)
    calls = [
        request("POST", "/v2/repository/models/new/load", H2C + key, b'{"parameters": {"uri": "nowhere"}}', chunked),
        request("POST", "/v2/repository/index", H2C + key, b"{}", chunked),
        request("GET", "/v2/health/live", H2C, b""),
    ]
    found = exchange(server, iter([b"".join(calls) + LIVE]), 4)
    assert [status for status, _, _ in found] == [400, 200, 200, 200]
    assert "there is no such folder" in found[0][2]["error"]
    assert found[1][2][0]["name"] == "flight-delay"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("path", ["/predict", "/v2/repository/index"])
def test_a_body_is_never_read_as_a_request_however_the_packets_are_cut(
    server: Server, path: str, chunked: bool
) -> None:
    """The body is itself a request. Cut at every byte, and byte by byte: two requests, two answers, and no third."""
    inner = request("POST", "/v2/repository/models/flight-delay/unload", (f"authorization: Bearer {TOKEN}",), b"{}")
    sent = request("POST", path, (*H2C, f"authorization: Bearer {TOKEN}"), inner, chunked)
    expected = 400 if path == "/predict" else 200
    cuts = [[sent[:at], sent[at:] + LIVE] for at in range(1, len(sent), 7)]
    for pieces in [*cuts, [sent[at : at + 1] for at in range(len(sent))] + [LIVE]]:
        found = exchange(server, iter(pieces), 2)
        assert [status for status, _, _ in found] == [expected, 200]
        assert found[1][2] == {"live": True}
    assert server.call("/v2/models/flight-delay/ready")[0] == 200


@pytest.mark.parametrize(
    "framing",
    [
        ("content-length: 5", "transfer-encoding: chunked"),
        ("content-length: 5", "content-length: 6"),
        ("transfer-encoding: chunked, identity",),
        ("transfer-encoding : chunked",),
        ("content-length: +5",),
        ("x: a\r\n content-length: 5",),
        ("x: a\rcontent-length: 5",),
        ("x: a\ncontent-length: 5",),
    ],
)
def test_a_body_of_two_lengths_ends_the_connection(server: Server, framing: tuple[str, ...]) -> None:
    """What two readers may read in two ways is no request, with the offer as without it."""
    for offer in (H2C, ()):
        head = "\r\n".join(["POST /predict HTTP/1.1", "host: x", *offer, *framing]).encode() + b"\r\n\r\n"
        with connect(server) as connection:
            connection.sendall(head + b"0\r\n\r\n" + LIVE)
            stream = connection.makefile("rb").read()
        assert stream.startswith(b"HTTP/1.1 400 ") and b"connection: close" in stream
        assert stream.count(b"HTTP/1.1") == 1, "what stood behind it was answered"


def test_connect_is_refused_and_what_follows_is_not_read(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n" + LIVE)
        stream = connection.makefile("rb").read()
    assert stream.startswith(b"HTTP/1.1 400 ") and stream.count(b"HTTP/1.1") == 1


def test_an_offer_before_the_answer_of_another_keeps_the_order(server: Server, rows: Any, one: bytes) -> None:
    """A large batch goes to a thread; the offer behind it neither overtakes it nor is taken for its end."""
    large = json.dumps({"rows": rows}).encode()
    sent = request("POST", "/predict", (), large) + request("POST", "/predict", H2C, one) + LIVE
    found = exchange(server, iter([sent]), 3)
    assert [len(answer.get("probabilities", [])) for _, _, answer in found] == [len(rows), 1, 0]


def test_a_client_that_offers_and_asks_first_is_told_to_go_on(server: Server, one: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(request("POST", "/predict", (*H2C, "expect: 100-continue"), one)[: -len(one)])
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(one)
        assert answers(connection, 1)[0][0] == 200


def test_who_breaks_off_in_the_body_leaves_no_trace(server: Server, one: bytes) -> None:
    for _ in range(5):
        with connect(server) as connection:
            connection.sendall(request("POST", "/predict", H2C, one)[:-10])
            time.sleep(0.02)
    assert until(lambda: server.metric("slipway_in_flight") == 0)


def test_many_offers_in_one_packet_are_all_answered(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(request("GET", "/v2/health/live", H2C, b"") * 300)
        assert {status for status, _, _ in answers(connection, 300)} == {200}


def test_curl_with_http2(server: Server, one: bytes, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if not curl or "HTTP2" not in subprocess.run([curl, "--version"], capture_output=True, text=True).stdout:
        missing("curl with HTTP2 is not installed here")
    (tmp_path / "body.json").write_bytes(one)
    ended = subprocess.run(
        [curl, "-sS", "--http2", "-H", "content-type: application/json", "-d", f"@{tmp_path}/body.json",
         f"{server.url}/predict", "--next", "-sS", "--http2", f"{server.url}/v2/health/live"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout.partition("}}")[0] + "}}")["probabilities"]) == 1
    assert ended.stdout.endswith('{"live":true}')


_JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;

public class Ask {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 3; i++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(args[0]))
                .header("content-type", "application/json")
                .POST(i < 2 ? HttpRequest.BodyPublishers.ofFile(Path.of(args[1]))
                            : HttpRequest.BodyPublishers.ofInputStream(() -> {
                                try { return Files.newInputStream(Path.of(args[1])); }
                                catch (java.io.IOException e) { throw new java.io.UncheckedIOException(e); }
                            }))
                .build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""


def test_java_s_own_client_as_it_comes(server: Server, one: bytes, tmp_path: Path) -> None:
    """It offers h2c with every first request of a connection; the third body is chunked."""
    java = shutil.which("java")
    if not java or not shutil.which("javac"):
        missing("no JDK is installed here (Java's default HTTP client)")
    (tmp_path / "body.json").write_bytes(one)
    (tmp_path / "Ask.java").write_text(_JAVA)
    ended = subprocess.run(
        [java, str(tmp_path / "Ask.java"), f"{server.url}/predict", str(tmp_path / "body.json")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 3 and all(line.startswith('200 {"probabilities":[') for line in lines), ended.stdout
