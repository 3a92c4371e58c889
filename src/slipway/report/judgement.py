"""Whether a metric got better, and whether the gate's absolute limits hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slipway.model.problem import PROBLEM
from slipway.params import Params
from slipway.report.pipeline import Change
from slipway.report.wording import comparable


def judgement(name: str, change: Change) -> str:
    """better, worse or same by the metric's own direction; empty where it has none or a side is no number."""
    metric = PROBLEM.metric.get(own_name(name))
    if metric is None or not comparable(change):
        return ""
    if change.before == change.after:
        return "same"
    return "better" if metric.better(change.after, change.before) else "worse"


def judged(metrics: Mapping[str, Change], as_what: str) -> list[str]:
    """The names of the metrics that are ``as_what``."""
    return [name for name in in_order(metrics) if judgement(name, metrics[name]) == as_what]


def in_order(names: Iterable[str]) -> list[str]:
    """The problem's metrics first, in the order they are declared in."""
    declared = list(PROBLEM.metric)
    return sorted(
        names, key=lambda name: (declared.index(own_name(name)) if own_name(name) in declared else len(declared), name)
    )


def limit(name: str, settings: Params) -> str:
    """The gate's absolute limit of a metric in words; empty when it has none."""
    floor, ceiling = _limits(name, settings)
    if floor is not None:
        return f"at least {floor:g}"
    return "" if ceiling is None else f"at most {ceiling:g}"


def breaches(name: str, value: Any, settings: Params) -> bool:
    """Is the value beyond the gate's absolute limit?"""
    if not isinstance(value, int | float):
        return False
    floor, ceiling = _limits(name, settings)
    return (floor is not None and value < floor) or (ceiling is not None and value > ceiling)


def _limits(name: str, settings: Params) -> tuple[float | None, float | None]:
    return settings.gate.floors.get(own_name(name)), settings.gate.ceilings.get(own_name(name))


def own_name(name: str) -> str:
    """A metric's own name: its file's name, or a section's, may stand before it."""
    return name.rsplit(" ", 1)[-1].rsplit(".", 1)[-1]
