"""What every benchmark does with its figures: a table on the screen, a JSON file beside the code."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.files import write_json

RESULTS = Path(__file__).resolve().parent / "results"


def show(name: str, header: Sequence[str], rows: Sequence[Sequence[object]], figures: dict[str, Any]) -> int:
    """Print a Markdown table and write ``figures`` to benchmarks/results/<name>.json.

    ``figures["goals"]`` is a list of {goal, measured, and at_most or at_least}.

    Returns:
        The exit code: 1 when a goal is missed.
    """
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print()
    for goal in figures["goals"]:
        if "at_most" in goal:
            goal["met"], bound = bool(goal["measured"] <= goal["at_most"]), f"at most {goal['at_most']:,}"
        else:
            goal["met"], bound = bool(goal["measured"] >= goal["at_least"]), f"at least {goal['at_least']:,}"
        print(f"- {goal['goal']}: {goal['measured']:,}, {bound}: {'met' if goal['met'] else 'MISSED'}")
    machine = {
        "cpus": len(os.sched_getaffinity(0)),
        "load_1_minute": round(os.getloadavg()[0], 1),  # ratios suffer when neighbours are busy
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_json(RESULTS / f"{name}.json", {"when": when, "machine": machine, **figures})
    return 0 if all(goal["met"] for goal in figures["goals"]) else 1
