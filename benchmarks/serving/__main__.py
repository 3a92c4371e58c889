"""Measure the fused server beside its peers, in turns, on this machine.

  python -m benchmarks.serving             about six minutes, the first time longer: each peer gets a venv of its own
                                           under build/bench-serving
  python -m benchmarks.serving --only slipway,floor --rounds 1 --seconds 1

Needs models/current (`make repro`), wrk and Go (Debian's packages wrk and golang; Go only for the graph). Writes
benchmarks/serving/results.json and docs/images/serving-latency.png. Absolute rates are this machine's at this hour; the
ratios and the CPU time a request are what carries over. All load goes to 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slipway.files import read_json, write_json

HERE = Path(__file__).parent
WORK = Path("build/bench-serving").resolve()
PYTHON = sys.executable
TICKS = os.sysconf("SC_CLK_TCK")
CLIENTS = (1, 8, 32, 100)
ROWS = (1, 32)
LUA = """
local file = io.open(os.getenv("BODY"), "r")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["content-type"] = "application/json"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"us":%d,"p50":%d,"p95":%d,"p99":%d,"status":%d,"lost":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass
class Peer:
    """One way to serve the ensemble: how to install it, start it, and ask it."""

    name: str
    packages: list[str]
    commands: Callable[[Path, Path, list[int]], list[list[str]]]
    path: str = "/predict"
    body: Callable[[list[dict[str, Any]], Any], Any] = lambda rows, encode: {"rows": rows}
    ports: int = 1
    env: dict[str, str] = field(default_factory=dict)


def tensor(rows: list[dict[str, Any]], encode: Any) -> Any:
    """Encoded features as V2's flat tensor."""
    data = [None if value != value else value for row in rows for value in encode(row)]
    return {"inputs": [{"name": "features", "shape": [len(rows), 16], "datatype": "FP32", "data": data}]}


def mlserver(batch: int, seconds: float) -> Callable[[Path, Path, list[int]], list[list[str]]]:
    def commands(python: Path, model: Path, ports: list[int]) -> list[list[str]]:
        folder = WORK / f"mlserver-{batch}"
        folder.mkdir(parents=True, exist_ok=True)
        http, grpc, metrics = ports
        settings = {
            "http_port": http,
            "grpc_port": grpc,
            "metrics_port": metrics,
            "parallel_workers": 0,
            "host": "127.0.0.1",
        }
        write_json(folder / "settings.json", settings | {"debug": False, "host": "127.0.0.1"})
        write_json(
            folder / "model-settings.json",
            {
                "name": "m", "implementation": "mlserver_fused.Fused",
                "max_batch_size": batch, "max_batch_time": seconds,
                "parameters": {"uri": str(model / "ensemble.onnx")},
            },
        )  # fmt: skip
        return [[str(python.parent / "mlserver"), "start", str(folder)]]

    return commands


def graph(python: Path, model: Path, ports: list[int]) -> list[list[str]]:
    executor = WORK / "executor"
    if not executor.exists():
        source = str(HERE.resolve() / "peers/executor.go")
        subprocess.run(["go", "build", "-o", str(executor), source], check=True, cwd=WORK)
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
                str(python.parent / "seldon-core-microservice"), f"slipway.serving.graph.{name}",
                "--service-type", kind,
                "--parameters", json.dumps(parameters), "--http-port", str(port), "--grpc-port", str(grpc),
                "--metrics-port", str(metrics), "--workers", "1", "--threads", "1",
            ]
        )  # fmt: skip
    return [*commands, [str(executor), str(http), urls[0], urls[4], ",".join(urls[1:4])]]


def mlflow_serve(python: Path, model: Path, ports: list[int]) -> list[list[str]]:
    target = WORK / "mlflow-model"
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(
        [PYTHON, str(HERE / "peers/mlflow_model.py"), str(model), str(target)], check=True, capture_output=True
    )
    flags = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(ports[0])]
    return [[PYTHON, "-m", "mlflow", "models", "serve", "--model-uri", str(target), *flags]]


