"""The peers: how each is installed, started and asked, and what its processes use."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workplace import ROOT, SCRATCH, environment, python_with
from slipway.files import read_json, write_json

WORK = SCRATCH / "serving"
SCRIPTS = Path(__file__).resolve().parent / "scripts"
TICKS = os.sysconf("SC_CLK_TCK")
SLIPWAY, FLOOR = "slipway", "the same server, a constant"
Commands = Callable[[str, Path, list[int]], list[list[str]]]


@dataclass
class Peer:
    """One way to serve the ensemble.

    Attributes:
        commands: its processes' command lines, from its interpreter, the model folder and its ports.
        packages: what its own environment needs; none: it runs in this one.
        path, body: where and how it is asked.
        ports: how many it takes; the first answers.
        predicts: False for those that answer a constant.
    """

    name: str
    commands: Commands
    packages: list[str] = field(default_factory=list)
    path: str = "/predict"
    body: Callable[[list[dict[str, Any]], Any], Any] = lambda rows, encode: {"rows": rows}
    ports: int = 1
    predicts: bool = True


def script(name: str) -> Commands:
    """A peer that is one file of ``scripts``."""
    return lambda python, model, ports: [[python, str(SCRIPTS / name), str(ports[0]), str(model)]]


def serve(*flags: str) -> Commands:
    """This repository's server."""
    return lambda python, model, ports: [
        [python, "-m", "slipway", "serve", "--model", str(model), "--port", str(ports[0]), *flags]
    ]


def tensor(rows: list[dict[str, Any]], encode: Any) -> Any:
    """Encoded features as V2's flat tensor."""
    data = [None if value != value else value for row in rows for value in encode(row)]
    return {"inputs": [{"name": "features", "shape": [len(rows), 16], "datatype": "FP32", "data": data}]}


def mlserver(batch: int, seconds: float) -> Commands:
    """MLServer, with its adaptive batching when ``batch`` is above 0."""

    def commands(python: str, model: Path, ports: list[int]) -> list[list[str]]:
        folder = WORK / f"mlserver-{batch}"
        folder.mkdir(parents=True, exist_ok=True)
        http, grpc, metrics = ports
        addresses = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
        write_json(folder / "settings.json", {"parallel_workers": 0, "debug": False} | addresses)
        write_json(
            folder / "model-settings.json",
            {
                "name": "m", "implementation": "mlserver_fused.Fused",
                "max_batch_size": batch, "max_batch_time": seconds,
                "parameters": {"uri": str(model / "ensemble.onnx")},
            },
        )  # fmt: skip
        return [[str(Path(python).parent / "mlserver"), "start", str(folder)]]

    return commands


def graph(python: str, model: Path, ports: list[int]) -> list[list[str]]:
    """Seldon's five servers, and a stand-in for its executor."""
    executor = WORK / "executor"
    if not executor.exists():
        subprocess.run(["go", "build", "-o", str(executor), str(SCRIPTS / "executor.go")], check=True, cwd=WORK)
    http, rest = ports[0], iter(ports[1:])
    where = {"name": "folder", "type": "STRING", "value": str(model)}
    commands, urls = [], []
    units: list[tuple[str, str, list[Any]]] = [("Transformer", "TRANSFORMER", [where])]
    units += [("Member", "MODEL", [where, {"name": "member", "type": "INT", "value": str(i)}]) for i in range(3)]
    units += [("Combiner", "COMBINER", [])]
    for name, kind, parameters in units:
        port, grpc, metrics = next(rest), next(rest), next(rest)
        urls.append(f"http://127.0.0.1:{port}")
        commands.append(
            [
                str(Path(python).parent / "seldon-core-microservice"), f"slipway.serving.graph.{name}",
                "--service-type", kind, "--parameters", json.dumps(parameters), "--http-port", str(port),
                "--grpc-port", str(grpc), "--metrics-port", str(metrics), "--workers", "1", "--threads", "1",
            ]
        )  # fmt: skip
    return [*commands, [str(executor), str(http), urls[0], urls[4], ",".join(urls[1:4])]]


def mlflow_serve(python: str, model: Path, ports: list[int]) -> list[list[str]]:
    """MLflow's own scoring server."""
    target = WORK / "mlflow-model"
    shutil.rmtree(target, ignore_errors=True)
    make = [python, str(SCRIPTS / "mlflow_model.py"), str(model), str(target)]
    subprocess.run(make, check=True, capture_output=True, env=environment())
    flags = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(ports[0])]
    return [[python, "-m", "mlflow", "models", "serve", "--model-uri", str(target), *flags]]


