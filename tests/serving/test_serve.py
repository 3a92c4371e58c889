"""A real server process: what it answers, what it refuses, how it starts and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.errors import UserError
from slipway.learning.ensemble import load_ensemble
from slipway.problem.features import row_encoder
from slipway.serving.model import load_model
from slipway.serving.source import fetched
from tests.conftest import missing
from tests.serving.conftest import ROOT, Server, serving, until
from tests.serving.departures import schema_json


def refused_to_start(*flags: str, env: dict[str, str] | None = None) -> str:
    """The one sentence of a `slipway serve` that could not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "slipway", "serve", "--port", "0", *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_answers_rows_as_xgboost_does(server: Server, folder: Path, rows: Any) -> None:
    ensemble = load_ensemble(folder)
    encode = row_encoder(ensemble.schema)
    expected = ensemble.predict(np.array([encode(row) for row in rows], dtype=np.float32))
    status, answer = server.call("/predict", {"rows": rows})
    assert status == 200
    assert answer["model"] == {"name": "flight-delay", "version": "7"}
    assert np.abs(np.array(answer["probabilities"]) - expected).max() < 1e-6


def test_one_row_and_many_agree(server: Server, rows: Any) -> None:
    _, many = server.call("/predict", {"rows": rows})
    alone = [server.call("/predict", {"rows": [row]})[1]["probabilities"][0] for row in rows[:20]]
    assert np.abs(np.array(alone) - many["probabilities"][:20]).max() < 1e-6


def test_ignores_columns_the_model_does_not_use(server: Server, rows: Any) -> None:
    plain = server.call("/predict", {"rows": rows[:1]})
    assert server.call("/predict", {"rows": [rows[0] | {"tailnum": "N14228", "flight": 1545}]}) == plain


def test_v2_tensor_and_v2_columns_agree_with_rows(server: Server, rows: Any, features: np.ndarray) -> None:
    some = rows[:3]
    _, plain = server.call("/predict", {"rows": some})
    columns = [
        {"name": name, "shape": [3], "datatype": "BYTES" if isinstance(some[0][name], str) else "FP64",
         "data": [row[name] for row in some]}
        for name in some[0]
    ]  # fmt: skip
    status, answer = server.call("/v2/models/flight-delay/infer", {"id": "a-1", "inputs": columns})
    assert status == 200
    assert answer["id"] == "a-1" and answer["model_name"] == "flight-delay" and answer["model_version"] == "7"
    (output,) = answer["outputs"]
    assert output == {"name": "probability", "datatype": "FP32", "shape": [3], "data": plain["probabilities"]}

    encode = row_encoder(schema_json())
    flat = [None if value != value else value for row in some for value in encode(row)]
    for data in (flat, [flat[:16], flat[16:32], flat[32:]]):
        tensor = {"name": "features", "shape": [3, 16], "datatype": "FP32", "data": data}
        status, answer = server.call("/v2/models/flight-delay/versions/7/infer", {"inputs": [tensor]})
        assert (status, answer["outputs"][0]["data"]) == (200, plain["probabilities"])


