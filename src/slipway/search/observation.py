"""What a trial reported, read off its lines as Katib's StdOut collector reads them.

https://github.com/kubeflow/katib/blob/v0.19.0/pkg/metricscollector/v1beta1/file-metricscollector/file-metricscollector.go
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

DEFAULT_FORMAT = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
"""What Katib looks for when the experiment names no format."""

UNAVAILABLE = "unavailable"
"""What Katib writes in the place of a number it does not have."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class MetricsReader:
    """Reads one trial's lines.

    One thing is not done as Katib does it: Katib takes a value that is no number, as its own format reads ``auc=nan``,
    for the best of all. Here such a metric is :attr:`spoilt`.
    """

    def __init__(self, names: Sequence[str], formats: Sequence[str]) -> None:
        self.values: dict[str, list[float]] = {name: [] for name in names}
        self.spoilt: set[str] = set()
        self.untimed = False
        self._formats = [re.compile(pattern, re.ASCII) for pattern in formats]  # Go's \w and \d are ASCII

    def read(self, line: str) -> list[str]:
        """Take in one line; returns the names of the metrics it reported."""
        line = line.rstrip("\r\n")
        reported = []
        for pattern in self._formats:
            for match in pattern.finditer(line):
                name, value = (match[1] or "").strip(), finite_number(match[2])
                if name not in self.values:
                    continue
                if value is None:
                    self.spoilt.add(name)
                    continue
                self.values[name].append(value)
                reported.append(name)
        if reported and not _RFC3339.fullmatch(line.partition(" ")[0]):
            self.untimed = True
        return reported

    def observation(self) -> list[dict[str, str]]:
        """Minimum, maximum and latest of each metric as Katib stores them: text, "unavailable" where there is none."""
        return [
            {"name": name, "min": repr(min(values)), "max": repr(max(values)), "latest": repr(values[-1])}
            if (values := self.values[name])
            else {"name": name, "min": UNAVAILABLE, "max": UNAVAILABLE, "latest": UNAVAILABLE}
            for name in self.values
        ]


def objective_value(objective: dict[str, object], observation: Sequence[dict[str, str]]) -> float | None:
    """The objective's value in a trial's observation, None where there is no finite one.

    The strategy says which of min, max and latest counts; without one it is max to maximize and min to minimize.

    Args:
        objective: an Experiment's or Trial's ``spec.objective``.
        observation: a Trial's ``status.observation.metrics``.
    """
    name = objective["objectiveMetricName"]
    strategies = objective.get("metricStrategies") or []
    assert isinstance(strategies, list)
    chosen = next((strategy["value"] for strategy in strategies if strategy["name"] == name), None)
    field = chosen or ("max" if objective["type"] == "maximize" else "min")
    return next((finite_number(metric.get(field)) for metric in observation if metric["name"] == name), None)


def finite_number(text: object) -> float | None:
    """The number that ``text`` is, None where it is none or is not finite."""
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
