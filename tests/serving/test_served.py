"""A real server for as long as a block lasts, and not a moment longer."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from slipway.errors import UserError
from slipway.serving.served import free_port, latencies, served
from tests.gate.conftest import *  # noqa: F403  the fixture: models to serve
from tests.gate.conftest import Workshop
from tests.search.test_tune import environment


def rows(workshop: Workshop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((workshop.folder / "data/prepared/sample.json").read_text())
    return found


def listens(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


def test_a_model_is_served_and_the_process_ends_with_the_block_even_on_an_exception(
    workshop: Workshop, tmp_path: Path
) -> None:
    model, log = workshop.folder / "models/challenger", tmp_path / "logs/server.log"
    with pytest.raises(ZeroDivisionError), served(model, "challenger", log) as address:
        connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
        connection.request("GET", "/v2/models/challenger/ready")
        assert connection.getresponse().status == 200
        connection.close()
        times = latencies(address, rows(workshop), 30, warm_up=3)
        assert len(times) == 30
        assert min(times) > 0
        with pytest.raises(UserError, match=r"answered 4\d\d to a row of the hold-out: .*carrier"):
            latencies(address, [rows(workshop)[0] | {"carrier": "??"}], 1)
        1 / 0  # noqa: B018
    assert not listens(address)
    assert "stopped" in log.read_text()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"the server ended at its start: .*no-model"),
        served(tmp_path / "no-model", "x", tmp_path / "server.log"),
    ):
        pytest.fail("the block was entered")


def test_sigterm_to_the_one_who_serves_ends_the_server(workshop: Workshop, tmp_path: Path) -> None:
    lines = (
        "import sys, time; from pathlib import Path; from slipway.serving.served import served\n"
        "with served(Path(sys.argv[1]), 'm', Path(sys.argv[2])) as address:\n"
        "    print(address, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", lines, workshop.folder / "models/challenger", tmp_path / "log"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert listens(address)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    finally:
        process.kill()
        process.communicate()
    assert not listens(address)


def test_a_server_that_stops_answering_is_a_sentence(workshop: Workshop) -> None:
    class Once(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if server.answered < 2:
                server.answered += 1
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            else:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Quietly."""

    class Server(ThreadingHTTPServer):
        answered = 0

    server = Server(("127.0.0.1", 0), Once)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        with pytest.raises(UserError, match="the server stopped answering after 2 requests"):
            latencies(f"http://127.0.0.1:{server.server_port}", rows(workshop), 5, warm_up=0)
    finally:
        server.shutdown()
        server.server_close()


def test_a_free_port_is_free() -> None:
    assert not listens(f"http://127.0.0.1:{free_port()}")
