"""What happens near the limit and past it: 80 % of saturation, four times saturation, a new model under load."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Constant, Sent, closed, install_vegeta, percentile
from benchmarks.serving.peers import SLIPWAY, Peer, Running, serve

ROWS = 64
"""A request's. No client here sends four times as many of one row as the server answers, nor at a steady rate."""
BELOW, ABOVE = 0.8, 4
RELOADED_AT = 0.5
"""Of saturation. Loading takes the same core, so the room it needs is left to it."""
NARROW = 8
"""The capacity past the limit: it bounds how long the accepted wait, by itself times a request's own time."""
SECONDS = 10
WINDOW = 0.25
TOKEN = "not-a-secret-in-a-benchmark"  # noqa: S105
CLEAN = (200, 429, 503)


def stress(model: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All of it: below the limit with the capacity that is the default, past it with a narrow one."""
    install_vegeta()
    found: dict[str, Any] = {"rows": ROWS}
    for name, flags in (("default", []), ("narrow", ["--capacity", str(NARROW)])):
        running = Running(Peer(f"{SLIPWAY}, {name} capacity", serve(*flags)), model, rows, SLIPWAY_ADMIN_TOKEN=TOKEN)
        try:
            running.wait()
            closed(running, ROWS, NARROW, 1)
            saturation = closed(running, ROWS, NARROW, 3)["rps"]
            below = Constant(running, ROWS, BELOW * saturation, SECONDS).join()
            found[name] = {"saturation_rps": saturation, "below": told(below)}
            if name == "default":
                found["replacing"] = replacing(running, model, RELOADED_AT * saturation)
                continue
            above = Constant(running, ROWS, ABOVE * saturation, SECONDS).join()
            after = Constant(running, ROWS, BELOW * saturation, SECONDS).join()
            found["above"], found["after"] = told(above), told(after)
            found["full_speed_after_s"] = full_speed_after(after, above[-1].at)
        finally:
            running.stop()
    return found


def told(sent: list[Sent]) -> dict[str, Any]:
    """A run at a constant rate in figures; latencies are those of what was accepted."""
    accepted = [one for one in sent if one.status == 200]
    lasted = max(sent[-1].at - sent[0].at, 1e-9)
    return {
        "sent_rps": round(len(sent) / lasted),
        "accepted_rps": round(len(accepted) / lasted),
        "statuses": {str(status): count for status, count in sorted(Counter(one.status for one in sent).items())},
        "p50_ms": round(percentile(accepted, 0.5), 2),
        "p99_ms": round(percentile(accepted, 0.99), 2),
    }


def full_speed_after(after: list[Sent], end: float) -> float:
    """The seconds from ``end`` to the first second in which all but 1 % are answered, or to the last request."""
    start = after[0].at
    while start + 1 <= after[-1].at:
        second = [one.status == 200 for one in after if start <= one.at < start + 1]
        if sum(second) >= 0.99 * len(second):
            return round(start - end, 2)
        start += WINDOW
    return round(after[-1].at - end, 2)


def replacing(running: Running, model: Path, rate: float) -> dict[str, Any]:
    """The same rate while the model is loaded anew, again and again."""
    load = Constant(running, ROWS, rate, SECONDS)
    loads, end = 0, time.monotonic() + SECONDS - 1
    while time.monotonic() < end:
        body = json.dumps({"parameters": {"uri": str(model), "version": str(loads + 2)}}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        url = f"{running.address}/v2/repository/models/flight-delay/load"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            assert json.load(answer)["version"] == str(loads + 2)
        loads += 1
        time.sleep(0.5)
    return {"loads": loads} | told(load.join())


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What was asked for, beside what was found."""
    unclean = sum(count for status, count in found["above"]["statuses"].items() if int(status) not in CLEAN)
    below, above = found["narrow"]["below"], found["above"]
    loads = found["replacing"]["loads"]
    return [
        {
            "goal": f"requests not answered at {BELOW:.0%} of saturation",
            "measured": _failed(found["default"]["below"]),
            "at_most": 0,
        },
        {"goal": f"neither 200, 429 nor 503 at {ABOVE} times saturation", "measured": unclean, "at_most": 0},
        {
            "goal": f"p99 of the accepted at {ABOVE} times saturation ÷ at {BELOW:.0%}",
            "measured": round(above["p99_ms"] / max(below["p99_ms"], 0.01), 2),
            "at_most": 2,
        },
        {"goal": "seconds to full speed after that", "measured": found["full_speed_after_s"], "at_most": 5},
        {
            "goal": f"requests not answered while the model was replaced {loads} times",
            "measured": _failed(found["replacing"]),
            "at_most": 0,
        },
    ]


def _failed(run: dict[str, Any]) -> int:
    return sum(count for status, count in run["statuses"].items() if status != "200")