PEERS = [
    Peer("floor", [], lambda p, m, ports: [[PYTHON, str(HERE.resolve() / "peers/floor.py"), str(ports[0])]]),
    Peer(
        "slipway",
        [],
        lambda p, m, ports: [
            [PYTHON, "-m", "slipway", "serve", "--model", str(m), "--port", str(ports[0]), "--capacity", "256"]
        ],
    ),
    Peer(
        "FastAPI + XGBoost",
        ["fastapi", "uvicorn", "uvloop", "httptools", "numpy", "xgboost-cpu==3.2.0"],
        lambda p, m, ports: [[str(p), str(HERE.resolve() / "peers/plain_fastapi.py"), str(ports[0]), str(m)]],
    ),
    Peer(
        "MLServer, same engine",
        ["mlserver==1.7.1", "uvloop<0.22", "onnxruntime", "numpy"],
        mlserver(0, 0),
        "/v2/models/m/infer",
        tensor,
        ports=3,
    ),
    Peer(
        "MLServer, same engine, batching",
        ["mlserver==1.7.1", "uvloop<0.22", "onnxruntime", "numpy"],
        mlserver(32, 0.005),
        "/v2/models/m/infer",
        tensor,
        ports=3,
    ),
    Peer(
        "mlflow models serve",
        [],
        mlflow_serve,
        "/invocations",
        lambda rows, encode: {"dataframe_records": rows},
    ),
    Peer(
        "Seldon graph",
        ["seldon-core==1.18.2", "xgboost-cpu==3.2.0", "setuptools<81", "orjson"],
        graph,
        body=lambda rows, encode: {"jsonData": {"rows": rows}},
        ports=16,
    ),
]


