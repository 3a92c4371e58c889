"""What every benchmark does with its figures: a table on the screen, a JSON file beside the code."""

from __future__ import annotations

import os
import platform
import re
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
    print(table(header, rows))
    print()
    judge(figures["goals"])
    for goal in figures["goals"]:
        print(f"- {goal['goal']}: {goal['measured']:,}, {bound(goal)}: {'met' if goal['met'] else 'MISSED'}")
    write(name, figures)
    return 0 if all(goal["met"] for goal in figures["goals"]) else 1


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def judge(goals: list[dict[str, Any]]) -> None:
    """Write into each goal whether it is met."""
    for goal in goals:
        goal["met"] = bool(
            goal["measured"] <= goal["at_most"] if "at_most" in goal else goal["measured"] >= goal["at_least"]
        )


def bound(goal: dict[str, Any]) -> str:
    """What was asked for, in words."""
    return f"at most {goal['at_most']:,}" if "at_most" in goal else f"at least {goal['at_least']:,}"


def write(name: str, figures: dict[str, Any]) -> None:
    """Write ``figures`` to benchmarks/results/<name>.json, with the machine they were made on."""
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    machine = {
        "cpu": processor[1] if processor else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_1_minute": round(os.getloadavg()[0], 1),  # ratios suffer when neighbours are busy
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_json(RESULTS / f"{name}.json", {"when": when, "machine": machine, **figures})