def test_v2_metadata_and_health(server: Server) -> None:
    assert server.call("/v2/health/live") == (200, {"live": True})
    assert server.call("/v2/health/ready") == (200, {"ready": True})
    assert server.call("/v2")[1]["extensions"] == ["model_repository"]
    assert server.call("/v2/models/flight-delay/ready") == (200, {"name": "flight-delay", "ready": True})
    assert server.call("/v2/models/other/ready")[0] == 404
    status, about = server.call("/v2/models/flight-delay")
    assert status == 200 and about["versions"] == ["7"] and about["platform"].startswith("onnxruntime_")
    assert len(about["inputs"]) == 16 and len(about["parameters"]["features"]) == 16


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: _without(row, "carrier"), "row 0, column carrier: is missing, expected one of 9E, AA"),
        (lambda row: _without(row, "wind_gust"), "row 0, column wind_gust: is missing"),
        (lambda row: row | {"carrier": "XX"}, 'row 0, column carrier: found "XX", expected one of 9E, AA'),
        (lambda row: row | {"carrier": None}, "row 0, column carrier: found null"),
        (lambda row: row | {"dest": ["ORD"]}, "row 0, column dest: found a list of 1"),
        (lambda row: row | {"temp": "hot"}, 'column temp: found "hot", expected a number from -40 to 130 (°F) or not'),
        (lambda row: row | {"temp": 1e30}, "column temp: found 1e+30"),
        (lambda row: row | {"temp": True}, "column temp: found true"),
        (lambda row: row | {"distance": 10.5}, "column distance: found 10.5, expected a whole number from 1 to 6000"),
        (lambda row: row | {"sched_dep_time": 1260}, "column sched_dep_time: found 1260, expected a time of day"),
        (lambda row: row | {"date": "2013-02-30"}, 'column date: found "2013-02-30", expected a date as YYYY-MM-DD'),
        (lambda row: row | {"date": "2013-W01-1"}, "column date: found"),
        (lambda row: 5, "row 0: found 5, expected an object"),
    ],
)  # fmt: skip
def test_a_bad_value_is_a_sentence(server: Server, rows: Any, change: Any, says: str) -> None:
    status, answer = server.call("/predict", {"rows": [change(rows[0])]})
    assert status == 400
    assert says in answer["error"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([], 'must be {"inputs"'),
        ([5], "input 0: found 5"),
        ([{"name": "x", "shape": [1, 16], "datatype": "FP32", "data": [0.0] * 15}], "found 15 values, expected 16"),
        ([{"name": "x", "shape": [1, 15], "datatype": "FP32", "data": [0.0] * 15}], "expected [rows, 16]"),
        ([{"name": "x", "shape": [1, 16], "datatype": "FP32", "data": ["1"] * 16}], 'found "1", expected a whole'),
        ([{"name": "x", "shape": [1, 16], "datatype": "FP33", "data": [1] * 16}], "datatype: found"),
        ([{"name": "x", "shape": [1, 16], "datatype": "FP32", "data": [1e39] * 16}], "feature departure_minute"),
        ([{"name": "x", "shape": [1, 16], "datatype": "FP32", "data": [1, 1, 1, 99] + [1] * 12}], "feature carrier"),
        ([{"name": "x", "shape": [-1], "datatype": "FP32", "data": []}], "shape: found"),
        ([{"name": "color", "shape": [1], "datatype": "FP32", "data": [1]}], "no such column"),
        ([{"name": "temp", "shape": [1], "datatype": "FP32", "data": [1]}], "column date: is missing"),
    ],
)
def test_a_bad_tensor_is_a_sentence(server: Server, inputs: Any, says: str) -> None:
    status, answer = server.call("/v2/models/flight-delay/infer", {"inputs": inputs})
    assert status == 400
    assert says in answer["error"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "says"),
    [
        ("/predict", b"{", {}, 400, "not JSON"),
        ("/predict", b"", {}, 400, "not JSON"),
        ("/predict", b'{"rows": [{"temp": NaN}]}', {}, 400, "not JSON"),
        ("/predict", b"[" * 100_000, {}, 400, "not JSON"),
        ("/predict", b"\xff\xfe", {}, 400, "not JSON"),
        ("/predict", b"{}", {}, 400, "the body must be"),
        ("/predict", b'{"rows": []}', {}, 400, "at least one"),
        ("/predict", b'{"rows": [' + b"1," * 1024 + b"1]}", {}, 413, "found 1025 rows, expected 1024"),
        ("/predict", b" " * (4 * 1024 * 1024 + 1), {}, 413, "larger than"),
        ("/predict", b"{}", {"content-type": "text/plain"}, 415, "found text/plain, expected application/json"),
        ("/predict", b"{}", {"content-encoding": "gzip"}, 415, "found gzip"),
        ("/v2/models/none/infer", b"{}", {}, 404, "here are: flight-delay version 7"),
        ("/v2/models/flight-delay/versions/8/infer", b"{}", {}, 404, "here are: flight-delay version 7"),
        ("/nowhere", b"{}", {}, 404, "Not Found"),
    ],
)
def test_a_bad_request_is_a_sentence(
    server: Server, path: str, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    found, answer = server.call(path, body, headers)
    assert found == status
    assert says in answer["error"]


def connect(server: Server) -> http.client.HTTPConnection:
    host, port = server.url.removeprefix("http://").split(":")
    return http.client.HTTPConnection(host, int(port), timeout=30)


def test_a_chunked_body_that_is_too_large_is_told_so(server: Server) -> None:
    connection = connect(server)
    connection.putrequest("POST", "/predict")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    for _ in range(65):
        connection.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    connection.send(b"0\r\n\r\n")
    response = connection.getresponse()
    assert response.status == 413
    assert response.getheader("connection") == "close"


def test_a_client_that_asks_first_is_told_before_it_sends(server: Server) -> None:
    connection = connect(server)
    connection.putrequest("POST", "/predict")
    connection.putheader("content-length", str(10**9))
    connection.putheader("expect", "100-continue")
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_is_measured(server: Server, rows: Any) -> None:
    line = 'slipway_requests_total{code="200",path="/predict"}'
    before, refused = server.metric(line), 'slipway_refused_values_total{column="carrier",model="flight-delay",reason='
    unknown = server.metric(refused + '"unknown_category"}')
    server.call("/predict", {"rows": rows[:5]})
    server.call("/predict", {"rows": [rows[0] | {"carrier": "XX"}]})
    assert server.metric(line) == before + 1
    assert server.metric(refused + '"unknown_category"}') == unknown + 1
    assert until(lambda: server.metric("slipway_in_flight") == 0, 10)


def test_a_model_of_any_range_is_answered_and_measured(negative_folder: Path, rows: Any) -> None:
    """Counting answers is not answering: a model with negative answers has them, in small batches and in large ones."""
    with serving("--model", str(negative_folder), "--version", "1") as running:
        for count in (1, 20, 200):
            status, answer = running.call("/predict", {"rows": rows[:count]})
            assert status == 200 and len(answer["probabilities"]) == count and max(answer["probabilities"]) < 0
        for _ in range(600):
            assert running.call("/predict", {"rows": rows[:1]})[0] == 200
        assert running.metric('slipway_score_count{model="flight-delay",version="1"}') == 821
        assert running.metric('slipway_score_bucket{le="0.05",model="flight-delay",version="1"}') == 821
        assert running.metric('slipway_uncounted_rows_total{model="flight-delay",version="1"}') == 0


def test_what_the_manifest_knows_of_the_model_is_a_metric(folder: Path) -> None:
    told = {"SLIPWAY_MODEL_VERSION": "flight-delay/7", "SLIPWAY_MODEL_REGISTERED_AT": "2026-01-01T00:00:00+00:00"}
    with serving("--model", str(folder), env=told) as running:
        which = '{model="flight-delay",version="7"}'
        assert running.metric(f"slipway_model_created_timestamp_seconds{which}") == 1767225600
        assert running.metric(f"slipway_model_loaded_timestamp_seconds{which}") > 1767225600
        (info,) = [line for line in running.call("/metrics")[1].splitlines() if line.startswith("slipway_model_info")]
        assert f'git_sha="{"0" * 40}"' in info, "as metadata.json says"


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_named(folder: Path, time: str) -> None:
    said = refused_to_start("--model", str(folder), "--registered-at", time)
    assert f"--registered-at is '{time}', expected a time as RFC 3339" in said


def test_a_folder_that_was_never_compiled_is_a_sentence(bare_folder: Path) -> None:
    said = refused_to_start("--model", str(bare_folder))
    assert "holds no ensemble.onnx: `python -m slipway register` writes it; or start the server with --compile" in said


def test_compiles_a_copy_when_asked_to(bare_folder: Path) -> None:
    with serving("--model", str(bare_folder), "--compile") as compiled:
        assert compiled.call("/v2/models/flight-delay")[1]["platform"].startswith("onnxruntime")
    assert not (bare_folder / "ensemble.onnx").exists()


def test_finds_the_model_inside_a_downloaded_artifact(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "artifact/data/model")
    with serving("--model", str(tmp_path / "artifact")) as nested:
        assert nested.call("/v2/health/ready")[0] == 200


def test_wrong_golden_answers_are_never_served(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    golden = json.loads((folder / "golden.json").read_text())
    golden["answers"][3] += 0.001
    (tmp_path / "model/golden.json").write_text(json.dumps(golden))
    assert "answers its golden rows wrongly (off by 0.001" in refused_to_start("--model", str(tmp_path / "model"))


@pytest.mark.parametrize("name", ["schema.json", "golden.json", "profile.json", "metadata.json"])
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    assert name in refused_to_start("--model", str(tmp_path / "model"))


def test_a_broken_compiled_file_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model/ensemble.onnx").write_bytes(b"nothing")
    assert "ensemble.onnx is not a model" in refused_to_start("--model", str(tmp_path / "model"))


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("nowhere", "there is no such folder"),
        ("ftp://host/model", "expected a folder, s3://bucket/prefix"),
        ("s3://bucket", "expected s3://bucket/prefix"),
    ],
)
def test_a_model_that_cannot_be_had_is_named(where: str, says: str) -> None:
    assert says in refused_to_start("--model", where)