def main() -> int:
    """Install, start, measure in turns, write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--only", default="", metavar="NAMES", help="comma-separated; default: all")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)), metavar="N,N", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/current"))
    parser.add_argument("--rows", type=Path, default=Path("data/prepared/sample.json"))
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    args = parser.parse_args()
    if not shutil.which("wrk"):
        print("benchmarks.serving: wrk is not installed: apt-get install wrk.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the peers are ended too
    names = [name.strip() for name in args.only.split(",") if name.strip()]
    peers = [peer for peer in PEERS if not names or peer.name in names]
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "post.lua").write_text(LUA)
    model = compiled(args.model)
    rows = read_json(args.rows, "python -m slipway prepare")
    bodies = {(peer.name, n): write_body(peer, n, rows, model) for peer in peers for n in ROWS}
    measured: list[dict[str, Any]] = []
    busy = machine()
    notes: dict[str, Any] = {}
    for turn in range(args.rounds):
        for peer in peers:
            with_peer = Running(peer, model)
            try:
                with_peer.wait(bodies[peer.name, 1])
                if turn == 0 and peer.name != "floor":
                    notes[peer.name] = {"largest_difference": agreement(with_peer, bodies[peer.name, 32], rows, model)}
                for n in ROWS:
                    for clients in map(int, args.clients.split(",")):
                        result = with_peer.measure(bodies[peer.name, n], clients, args.seconds)
                        measured.append({"peer": peer.name, "rows": n, "clients": clients, "round": turn} | result)
                        print(measured[-1], flush=True)
                if peer.name == "slipway" and turn == 0:
                    notes["overload"] = overload(model, bodies["slipway", 1], args.seconds)
            finally:
                with_peer.stop()
            # After every peer, so that a run that is cut short leaves what it has.
            report = {"machine": busy, "notes": notes, "results": summarised(measured)}
            write_json(args.out, report)
    if not names:
        picture(report["results"], Path("docs/images/serving-latency.png"))
    print(table(report["results"]))
    print(json.dumps(notes, indent=2))
    return 0


def compiled(folder: Path) -> Path:
    """A compiled copy of the model."""
    from slipway.serving.compile import compile_ensemble

    copy = WORK / "model"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    compile_ensemble(copy)
    return copy


def write_body(peer: Peer, n: int, rows: list[dict[str, Any]], model: Path) -> Path:
    """The request of ``n`` rows, as this peer wants it, in a file for wrk."""
    from slipway.model.features import row_encoder

    path = WORK / f"body-{re.sub('[^a-z]+', '-', peer.name.lower())}-{n}.json"
    path.write_text(json.dumps(peer.body(rows[:n], row_encoder(read_json(model / "schema.json", "")))))
    return path


class Running:
    """A peer's processes."""

    def __init__(self, peer: Peer, model: Path) -> None:
        python = Path(PYTHON)
        if peer.packages:
            venv = WORK / "venvs" / re.sub("[^a-z]+", "-", peer.name.split(",")[0].lower())
            python = venv / "bin/python"
            if not (venv / ".ready").exists():
                subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", "3.11", str(venv)], check=True)
                subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *peer.packages], check=True)
                (venv / ".ready").touch()
        ports = [free_port() for _ in range(peer.ports)]
        self.url = f"http://127.0.0.1:{ports[0]}{peer.path}"
        self.peer = peer
        src, peers = str(Path("src").resolve()), str(HERE.resolve() / "peers")
        env = {
            **os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": f"{src}:{peers}",
            "PATH": f"{python.parent}:{os.environ['PATH']}", "GUNICORN_WORKERS": "1",
        }  # fmt: skip
        self.log = (WORK / "log.txt").open("a")
        self.processes = [
            subprocess.Popen(command, env=env, cwd=WORK, stdout=self.log, stderr=self.log, start_new_session=True)
            for command in peer.commands(python, model, ports)
        ]

    def stop(self) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(15)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.log.close()

    def ask(self, body: Path) -> Any:
        request = urllib.request.Request(self.url, body.read_bytes(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait(self, body: Path) -> None:
        """Until it answers."""
        end, last = time.monotonic() + 120, Exception("it ended")
        while time.monotonic() < end and all(process.poll() is None for process in self.processes):
            try:
                self.ask(body)
                return
            except (OSError, urllib.error.URLError, ValueError) as error:
                last = error
                time.sleep(0.3)
        raise RuntimeError(f"{self.peer.name} does not answer ({last!r}); see {WORK / 'log.txt'}")

    def measure(self, body: Path, clients: int, seconds: int) -> dict[str, Any]:
        """Rate, latency, errors, CPU time a request and memory of one closed-loop run."""
        wrk(self.url, body, clients, 1)
        before = self.cpu()
        result = wrk(self.url, body, clients, seconds)
        cpu = self.cpu() - before
        return {
            "rps": round(result["requests"] / result["us"] * 1e6, 1),
            "p50_ms": result["p50"] / 1000, "p95_ms": result["p95"] / 1000, "p99_ms": result["p99"] / 1000,
            "not_200": result["status"], "lost": result["lost"],
            "cpu_us": round(cpu * 1e6 / max(result["requests"], 1)), "rss_mb": self.rss(),
        }  # fmt: skip

    def tree(self) -> list[int]:
        found = []
        sessions = {process.pid for process in self.processes}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) in sessions:
                found.append(int(entry.name))
        return found

    def cpu(self) -> float:
        total = 0
        for pid in self.tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def rss(self) -> int:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.tree())
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def wrk(url: str, body: Path, clients: int, seconds: int) -> dict[str, int]:
    """One closed-loop run over kept-alive connections to this machine."""
    ended = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "5s", "-s", str(WORK / "post.lua"), url],
        env={**os.environ, "BODY": str(body)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    result: dict[str, int] = json.loads(ended.stdout.split("RESULT ")[1].splitlines()[0])
    return result


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def agreement(running: Running, body: Path, rows: list[dict[str, Any]], model: Path) -> float:
    """The largest difference between a peer's 32 answers and XGBoost's."""
    from slipway.model.ensemble import load_ensemble
    from slipway.model.features import row_encoder

    ensemble = load_ensemble(model)
    encode = row_encoder(ensemble.schema)
    expected = ensemble.predict(np.array([encode(row) for row in rows[:32]], dtype=np.float32))
    answer = running.ask(body)
    found = (
        answer.get("probabilities")
        or answer.get("predictions")
        or answer.get("data", {}).get("ndarray")
        or answer.get("data", {}).get("tensor", {}).get("values")
        or answer["outputs"][0]["data"]
    )
    return float(np.abs(np.ravel(np.array(found, dtype=np.float64)) - expected).max())


def overload(model: Path, body: Path, seconds: int) -> dict[str, Any]:
    """The server with its own capacity under four times the clients it has room for, and right after.

    Latencies are those of accepted requests, by the server's own histogram: from a request's first byte on.
    """
    flags = [PYTHON, "-m", "slipway", "serve", "--model", str(model), "--capacity", "16"]
    peer = Peer("slipway, capacity 16", [], lambda p, m, ports: [[*flags, "--port", str(ports[0])]])
    running = Running(peer, model)
    try:
        running.wait(body)
        found: dict[str, Any] = {}
        for name, clients in (("at capacity", 16), ("four times", 64), ("right after", 16)):
            before = histogram(running.url)
            result = wrk(running.url, body, clients, seconds)
            buckets = {top: count - before.get(top, 0) for top, count in histogram(running.url).items()}
            accepted = buckets[float("inf")]
            p99 = min(top for top, count in buckets.items() if count >= 0.99 * accepted)
            found[name] = {
                "clients": clients, "accepted_rps": round(accepted / result["us"] * 1e6),
                "turned_away_rps": round(result["status"] / result["us"] * 1e6), "lost": result["lost"],
                "accepted_p99_at_most_ms": p99 * 1000,
            }  # fmt: skip
        return found
    finally:
        running.stop()


def histogram(url: str) -> dict[float, float]:
    """The server's latency buckets of /predict."""
    with urllib.request.urlopen(url.replace("/predict", "/metrics"), timeout=10) as answer:
        text = answer.read().decode()
    pattern = r'slipway_request_seconds_bucket\{le="([^"]+)",path="/predict"\} (\S+)'
    return {float(top): float(count) for top, count in re.findall(pattern, text)}


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else "unknown",
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": sys.version.split()[0],
    }


