"""Callers and servers of other makers, each in an environment of its own, as they come from their makers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from tests.conftest import missing
from tests.serving.conftest import *  # noqa: F403  the fixtures: a model and a server with it
from tests.serving.conftest import ROOT, Server

pytestmark = pytest.mark.services


def python_of(lock: str) -> str:
    """The interpreter of an environment with what ``requirements/<lock>.txt`` says: made once, kept in build/."""
    requirements = ROOT / f"requirements/{lock}.txt"
    folder = ROOT / "build/environments" / lock
    python, done = folder / "bin/python", folder / "requirements.txt"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not done.exists() or done.read_bytes() != requirements.read_bytes():
            shutil.rmtree(folder, ignore_errors=True)
            uv = str(Path(sys.executable).parent / "uv")
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--require-hashes"]
            ended = subprocess.run([*install, "-r", str(requirements)], capture_output=True, text=True, check=False)
            if ended.returncode:
                said = f"requirements/{lock}.txt could not be installed: {ended.stderr.strip()[-200:]}"
                if os.environ.get("CI") == "true":  # there a registry can be reached, so the lock is wrong
                    pytest.fail(said)
                missing(said)
            shutil.copy(requirements, done)
    return str(python)


def run(lock: str, program: str, *arguments: str) -> Any:
    """What a program prints as JSON, in that environment and without ours."""
    ended = subprocess.run(
        [python_of(lock), "-I", "-c", program, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def case(
    server: Server, rows: Any, features: np.ndarray, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Three rows, encoded and raw, in a file that a program can read, and what the server answers to `/predict`."""
    from slipway.serving.requests import RequestReader

    reader = RequestReader(json.loads((folder / "schema.json").read_text()))
    encoded = reader.rows({"rows": rows[:3]})
    path = tmp_path_factory.mktemp("case") / "case.json"
    data = [[None if value != value else float(value) for value in row] for row in encoded]
    path.write_text(json.dumps({"rows": rows[:3], "features": data}))
    return path, server.call("/predict", {"rows": rows[:3]})[1]["probabilities"]


TRITON = """
import json, sys
import numpy as np
import tritonclient.http as triton
host, path = sys.argv[1:]
case = json.load(open(path))
client = triton.InferenceServerClient(host)
found = {"ready": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("flight-delay"),
                   client.is_model_ready("flight-delay", "99")],
         "metadata": client.get_model_metadata("flight-delay")["name"]}
whole = [row for row in case["features"] if None not in row] or [[0.0 if v is None else v for v in case["features"][0]]]
matrix = np.array(whole, dtype=np.float32)
def tensor(binary):
    value = triton.InferInput("features", list(matrix.shape), "FP32")
    value.set_data_from_numpy(matrix, binary_data=binary)
    return value
found["rows"] = len(matrix)
found["json"] = client.infer("flight-delay", [tensor(False)]).as_numpy("probability").tolist()
try:
    client.infer("flight-delay", [tensor(True)])
    found["binary"] = "answered"
except triton.InferenceServerException as error:
    found["binary"] = str(error)
print(json.dumps(found))
"""


def test_triton_s_client(server: Server, case: Any) -> None:
    """JSON tensors are answered; its binary default is told what to do, and nothing of text that is no UTF-8."""
    path, _ = case
    found = run("clients", TRITON, server.url.removeprefix("http://"), str(path))
    assert found["ready"] == [True, True, True, False]
    assert found["metadata"] == "flight-delay"
    assert len(found["json"]) == found["rows"] and all(0 < value < 1 for value in found["json"])
    assert "JSON tensors (binary_data=False)" in found["binary"] and "surrogate" not in found["binary"]


KSERVE = """
import asyncio, json, sys
from kserve import InferenceRESTClient, InferRequest, InferInput, RESTConfig
url, path = sys.argv[1:]
case = json.load(open(path))
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {"live": await client.is_server_live(url), "ready": await client.is_server_ready(url),
             "model": await client.is_model_ready(url, "flight-delay")}
    features = case["features"]
    flat = [value for row in features for value in row]
    tensor = InferInput("features", [len(features), len(features[0])], "FP32", data=flat)
    answer = await client.infer(url, InferRequest("flight-delay", [tensor]), model_name="flight-delay")
    found["answers"] = list(answer.outputs[0].data)
    print(json.dumps(found))
asyncio.run(main())
"""


def test_kserve_s_client(server: Server, case: Any) -> None:
    path, expected = case
    found = run("clients", KSERVE, server.url, str(path))
    assert (found["live"], found["ready"], found["model"]) == (True, True, True)
    assert found["answers"] == pytest.approx(expected, abs=1e-6)


MLSERVER = """
import asyncio, json, sys
from mlserver.codecs import NumpyRequestCodec
from mlserver.settings import ModelParameters, ModelSettings
from mlserver_xgboost import XGBoostModel
import numpy as np
path = sys.argv[2]
case = json.load(open(path))
matrix = np.array([[np.nan if v is None else v for v in row] for row in case["features"]], dtype=np.float32)
async def main(uri):
    model = XGBoostModel(ModelSettings(name="m", implementation=XGBoostModel, parameters=ModelParameters(uri=uri)))
    await model.load()
    answer = await model.predict(NumpyRequestCodec.encode_request(matrix))
    return [float(value) for value in answer.outputs[0].data]
def tried(uri):
    try:
        return asyncio.run(main(uri))
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
print(json.dumps({"file": tried(sys.argv[1] + "/members/0.bst"), "folder": tried(sys.argv[1])}))
"""


def test_mlserver_s_xgboost_server_predicts_with_one_member(case: Any, folder: Path) -> None:
    """Named by its file. A model folder as such it does not take: it looks for `model.bst` at the top."""
    from slipway.learning.learners.xgboost import import_xgboost

    path, _ = case
    found = run("mlserver", MLSERVER, str(folder), str(path))
    encoded = json.loads(path.read_text())["features"]
    matrix = np.array([[np.nan if value is None else value for value in row] for row in encoded], np.float32)
    xgb = import_xgboost()
    booster = xgb.Booster(model_file=bytearray((folder / "members/0.bst").read_bytes()))
    expected = booster.inplace_predict(matrix).tolist()
    assert found["file"] == pytest.approx(expected, abs=1e-6), found
    assert isinstance(found["folder"], str), found
    # Seldon's own server gives Booster.predict a DMatrix of the bare array, which XGBoost holds to the member's names.
    with pytest.raises(ValueError, match=r"fields|feature names"):
        booster.predict(xgb.DMatrix(matrix))