_MLSERVER = ["mlserver==1.7.1", "uvloop<0.22", "onnxruntime", "numpy"]
PEERS = [
    Peer(SLIPWAY, serve("--capacity", "256")),
    Peer(FLOOR, script("floor.py"), predicts=False),
    Peer("uvicorn alone, a constant", script("uvicorn_floor.py"), predicts=False),
    Peer("MLServer, same engine", mlserver(0, 0), _MLSERVER, "/v2/models/m/infer", tensor, ports=3),
    Peer("MLServer, same engine, batching", mlserver(32, 0.005), _MLSERVER, "/v2/models/m/infer", tensor, ports=3),
    Peer(
        "FastAPI + XGBoost",
        script("plain_fastapi.py"),
        ["fastapi", "uvicorn", "uvloop", "httptools", "numpy", "xgboost-cpu==3.2.0"],
    ),
    Peer(
        "mlflow models serve",
        mlflow_serve,
        path="/invocations",
        body=lambda rows, encode: {"dataframe_records": rows},
    ),
    Peer(
        "Seldon graph",
        graph,
        ["seldon-core==1.18.2", "xgboost-cpu==3.2.0", "setuptools<81", "orjson", "msgspec"],
        body=lambda rows, encode: {"jsonData": {"rows": rows}},
        ports=16,
    ),
]


class Running:
    """A peer's processes, from the start on.

    Args:
        peer: which.
        model: the compiled model's folder.
        rows: what bodies are made from.
        variables: more environment variables.
    """

    def __init__(self, peer: Peer, model: Path, rows: list[dict[str, Any]], **variables: str) -> None:
        from slipway.problem.features import row_encoder

        self.peer, self._model, self._rows = peer, model, rows
        self._encode = row_encoder(read_json(model / "schema.json", ""))
        python = python_with(_slug(peer.name.split(",")[0]), peer.packages) if peer.packages else sys.executable
        ports = _free_ports(peer.ports)
        self.address = f"http://127.0.0.1:{ports[0]}"
        self.url = self.address + peer.path
        env = environment(
            OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", GUNICORN_WORKERS="1", MLFLOW_DISABLE_TELEMETRY="true",
            **variables,
        )  # fmt: skip
        env |= {"PYTHONPATH": f"{env['PYTHONPATH']}:{SCRIPTS}", "PATH": f"{Path(python).parent}:{env['PATH']}"}
        commands = peer.commands(python, model, ports)
        self._log = (WORK / f"{_slug(peer.name)}.log").open("w")
        self._processes = [
            subprocess.Popen(command, env=env, cwd=WORK, stdout=self._log, stderr=self._log, start_new_session=True)
            for command in commands
        ]

    def stop(self) -> None:
        """End them, and whatever they started."""
        for process in self._processes:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(15)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._log.close()

    def body(self, rows: int) -> Path:
        """A file with the request of so many rows, as this peer wants it."""
        path = WORK / f"{_slug(self.peer.name)}-{rows}.json"
        if not path.exists():
            path.write_text(json.dumps(self.peer.body(self._rows[:rows], self._encode)))
        return path

    def ask(self, rows: int) -> Any:
        """The parsed answer to one request."""
        request = urllib.request.Request(self.url, self.body(rows).read_bytes(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait(self) -> None:
        """Until it answers."""
        end, last = time.monotonic() + 120, Exception("it ended")
        while time.monotonic() < end and all(process.poll() is None for process in self._processes):
            try:
                self.ask(1)
                return
            except (OSError, ValueError) as error:
                last = error
                time.sleep(0.3)
        raise RuntimeError(f"{self.peer.name} does not answer ({last!r}); see {self._log.name}")

    def difference(self) -> float:
        """The largest difference between its 32 answers and XGBoost's."""
        from slipway.learning.ensemble import load_ensemble

        features = np.array([self._encode(row) for row in self._rows[:32]], dtype=np.float32)
        expected = load_ensemble(self._model).predict(features)
        answer = self.ask(32)
        found = (
            answer.get("probabilities")
            or answer.get("predictions")
            or answer.get("data", {}).get("ndarray")
            or answer.get("data", {}).get("tensor", {}).get("values")
            or answer["outputs"][0]["data"]
        )
        return float(np.abs(np.ravel(np.array(found, dtype=np.float64)) - expected).max())

    def cpu(self) -> float:
        """The seconds of CPU its processes have used."""
        total = 0
        for pid in self._tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def rest(self) -> None:
        """Wait, some seconds at most, until what the clients left behind is answered: another is measured next."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(0.2)
            if self.cpu() - before <= 2 / TICKS:
                return

    def rss(self) -> int:
        """The megabytes they hold."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._tree())
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def _tree(self) -> list[int]:
        found = []
        sessions = {process.pid for process in self._processes}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) in sessions:
                found.append(int(entry.name))
        return found


def _slug(name: str) -> str:
    return re.sub("[^a-z]+", "-", name.lower()).strip("-")


def _free_ports(count: int) -> list[int]:
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def compiled(folder: Path) -> Path:
    """A compiled copy of the model."""
    from slipway.learning.compile import compile_ensemble

    copy = WORK / "model"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / folder, copy)
    compile_ensemble(copy)
    return copy
