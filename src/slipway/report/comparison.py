"""The two sides of a report: what a commit says of itself, and what this work tree says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import read_json, read_yaml
from slipway.learning.drift import Drift, drift
from slipway.learning.train import DATA_REPORT, profile
from slipway.params import Params, load_params
from slipway.registry.register import FLIGHTS_DVC
from slipway.report.document import Code, Inline, Line
from slipway.report.pipeline import Differences, differences
from slipway.report.revision import Revision, commit, uncommitted
from slipway.report.search_plan import EXPERIMENT
from slipway.stretches import in_words

METRICS = Path("reports/metrics.json")
SLICES = Path("reports/slices.json")
MADE_BY = "dvc repro"


@dataclass(frozen=True)
class Side:
    """What one commit, or the work tree, says of itself; None or empty where it says nothing."""

    data: dict[str, Any] | None
    details: dict[str, Any] | None
    experiment: Any
    data_md5: str

    @property
    def months(self) -> dict[str, Any]:
        """The months of reports/data.json by name."""
        return (self.data or {}).get("months", {})

    @property
    def holdout(self) -> str:
        """The months the metrics are of."""
        return in_words((self.details or {}).get("held_out", []))


@dataclass(frozen=True)
class Comparison:
    """Everything the report is written from."""

    base: Revision | None
    before: Side | None
    after: Side
    differences: Differences
    drift: list[Drift]
    drift_before: str
    drift_after: str
    settings: Params
    origin: Line

    @property
    def months(self) -> dict[str, str]:
        """What became of each month since the base, as :func:`month_states` says; nothing where the base is silent."""
        if self.before is None or self.before.data is None:
            return dict.fromkeys(sorted(self.after.months), "")
        return month_states(self.before.months, self.after.months)

    @property
    def same_holdout(self) -> bool:
        """Are both sides' metrics of the same flights?"""
        before, after = self.before, self.after
        return bool(
            before
            and before.holdout == after.holdout
            and all(
                before.months.get(name) == after.months.get(name) for name in (after.details or {}).get("held_out", [])
            )
        )


def month_states(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Each month of either side in order of time: added, removed, changed, or empty for as it was."""
    return {
        name: "added" if name not in before else "removed" if name not in after
        else "changed" if before[name] != after[name] else ""
        for name in sorted({**before, **after})
    }  # fmt: skip


def late_rate(month: Mapping[str, Any]) -> float:
    """The share of a month's flights with an answer that were late."""
    return float(month["late"] / month["answered"]) if month["answered"] else 0.0


def compare(base: Revision | None) -> Comparison:
    """Read both sides.

    Raises:
        UserError: the pipeline has not been run, or a file of this work tree is broken.
    """
    settings = load_params()
    after = _work_tree()
    before = _at(base) if base else None
    changes = differences(base.sha if base else None)
    moved, old, new = _drift(before, after, settings)
    return Comparison(base, before, after, changes, moved, old, new, settings, _origin(base, before, after))


def _work_tree() -> Side:
    if not METRICS.exists():
        raise UserError(f"{METRICS} is missing: run `{MADE_BY}`, which trains and evaluates.")
    read_json(METRICS, MADE_BY, "auc")  # DVC, which reads it below, takes a broken one for none
    data = read_json(DATA_REPORT, MADE_BY, "months")
    if not data["months"]:
        raise UserError(f"{DATA_REPORT} describes no month: make it again with `{MADE_BY}`.")
    experiment = read_yaml(EXPERIMENT) if EXPERIMENT.exists() else None
    return Side(
        data=data,
        details=read_json(SLICES, MADE_BY, "trained_on", "held_out", "slices"),
        experiment=experiment,
        data_md5=_md5(read_yaml(FLIGHTS_DVC) if FLIGHTS_DVC.exists() else None),
    )


def _at(base: Revision) -> Side:
    return Side(
        data=base.json(DATA_REPORT),
        details=base.json(SLICES),
        experiment=base.yaml(EXPERIMENT),
        data_md5=_md5(base.yaml(FLIGHTS_DVC)),
    )


def _md5(tracked: Any) -> str:
    try:
        return str(tracked["outs"][0]["md5"])
    except (KeyError, IndexError, TypeError):
        return ""


def _origin(base: Revision | None, before: Side | None, after: Side) -> Line:
    head = commit("HEAD")
    parts: list[Inline] = ["This change: ", Code(head[:12]) if head else "no commit yet"]
    if uncommitted():
        parts.append(" and what is not committed yet")
    if after.data_md5:
        parts += [", data ", Code(after.data_md5[:12])]
    if base:
        parts += ["; compared with ", Code(base.short), " ("]
        parts.append(base.name if " " in base.name else Code(base.name))
        parts.append(")")
        if before and before.data_md5 and before.data_md5 != after.data_md5:
            parts += [", data ", Code(before.data_md5[:12])]
    return (*parts, ".")


def _drift(before: Side | None, after: Side, settings: Params) -> tuple[list[Drift], str, str]:
    """The newest month against what the base's model has learnt from; without a base, against the months before it."""
    names = sorted(after.months)
    newest = names[-1]
    source = before if before and before.data and before.details else after
    learnt = [name for name in (source.details or {}).get("trained_on", []) if name in source.months and name != newest]
    if not learnt:
        return [], "", newest
    moved = drift(
        profile([source.months[name] for name in learnt])["columns"],
        after.months[newest]["columns"],
        settings.report.drift_warning,
        settings.report.drift_alert,
        (source.data or {})["columns"],
        (after.data or {})["columns"],
    )
    return moved, in_words(learnt), newest
