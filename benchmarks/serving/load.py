"""Load: wrk's closed loop, whose clients wait for their answers, and vegeta's constant rate, which waits for none."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.peers import WORK, Running

VEGETA = "github.com/tsenart/vegeta/v12@v12.13.0"
_LUA = """
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


def closed(running: Running, rows: int, clients: int, seconds: int) -> dict[str, Any]:
    """Rate, latency, errors, CPU time a request and memory under so many clients that wait for their answers."""
    script = WORK / "post.lua"
    script.write_text(_LUA)
    before = running.cpu()
    ended = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "5s", "-s", str(script), running.url],
        env={**os.environ, "BODY": str(running.body(rows))}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    cpu = running.cpu() - before
    result: dict[str, int] = json.loads(ended.stdout.split("RESULT ")[1].splitlines()[0])
    return {
        "rps": round(result["requests"] / result["us"] * 1e6, 1),
        "p50_ms": result["p50"] / 1000, "p95_ms": result["p95"] / 1000, "p99_ms": result["p99"] / 1000,
        "not_200": result["status"], "lost": result["lost"],
        "cpu_us": round(cpu * 1e6 / max(result["requests"], 1)), "rss_mb": running.rss(),
    }  # fmt: skip


def install_vegeta() -> None:
    """Build it once."""
    if not _vegeta().exists():
        subprocess.run(["go", "install", VEGETA], env={**os.environ, "GOBIN": str(_vegeta().parent)}, check=True)


def _vegeta() -> Path:
    return WORK / "bin/vegeta"


@dataclass(frozen=True)
class Sent:
    """A request of a constant rate: when it was sent, in seconds, its status (0: no answer), and how long it took."""

    at: float
    status: int
    ms: float


class Constant:
    """A run at a constant rate; :meth:`join` waits for its end.

    Requests are sent when their time comes, whether or not those before are answered, so a server that falls behind
    cannot slow its own measurement down.
    """

    def __init__(self, running: Running, rows: int, rate: float, seconds: float) -> None:
        self.rate, self._seconds = round(rate), seconds
        self._record = WORK / "constant.bin"
        target = f"POST {running.url}\ncontent-type: application/json\n@{running.body(rows)}\n"
        command = [
            str(_vegeta()), "-cpus=1", "attack", "-lazy=false", f"-rate={self.rate}/1s", f"-duration={seconds}s",
            "-timeout=5s", "-workers=64", "-max-workers=1024", "-max-body=0", "-output", str(self._record),
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        assert self._process.stdin
        self._process.stdin.write(target)
        self._process.stdin.close()

    def join(self) -> list[Sent]:
        """Every request, in the order they were sent."""
        if self._process.wait(timeout=self._seconds + 60):
            raise RuntimeError(f"vegeta ended with {self._process.returncode}")
        encode = [str(_vegeta()), "encode", "-to", "csv", str(self._record)]
        lines = subprocess.run(encode, capture_output=True, text=True, check=True).stdout.splitlines()
        found = [Sent(int(line[0]) / 1e9, int(line[1]), int(line[2]) / 1e6) for line in csv.reader(lines)]
        return sorted(found, key=lambda sent: sent.at)


def percentile(sent: list[Sent], share: float) -> float:
    """Of the latencies, in milliseconds; 0 when there are none."""
    latencies = sorted(one.ms for one in sent)
    return latencies[min(int(share * len(latencies)), len(latencies) - 1)] if latencies else 0.0
