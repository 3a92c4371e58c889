"""The load test tells bad requests from a bad server, and its exit code is the promise."""

from __future__ import annotations

import argparse
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from slipway.__main__ import main
from slipway.errors import UserError
from slipway.serving.load import Recorder, as_prometheus, check_target, judge
from tests.serving.conftest import *  # noqa: F403  the fixtures: a model and a server with it


@pytest.fixture(scope="module")
def sample_file(rows: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "sample.json"
    path.write_text(json.dumps(rows))
    return path


def load(url: str, sample: Path, out: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    code = main(
        ["load", "--url", url, "--rows", str(sample), "--out", str(out), "--seconds", "3", "--users", "4", *flags]
    )
    return code, json.loads((out / "load.json").read_text())


@pytest.fixture
def stand_in() -> Iterator[Any]:
    """A server that answers every request with one status and body; ``start(status, body)`` gives its address.

    ``start.paths`` are the paths that were asked for since.
    """
    servers = []

    def start(status: int, body: bytes) -> str:
        start.paths = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                start.paths.append(self.path)
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_real_server_keeps_its_promises(server: Any, sample_file: Path, tmp_path: Path) -> None:
    code, report = load(
        server.url, sample_file, tmp_path, "--bad-share", "0.2", "--p99-ms", "5000", "--failure-share", "0"
    )
    assert code == 0, report["promises"]
    assert report["lasted_seconds"] >= 3  # as long as it was asked to, however long the start took
    assert report["outcomes"]["answered"] == report["requests"] > 0
    assert report["bad_rows"]["refused"] == report["bad_rows"]["requests"]
    assert set(report["paths"]) <= {"one row", "32 rows", "V2, one row"}
    assert sum(second["rps"] for second in report["series"]) == report["requests"]
    assert report["histogram"][-1]["count"] == report["requests"]
    assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"] <= report["max_ms"]
    assert "<html" in (tmp_path / "report.html").read_text().lower()
    assert 'slipway_load_requests{outcome="answered"}' in (tmp_path / "load.prom").read_text()


def test_a_promise_that_is_too_good_is_broken(server: Any, sample_file: Path, tmp_path: Path, capsys: Any) -> None:
    code, report = load(server.url, sample_file, tmp_path, "--p99-ms", "0.01", "--shape", "spike")
    assert code == 1
    assert "BROKEN: p99 was" in capsys.readouterr().out
    assert report["failures"] == 0


def test_a_server_that_fails_is_told_from_bad_rows(stand_in: Any, sample_file: Path, tmp_path: Path) -> None:
    code, report = load(stand_in(500, b"{}"), sample_file, tmp_path)
    assert code == 1
    assert report["outcomes"]["server_error"] == report["requests"] > 0
    assert report["p99_ms"] is None
    assert report["promises"]["broken"][0] == "not one right request was answered."


def test_a_server_that_takes_wrong_rows_breaks_the_promise(stand_in: Any, sample_file: Path, tmp_path: Path) -> None:
    url = stand_in(200, json.dumps({"probabilities": []}).encode())
    code, report = load(url, sample_file, tmp_path, "--bad-share", "0.5", "--failure-share", "1", "--p99-ms", "5000")
    assert code == 1
    assert report["bad_rows"]["answered"] > 0
    assert any("were not refused" in sentence for sentence in report["promises"]["broken"])
    assert report["outcomes"]["wrong_answer"] == report["requests"] > 0  # no probability for any row


@pytest.mark.parametrize("body", [b"<html>a proxy's page</html>", b'{"outputs": []}'])
def test_an_answer_that_is_none_is_counted_as_a_wrong_one(
    body: bytes, stand_in: Any, sample_file: Path, tmp_path: Path
) -> None:
    code, report = load(stand_in(200, body), sample_file, tmp_path)
    assert code == 1
    assert report["outcomes"]["wrong_answer"] == report["requests"] > 0


def test_a_server_that_hangs_up_gives_no_answer(sample_file: Path, tmp_path: Path, capsys: Any) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        code, report = load(address, sample_file, tmp_path)
        server.shutdown()
    assert code == 1
    said = capsys.readouterr().out
    assert f"BROKEN: nobody answered at {address}." in said and "None" not in said
    assert report["outcomes"]["no_answer"] == report["requests"] > 0


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080", "http://127.9.9.9"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    check_target(url, allow_remote=False)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "http://example.com:8080", "http://localhost.example.com", "http://0.0.0.0"]
)
def test_other_machines_need_a_word(url: str) -> None:
    with pytest.raises(UserError, match="--allow-remote"):
        check_target(url, allow_remote=False)
    check_target(url, allow_remote=True)


def test_a_slash_at_the_end_and_a_path_before_are_no_matter(server: Any, sample_file: Path, tmp_path: Path) -> None:
    code, report = load(f"{server.url}//", sample_file, tmp_path, "--p99-ms", "5000", "--failure-share", "0")
    assert (code, report["failures"], report["url"]) == (0, 0, server.url)
    assert report["requests"] > 0


def test_a_path_is_kept_for_the_proxy_that_needs_it(stand_in: Any, sample_file: Path, tmp_path: Path) -> None:
    address = stand_in(500, b"{}")
    _, report = load(f"{address}/seldon/production/served/", sample_file, tmp_path)
    assert report["url"] == f"{address}/seldon/production/served"
    assert set(stand_in.paths) == {
        f"/seldon/production/served{path}" for path in ("/predict", "/v2/models/flight-delay/infer")
    }


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8080", "ftp://127.0.0.1", "http://", "nonsense", "http://127.0.0.1?a=b", "http://127.0.0.1/#a",
     "http://127.0.0.1:none", "http://[::1", "http://127.0.0.1:99999"],
)  # fmt: skip
def test_a_wrong_address_is_a_sentence(url: str) -> None:
    with pytest.raises(UserError, match="expected http://host:port"):
        check_target(url, allow_remote=True)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--seconds", "0"], "--seconds and --users must be 1 or more"),
        (["--bad-share", "1"], "--bad-share from 0 to below 1"),
        (["--rows", "nowhere.json"], "nowhere.json is missing"),
    ],
)
def test_wrong_flags_are_a_sentence(flags: list[str], says: str, capsys: Any) -> None:
    assert main(["load", *flags]) == 2
    assert says in capsys.readouterr().err


def test_percentiles_are_by_nearest_rank() -> None:
    recorder = Recorder()
    for milliseconds in range(1, 101):
        recorder.good("one row", "answered", milliseconds, 1)
    recorder.good("one row", "turned_away", 9999, 1)
    report = recorder.report()
    assert (report["p50_ms"], report["p95_ms"], report["p99_ms"], report["max_ms"]) == (50, 95, 99, 100)
    assert (report["requests"], report["failures"], report["outcomes"]["turned_away"]) == (101, 1, 1)
    assert {bucket["le_ms"]: bucket["count"] for bucket in report["histogram"]}[20] == 20
    report["promises"] = judge(report, p99_ms=99, failure_share=0.01)
    assert report["promises"]["kept"]
    assert "slipway_load_promises_kept 1" in as_prometheus(report)
    assert not judge(report, p99_ms=98.9, failure_share=0.01)["kept"]
    assert not judge(report, p99_ms=99, failure_share=0.009)["kept"]


def test_the_verb_s_help_names_every_flag(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["load", "--help"])
    parser = argparse.ArgumentParser()
    from slipway.serving import load as module

    module.add_arguments(parser)
    text = capsys.readouterr().out
    assert all(option in text for action in parser._actions for option in action.option_strings)