def summarised(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The median of the rounds; of the CPU time the least, which neighbours disturb least."""
    keys = sorted({(m["peer"], m["rows"], m["clients"]) for m in measured}, key=str)
    found = []
    for peer, rows, clients in keys:
        same = [m for m in measured if (m["peer"], m["rows"], m["clients"]) == (peer, rows, clients)]
        middle = {k: statistics.median(m[k] for m in same) for k in ("rps", "p50_ms", "p95_ms", "p99_ms", "rss_mb")}
        worst = {k: max(m[k] for m in same) for k in ("not_200", "lost")}
        found.append(
            {"peer": peer, "rows": rows, "clients": clients}
            | middle
            | worst
            | {"cpu_us": min(m["cpu_us"] for m in same)}
        )
    return found


def table(results: list[dict[str, Any]]) -> str:
    """Markdown, one row a peer and setting, with the ratio to slipway's rate."""
    ours = {(r["rows"], r["clients"]): r for r in results if r["peer"] == "slipway"}
    lines = [
        "| rows | clients | | req/s | slipway's ÷ | p50 ms | p99 ms | CPU µs/request | ÷ slipway's | MB | errors |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in sorted(results, key=lambda r: (r["rows"], r["clients"], -r["rps"])):
        own = ours.get((r["rows"], r["clients"]))
        rate = f"{own['rps'] / r['rps']:.1f}" if own and r["rps"] else ""
        cpu = f"{r['cpu_us'] / own['cpu_us']:.1f}" if own and own["cpu_us"] else ""
        lines.append(
            f"| {r['rows']} | {r['clients']} | {r['peer']} | {r['rps']:,.0f} | {rate} | {r['p50_ms']:.1f} | "
            f"{r['p99_ms']:.1f} | {r['cpu_us']} | {cpu} | {r['rss_mb']:.0f} | {r['not_200'] + r['lost']} |"
        )
    return "\n".join(lines)


def picture(results: list[dict[str, Any]], path: Path) -> None:
    """p99 and rate over the number of clients, one line a peer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for number, peer in enumerate(peer.name for peer in PEERS):
        points = sorted((r for r in results if r["peer"] == peer and r["rows"] == 1), key=lambda r: r["clients"])
        style = (
            {"linewidth": 2.5, "color": "#0b6bcb"} if peer == "slipway" else {"linewidth": 1.2, "color": f"C{number}"}
        )
        if peer == "floor":
            style = {"linewidth": 1.2, "color": "#999999", "linestyle": "--"}
        for axis, key in zip(axes, ("p99_ms", "rps"), strict=True):
            if points:
                axis.plot([r["clients"] for r in points], [r[key] for r in points], marker="o", label=peer, **style)
    for axis, title in zip(axes, ("p99 latency, ms", "requests a second"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="clients", title=f"{title} (one row a request)")
        shown = sorted({r["clients"] for r in results})
        axis.set_xticks(shown, [str(n) for n in shown])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