def test_a_registry_that_nobody_answers_for_is_named() -> None:
    env = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    said = refused_to_start("--model", "models:/flight-delay@champion", env=env)
    assert "--model models:/flight-delay@champion: " in said and "http://127.0.0.1:9" in said


def test_without_mlflow_the_registry_s_storage_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.serving.source.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs MLflow, which is not installed here; name the model's s3:// prefix"):
        fetched("models:/flight-delay/3").__enter__()


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused_to_start("--model", str(folder), "--port", str(port))


def test_sigterm_finishes_what_was_begun(folder: Path, rows: Any) -> None:
    body = json.dumps({"rows": rows}).encode()
    with serving("--model", str(folder), "--drain-seconds", "60") as running:
        slow = connect(running)
        slow.putrequest("POST", "/predict")
        slow.putheader("content-type", "application/json")
        slow.putheader("content-length", str(len(body)))
        slow.endheaders(body[:1000])
        assert running.call("/v2/health/ready")[0] == 200
        running.process.send_signal(signal.SIGTERM)
        while running.call("/v2/health/ready")[0] == 200:  # not ready, yet still answering
            pass
        assert running.call("/predict", {"rows": rows[:1]})[0] == 200
        running.process.send_signal(signal.SIGTERM)  # the second ends the waiting, and nothing that was begun
        threading.Timer(1.0, slow.send, [body[1000:]]).start()
        response = slow.getresponse()
        assert response.status == 200 and len(json.loads(response.read())["probabilities"]) == len(rows)
        assert running.process.wait(timeout=30) == 0


