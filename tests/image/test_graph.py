"""The graph overlay's pod, run for real: its image, its containers as the manifest has them, called as Seldon calls."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from benchmarks.engine import Engine

from slipway.__main__ import main
from slipway.learning.compile import compile_ensemble
from slipway.serving.model import load_model
from tests.conftest import ROOT
from tests.image.conftest import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

OVERLAY = ROOT / "k8s/serving/overlays/graph"
FIRST_PORT = 9000  # the operator gives the containers this and the next ones, in their order


def deployment() -> dict[str, Any]:
    """The predictor, its containers in their place."""
    (predictor,) = yaml.safe_load((OVERLAY / "seldondeployment.yaml").read_text())["spec"]["predictors"]
    pod = predictor["componentSpecs"][0]["spec"]
    pod["containers"] += [patch["value"] for patch in yaml.safe_load((OVERLAY / "containers.yaml").read_text())]
    return dict(predictor)


def units(unit: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A graph's units."""
    yield unit
    for child in unit.get("children", []):
        yield from units(child)


def as_the_kubelet(pod: dict[str, Any], container: dict[str, Any]) -> list[str]:
    """docker's words for a container's rights and limits."""
    rights, limit = container["securityContext"], container["resources"]["limits"]["memory"].lower()
    assert pod["securityContext"]["runAsNonRoot"] and not rights["allowPrivilegeEscalation"]
    assert rights["readOnlyRootFilesystem"] and rights["capabilities"] == {"drop": ["ALL"]}
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    mounts = [f"--tmpfs={mount['mountPath']}" for mount in container["volumeMounts"]]
    variables = [f"--env={variable['name']}={variable['value']}" for variable in container["env"]]
    return [
        "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", f"--user={user}",
        f"--memory={limit.removesuffix('i')}", *mounts, *variables,
    ]  # fmt: skip


@pytest.fixture
def model(workspace: Path) -> Path:
    """A compiled model with as many members as the graph."""
    members = sum(unit["type"] == "MODEL" for unit in units(deployment()["graph"]))
    assert main(["train", "--final", "--members", str(members), "--out", "models/graph"]) == 0
    compile_ensemble(workspace / "models/graph")
    return workspace / "models/graph"


@pytest.fixture
def pod(engine: Engine, model: Path) -> Iterator[dict[str, str]]:
    """The pod's containers in one network, as the operator sets them up: each unit's address by its name."""
    tag = engine.build(ROOT, "graph", "slipway-test:graph", OVERLAY / "Dockerfile")
    predictor = deployment()
    spec = predictor["componentSpecs"][0]["spec"]
    parameters = {unit["name"]: unit.get("parameters", []) for unit in units(predictor["graph"])}
    assert set(parameters) == {container["name"] for container in spec["containers"]}
    ports = range(FIRST_PORT, FIRST_PORT + len(spec["containers"]))
    started: list[str] = []
    try:
        for port, container in zip(ports, spec["containers"], strict=True):
            published = [f"--publish=127.0.0.1::{each}" for each in ports]
            started.append(
                engine(
                    "run", "--detach", *as_the_kubelet(spec, container), f"--volume={model}:/mnt/models:ro",
                    *([f"--network=container:{started[0]}"] if started else published),
                    f"--env=PREDICTIVE_UNIT_ID={container['name']}",
                    f"--env=PREDICTIVE_UNIT_PARAMETERS={json.dumps(parameters[container['name']])}",
                    f"--env=PREDICTIVE_UNIT_HTTP_SERVICE_PORT={port}",
                    f"--env=PREDICTIVE_UNIT_METRICS_SERVICE_PORT={port - FIRST_PORT + 6000}",
                    tag, *container["command"],
                ).stdout.strip()
            )  # fmt: skip
        addresses = {
            container["name"]: f"http://{engine('port', started[0], str(port)).stdout.split()[0]}"
            for port, container in zip(ports, spec["containers"], strict=True)
        }
        for address, container in zip(addresses.values(), started, strict=True):
            wait_for(engine, container, f"{address}/health/ping")
        yield addresses
        engine("kill", "--signal=TERM", *started)
        assert engine("wait", *started, timeout=60).stdout.split() == ["0"] * len(started)
    finally:
        if started:
            engine("rm", "--force", *started)


def call(address: str, method: str, message: Any) -> tuple[int, Any]:
    """Post one message of the protocol `seldon` to a unit: the status and the answer."""
    request = urllib.request.Request(
        f"{address}/{method}", json.dumps(message).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ask(pod: dict[str, str], rows: list[dict[str, Any]]) -> tuple[int, Any]:
    """What Seldon's executor does with a request: transformer, every member at once, combiner; a refusal ends it."""
    members = [address for name, address in pod.items() if name.startswith("member-")]
    status, features = call(pod["transformer"], "transform-input", {"jsonData": {"rows": rows}})
    if status != 200:
        return status, features
    with ThreadPoolExecutor(len(members)) as pool:
        answers = list(pool.map(lambda address: call(address, "predict", features), members))
    assert [status for status, _ in answers] == [200] * len(members), answers
    return call(pod["combiner"], "aggregate", {"seldonMessages": [answer for _, answer in answers]})


def test_the_graph_answers_as_the_fused_ensemble_and_names_a_bad_column(pod: dict[str, str], model: Path) -> None:
    golden = json.loads((model / "golden.json").read_text())
    fused = load_model(model, "flight-delay")
    assert fused.engine.name.startswith("onnxruntime")
    expected = fused.engine.predict(fused.reader.rows({"rows": golden["rows"]}))
    status, answer = ask(pod, golden["rows"])
    assert status == 200, answer
    assert np.abs(np.array(answer["data"]["tensor"]["values"]) - expected).max() <= 1e-6
    status, refusal = ask(pod, [golden["rows"][0] | {"carrier": "ZZ"}])
    assert status == 400
    assert 'column carrier: found "ZZ"' in refusal["status"]["info"]
