"""A real model server, for as long as a block of code lasts."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.signals import orderly_end

_START_SECONDS = 60
_STOP_SECONDS = 20
_READY = re.compile(r"^serving .* on (http://\S+)$", re.MULTILINE)


@contextmanager
def served(model: Path, name: str, log: Path) -> Iterator[str]:
    """Serve ``model`` in a process of its own on a free loopback port; yields its address.

    Raises:
        UserError: the server ended, or was not ready in time; its own words are in the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output, orderly_end():
        where = ["--model", str(model), "--compile", "--name", name, "--port", "0"]
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway", "serve", *where],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"}, start_new_session=True,
        )  # fmt: skip
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def name_here() -> str:
    """The model's name in the repository we stand in; the image has none, and its manifest says the name."""
    if not Path("slipway.yaml").exists():
        return "model"
    from slipway.names import load_names  # with libraries that the image has not

    return load_names().model


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server answers, which it says once it does."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise UserError(f"the server ended at its start: {words[-1] if words else 'without a word'}")
        if said := _READY.search(log.read_text(encoding="utf-8", errors="replace")):
            return said[1]
        time.sleep(0.05)
    raise UserError(f"the server was not ready after {_START_SECONDS} s; its output is in {log}.")


def latencies(address: str, rows: list[dict[str, Any]], requests: int, warm_up: int = 20) -> list[float]:
    """Ask for one row at a time over one kept connection; the time of each answer in milliseconds, after a warm-up.

    Raises:
        UserError: the server refused a row, or stopped answering.
    """
    host, port = address.removeprefix("http://").split(":")
    bodies = [json.dumps({"rows": [row]}) for row in rows]
    times = []
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        for number in range(warm_up + requests):
            began = time.perf_counter()
            try:
                connection.request(
                    "POST", "/predict", bodies[number % len(bodies)], {"content-type": "application/json"}
                )
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                raise UserError(f"the server stopped answering after {number} requests ({error!r}).") from None
            times.append((time.perf_counter() - began) * 1000)
            if response.status != 200:
                raise UserError(
                    f"the server answered {response.status} to a row of the hold-out: {body.decode()[:300]}"
                )
    return times[warm_up:]