def test_serving_needs_none_of_the_training_libraries(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from slipway.serving import app, metrics, server, serve\n"
        "from slipway.serving.model import load_model\n"
        f"load_model(Path({str(folder)!r}), 'm')\n"
        "heavy = {'pandas', 'pandera', 'mlflow', 'sklearn', 'scipy', 'xgboost', 'onnx', 'yaml', 'pydantic', 'boto3'}\n"
        "ours = {it for it in sys.modules if it.startswith(('slipway.model', 'slipway.learning', 'slipway.names'))}\n"
        "print(*sorted(heavy & set(sys.modules) | ours))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "src", capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == ""


@pytest.mark.parametrize("rest", ["", "/ready"])
def test_a_version_that_is_not_here_is_not_here_on_any_route(server: Server, rest: str) -> None:
    here = server.call(f"/v2/models/flight-delay/versions/7{rest}")
    assert here[0] == 200 and here == server.call(f"/v2/models/flight-delay{rest}")
    status, answer = server.call(f"/v2/models/flight-delay/versions/99{rest}")
    assert (status, "here are: flight-delay version 7" in answer["error"]) == (404, True)


def test_nobody_is_sent_to_the_host_that_he_named(server: Server) -> None:
    for path in ("/v2/models/flight-delay/infer/", "/predict/", "/metrics/", "/v2/"):
        method = "GET" if path in ("/metrics/", "/v2/") else "POST"
        connection = connect(server)
        connection.request(method, path, b"{}", {"host": "evil.example", "content-type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.headers["location"]) == (404, None), path
        assert b"evil" not in response.read()


def test_v2_passes_over_columns_that_the_model_does_not_use(server: Server, rows: Any) -> None:
    """As `/predict` does, whatever is in them; and a lone one is still told what is expected."""
    path = "/v2/models/flight-delay/infer"
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in rows[0].items()]
    plain = server.call(path, {"inputs": inputs})
    for unused in (
        {"name": "tailnum", "shape": [1], "datatype": "BYTES", "data": ["N1"]},
        {"name": "tailnum", "shape": [9, 9, 9], "datatype": "?", "data": None},
        {"name": "tailnum"},
    ):
        for position in (0, 5, len(inputs)):
            assert server.call(path, {"inputs": [*inputs[:position], unused, *inputs[position:]]}) == plain
    status, answer = server.call(path, {"inputs": [*inputs[1:], {"name": "carier"}]})
    assert (status, "is missing" in answer["error"]) == (400, True)


BROKEN = {
    "a kind that is none": ("schema.json", lambda it: it["columns"][0].update(kind="colour"), "colour"),
    "a column without a name": ("schema.json", lambda it: it["columns"][0].pop("name"), "name"),
    "categories that are none": ("schema.json", lambda it: it["columns"][0].update(categories=5), "categories"),
    "no expectation": ("schema.json", lambda it: it["columns"][0].pop("expectation"), "expectation"),
    "columns that are no list": ("schema.json", lambda it: it.update(columns=5), "columns"),
    "features that are no list": ("schema.json", lambda it: it.update(features=None), "features"),
    "no features": ("schema.json", lambda it: it.pop("features"), "features"),
    "a source that is no column": ("schema.json", lambda it: it["features"][0].update(source="x"), "schema.json"),
    "an encoding that is none": ("schema.json", lambda it: it["features"][0].update(encoding="x"), "schema.json"),
    "a range that is none": ("schema.json", lambda it: it["columns"][-1].update(minimum="low"), "minimum"),
    "a column nobody profiled": ("profile.json", lambda it: it["columns"].pop("temp"), "temp"),
    "a profile that is none": ("profile.json", lambda it: it.update(columns=[]), "columns"),
    "another format": ("schema.json", lambda it: it.update(format=1), "format is 1, and this server reads 2"),
    "no format": ("schema.json", lambda it: it.pop("format"), "format is 1, and this server reads 2"),
    "no task": ("schema.json", lambda it: it.pop("task"), "task"),
    "a task that is none": ("schema.json", lambda it: it["task"].update(kind="guess"), "guess"),
    "an output that is not the graph's": (
        "schema.json",
        lambda it: it["output"].update(name="score"),
        "expected score",
    ),
    "a width of another task": (
        "schema.json",
        lambda it: it["output"].update(width=3),
        "0 classes and output a width of 3",
    ),
    "no tolerance": ("schema.json", lambda it: it.pop("tolerance"), "tolerance"),
    "drift of a feature that is none": ("schema.json", lambda it: it["columns"][0]["drift"].update(feature=99), "99"),
    "buckets that are too few": ("schema.json", lambda it: it["columns"][7]["drift"]["buckets"].pop(), "buckets"),
    "a feature too many": ("schema.json", lambda it: it["features"].append(it["features"][0]), "17 features"),
    "nothing answered in training": ("profile.json", lambda it: it.pop("scores"), "scores"),
    "golden answers of another shape": ("golden.json", lambda it: it.update(answers=[it["answers"]]), "golden.json"),
    "lineage that is none": ("metadata.json", lambda it: it.update(lineage=5), "lineage"),
    "golden rows that are none": ("golden.json", lambda it: it.update(rows=5), "golden.json"),
    "answers that are none": ("golden.json", lambda it: it.update(answers="x"), "golden.json"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_is_not_as_it_should_be_is_a_sentence(case: str, folder: Path, tmp_path: Path) -> None:
    """What would fail a request, or every scrape, is found when it is loaded."""
    name, harm, says = BROKEN[case]
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / name
    content = json.loads(path.read_text())
    harm(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=says) as refused:
        load_model(tmp_path / "model", "m")
    assert str(tmp_path / "model") in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.services
def test_keys_that_are_file_and_folder_at_once_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    """S3 has no folders, a disk has: `m/a` beside `m/a/b` cannot both be had."""
    import boto3

    from tests.services.processes import NotInstalled
    from tests.services.s3 import S3

    try:
        storage = S3(tmp_path, "models")
    except NotInstalled as error:
        missing(str(error))
    try:
        for name, value in storage.env.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        for key in ("m/a/b", "m/a"):
            client.put_object(Bucket="models", Key=key, Body=b"x")
        keys = [item["Key"] for item in client.list_objects_v2(Bucket="models", Prefix="m/")["Contents"]]
        if "m/a" not in keys:
            missing("the S3 server at hand keeps no key beside its own folder")
        with (
            pytest.raises(UserError, match=r"m/a.* is a file and another key's folder at once"),
            fetched("s3://models/m"),
        ):
            pass
    finally:
        storage.stop()
