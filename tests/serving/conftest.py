"""A small model, its folder, and a real server process around it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.learning.compile import compile_ensemble
from tests.serving.departures import departures, encode, sample, train

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "not-a-secret-in-a-test"  # noqa: S105


@pytest.fixture(scope="session")
def month() -> Any:
    """6,000 departures of January, as a checked part has them."""
    return departures(1)


@pytest.fixture(scope="session")
def features(month: Any) -> np.ndarray:
    """Their features: float32, shape (rows, features)."""
    return encode(month)


@pytest.fixture(scope="session")
def rows(month: Any) -> list[dict[str, Any]]:
    """200 of them as a client sends them."""
    return sample(month)


@pytest.fixture(scope="session")
def bare_folder(month: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that was never compiled: two members of 25 trees."""
    return train(tmp_path_factory.mktemp("bare") / "model", month, seed=1)


@pytest.fixture(scope="session")
def folder(bare_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, compiled."""
    path = tmp_path_factory.mktemp("compiled") / "model"
    shutil.copytree(bare_folder, path)
    compile_ensemble(path)
    return path


@pytest.fixture(scope="session")
def other_folder(month: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model that answers otherwise, compiled."""
    path = train(tmp_path_factory.mktemp("other") / "model", month, seed=2, rounds=5)
    compile_ensemble(path)
    return path


@pytest.fixture(scope="session")
def negative_folder(month: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose answers are all below zero: 5 less than a probability."""
    path = tmp_path_factory.mktemp("negative") / "model"
    train(path, month, seed=3, rounds=5, objective="reg:squarederror", shift=-5.0)
    compile_ensemble(path)
    return path


class Server:
    """A running `slipway serve`, and a plain client for it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url

    def call(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> tuple[int, Any]:
        """(status, parsed JSON or text). ``body`` is JSON unless it is bytes."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"content-type": "application/json", **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode()

    def metric(self, line: str) -> float:
        """The value of one series; 0 when it has labels and is not there yet, an error when it has none."""
        _, text = self.call("/metrics")
        for row in text.splitlines():
            if row.startswith(line + " "):
                return float(row.rpartition(" ")[2])
        assert "{" in line, f"{line} is no metric of this server"
        return 0.0


@contextmanager
def serving(*flags: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """`slipway serve` on a free port, once it says that it is ready; ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "slipway", "serve", "--port", "0", *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        line = process.stdout.readline()
        if " on http" not in line:
            process.wait(timeout=30)
            pytest.fail(f"not ready: {line}{process.stderr.read()}")
        yield Server(process, line.split(" on ")[1].strip())
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    """A server with the compiled model, shared by the tests that leave it as it is."""
    with serving("--model", str(folder), "--version", "7", env={"SLIPWAY_ADMIN_TOKEN": TOKEN}) as running:
        yield running


def until(condition: Any, seconds: float = 20.0) -> bool:
    """Whether ``condition`` came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
