"""Models come, are replaced and go while the server runs, and nobody's request fails for it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import TOKEN, Server, serving

KEY = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def running(folder: Path) -> Iterator[Server]:
    with serving("--model", str(folder), "--version", "1", env={"SLIPWAY_ADMIN_TOKEN": TOKEN}) as server:
        yield server


def load(server: Server, name: str, uri: Path, version: str) -> tuple[int, Any]:
    body = {"parameters": {"uri": str(uri), "version": version}}
    return server.call(f"/v2/repository/models/{name}/load", body, KEY)


def test_a_second_model_comes_and_goes(running: Server, other_folder: Path, rows: Any) -> None:
    first = running.call("/predict", {"rows": rows[:3]})
    assert load(running, "other", other_folder, "9") == (200, {"name": "other", "version": "9"})
    state = {"state": "READY", "reason": ""}
    assert running.call("/v2/repository/index", {}, KEY)[1] == [
        {"name": "flight-delay", "version": "1", **state},
        {"name": "other", "version": "9", **state},
    ]
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in rows[0].items()]
    status, answer = running.call("/v2/models/other/infer", {"inputs": inputs})
    assert status == 200 and answer["model_version"] == "9"
    assert answer["outputs"][0]["data"][0] != first[1]["probabilities"][0]
    assert running.call("/predict", {"rows": rows[:3]}) == first
    assert running.metric('slipway_model_loads_total{outcome="loaded"}') == 1
    assert running.call("/v2/repository/models/other/unload", {}, KEY)[0] == 200
    assert running.call("/v2/models/other/infer", {"inputs": inputs})[0] == 404
    assert 'model="other"' not in running.call("/metrics")[1]


def test_replacing_under_load_fails_no_request(running: Server, folder: Path, other_folder: Path, rows: Any) -> None:
    seen: set[str] = set()
    bad: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            status, answer = running.call("/predict", {"rows": rows[:2]})
            if status != 200:
                bad.append((status, answer))
            else:
                seen.add(answer["model"]["version"])

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask) for _ in range(4)]
        try:
            for version, uri in (("2", other_folder), ("3", folder), ("4", other_folder), ("5", folder)):
                assert load(running, "flight-delay", uri, version)[0] == 200
        finally:
            stop.set()
        for asker in askers:
            asker.result(60)  # a connection that was dropped ends in an error
    assert bad == []
    assert len(seen) > 1
    assert running.call("/predict", {"rows": rows[:2]})[1]["model"]["version"] == "5"


def test_a_model_that_answers_wrongly_replaces_nothing(
    running: Server, folder: Path, tmp_path: Path, rows: Any
) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "broken")
    golden = tmp_path / "broken/golden.json"
    golden.write_text(golden.read_text().replace('"answers": [\n    0.', '"answers": [\n    9.'))
    before = running.call("/predict", {"rows": rows[:3]})
    status, answer = load(running, "flight-delay", tmp_path / "broken", "2")
    assert status == 400
    assert "flight-delay stays as it was" in answer["error"] and "golden rows wrongly" in answer["error"]
    assert running.call("/predict", {"rows": rows[:3]}) == before
    assert running.metric('slipway_model_loads_total{outcome="refused"}') == 1


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"parameters": {"uri": "nowhere"}}, 400, "there is no such folder"),
        ({"parameters": {"uri": 5}}, 400, "the body must be"),
        ({"parameters": 5}, 400, "the body must be"),
        (b"{", 400, "not JSON"),
        ({}, 400, "the body must be"),
    ],
)
def test_a_wrong_load_is_a_sentence(server: Server, body: Any, status: int, says: str) -> None:
    found, answer = server.call("/v2/repository/models/new/load", body, KEY)
    assert (found, says in answer["error"]) == (status, True)


def test_reloading_needs_no_address(running: Server, rows: Any) -> None:
    assert running.call("/v2/repository/models/flight-delay/load", {}, KEY)[0] == 200
    assert running.call("/predict", {"rows": rows[:1]})[0] == 200


def test_reloading_keeps_what_the_command_line_said(bare_folder: Path) -> None:
    """Its version, when that was registered, and that it is to be compiled; all of it was known to nobody else."""
    flags = ("--version", "flight-delay/3", "--registered-at", "2026-01-02T03:04:05+00:00", "--compile")
    created = 'slipway_model_created_timestamp_seconds{model="flight-delay",version="3"}'
    path = "/v2/repository/models/flight-delay/load"
    with serving("--model", str(bare_folder), *flags, env={"SLIPWAY_ADMIN_TOKEN": TOKEN}) as server:
        about = server.call("/v2/models/flight-delay")
        assert about[1]["platform"].startswith("onnxruntime")
        for parameters in ({}, {"version": "3"}, {"uri": str(bare_folder)}, {"version": "flight-delay/3"}):
            assert server.call(path, {"parameters": parameters}, KEY) == (200, {"name": "flight-delay", "version": "3"})
            assert server.call("/v2/models/flight-delay") == about
            assert server.metric(created) == 1767323045
        assert server.call(path, {"parameters": {"version": "4"}}, KEY)[1]["version"] == "4"
        assert server.metric(created.replace("3", "4")) > 1767323045, "another version, registered who knows when"
        assert server.call(path, {}, KEY)[1]["version"] == "4"


def test_the_environment_s_word_is_kept_too(folder: Path) -> None:
    said = {"SLIPWAY_MODEL_VERSION": "m/5", "SLIPWAY_MODEL_REGISTERED_AT": "2026-01-02T03:04:05Z"}
    with serving("--model", str(folder), env=said | {"SLIPWAY_ADMIN_TOKEN": TOKEN}) as server:
        assert server.call("/v2/repository/models/flight-delay/load", {}, KEY)[1]["version"] == "5"
        created = 'slipway_model_created_timestamp_seconds{model="flight-delay",version="5"}'
        assert server.metric(created) == 1767323045


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_from_a_file_and_any_case_of_bearer(folder: Path, scheme: str) -> None:
    with serving("--model", str(folder), env={"SLIPWAY_ADMIN_TOKEN": TOKEN + "\n"}) as server:
        assert server.call("/v2/repository/index", {}, {"authorization": f"{scheme} {TOKEN}"})[0] == 200
        assert server.call("/v2/repository/index", {}, {"authorization": f"{scheme} {TOKEN}x"})[0] == 401


def test_who_is_turned_away_is_told_how_to_ask(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/v2/repository/index", b"{}")
    assert (refused.value.code, refused.value.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("uri", ["s3://[x", "s3://b]/x", "a" * 5000, "/" + "a/" * 2500, "s3://" + "b" * 5000 + "/m"])
def test_an_address_that_is_none_is_a_sentence(server: Server, uri: str) -> None:
    status, answer = server.call("/v2/repository/models/new/load", {"parameters": {"uri": uri}}, KEY)
    assert status == 400
    assert answer["error"].startswith("new stays as it was: --model ") and "\n" not in answer["error"]


@pytest.mark.parametrize(
    "path", ["/v2/repository/index", "/v2/repository/models/x/load", "/v2/repository/models/x/unload"]
)
def test_the_token_is_needed(server: Server, path: str) -> None:
    for key in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"authorization": "Bearer ünsinn"}):
        headers = {name: value.encode().decode("latin-1") for name, value in key.items()}
        assert server.call(path, {}, headers)[0] == 401


def test_without_a_token_nobody_may(folder: Path) -> None:
    with serving("--model", str(folder), env={"SLIPWAY_ADMIN_TOKEN": ""}) as plain:
        assert plain.call("/v2/repository/index", {}, {"authorization": "Bearer "})[0] == 403


def test_unloading_the_last_model_denies_readiness(running: Server) -> None:
    assert running.call("/v2/repository/models/flight-delay/unload", {}, KEY)[0] == 200
    assert running.call("/v2/health/ready")[0] == 503
    assert running.call("/v2/health/live")[0] == 200
    assert running.call("/predict", {"rows": []})[0] == 404
