"""The demo's page: every step, what it took, and what came of it, in one file without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent
_WIDTH, _HEIGHT, _MARGIN = 640, 220, 44


def render(loop: dict[str, Any]) -> str:
    """The page of a loop, as :meth:`slipway.demo.demo.Loop.as_json` gives it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"diff": diff_lines, "trials": trial_points, "curve": latency_curve, "percent": _percent}
    return environment.get_template("demo.html.j2").render(run=loop)


def diff_lines(text: str) -> list[tuple[str, str]]:
    """Each line of a diff with the class it is coloured by: added, removed, place or same."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [
        ("same" if line.startswith(("+++", "---")) else kinds.get(line[:1], "same"), line)
        for line in text.splitlines()
        if not line.startswith(("diff --git", "index "))
    ]


def trial_points(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Where each succeeded trial stands in a chart of value by order, and the line of the best so far."""
    metric = trials[0]["spec"]["objective"]["objectiveMetricName"]
    scored: list[dict[str, Any]] = []
    for number, trial in enumerate(trials, 1):
        observed = {m["name"]: float(m["latest"]) for m in (trial["status"]["observation"] or {}).get("metrics", [])}
        if metric in observed and trial["status"]["conditions"][0]["type"] == "Succeeded":
            parameters = {a["name"]: _short(a["value"]) for a in trial["spec"]["parameterAssignments"]}
            scored.append({"number": number, "value": observed[metric], "parameters": parameters})
    better = max if trials[0]["spec"]["objective"]["type"] == "maximize" else min
    values = [trial["value"] for trial in scored]
    best_so_far = [better(values[: i + 1]) for i in range(len(values))]
    x, y = _scale(1, max(2, len(trials))), _axis(values, _HEIGHT)
    line = [(x(trial["number"]), y(best)) for trial, best in zip(scored, best_so_far, strict=True)]
    return {
        "metric": metric,
        "best": better(values),
        "points": [trial | {"x": x(trial["number"]), "y": y(trial["value"])} for trial in scored],
        "line": " ".join(f"{px:.1f},{py:.1f}" for px, py in line),
        "ticks": [(f"{value:.4f}", y(value)) for value in (min(values), max(values))],
        "names": list(scored[0]["parameters"]),
    }


def latency_curve(series: list[dict[str, Any]]) -> dict[str, Any]:
    """Polylines of the median and the 99th percentile by second, and the highest value for the axis."""
    answered = [second for second in series if second["p99_ms"] is not None]
    series = answered[:-1] or answered  # the load ended within its last second: a few requests, and no curve
    top = max((second["p99_ms"] for second in series), default=1.0) or 1.0
    x = _scale(series[0]["second"], max(series[-1]["second"], series[0]["second"] + 1))
    y = _axis([0.0, top], _HEIGHT)
    lines = {
        name: " ".join(f"{x(second['second']):.1f},{y(second[name]):.1f}" for second in series)
        for name in ("p50_ms", "p99_ms")
    }
    ends = {name: y(series[-1][name]) for name in ("p50_ms", "p99_ms")}
    return {"lines": lines, "ends": ends, "ticks": [(f"{value:.0f} ms", y(value)) for value in (0.0, top / 2, top)]}


def _scale(low: float, high: float) -> Any:
    return lambda value: _MARGIN + (value - low) / (high - low) * (_WIDTH - 2 * _MARGIN)


def _axis(values: list[float], height: int) -> Any:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return lambda value: height - 30 - (value - low) / span * (height - 56)


def _short(text: str) -> str:
    try:
        return f"{float(text):.3g}"
    except ValueError:
        return text


def _percent(value: float) -> str:
    return f"{value:.0%}"
