"""The two sides of a report: what a commit says of itself, and what this work tree says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import read_json, read_yaml
from slipway.learning.describe import ANSWER
from slipway.learning.drift import Drift, drift
from slipway.learning.learners.learner import settings
from slipway.learning.profile import profile
from slipway.learning.train import DATA_REPORT
from slipway.model.problem import PROBLEM
from slipway.params import Params
from slipway.registry.register import DATA_DVC
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
    def parts(self) -> dict[str, Any]:
        """The parts of reports/data.json by name."""
        return (self.data or {}).get("parts", {})

    @property
    def holdout(self) -> str:
        """What the metrics are of, in words."""
        details = self.details or {}
        return details.get("holdout") or in_words(details.get("held_out", []))


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
    def parts(self) -> dict[str, str]:
        """What became of each part since the base, as :func:`part_states` says; nothing where the base is silent."""
        if self.before is None or self.before.data is None:
            return dict.fromkeys(sorted(self.after.parts), "")
        return part_states(self.before.parts, self.after.parts)

    @property
    def same_holdout(self) -> bool:
        """Are both sides' metrics of the same rows?"""
        before, after = self.before, self.after
        return bool(
            before
            and before.holdout == after.holdout
            and all(
                before.parts.get(name) == after.parts.get(name) for name in (after.details or {}).get("held_out", [])
            )
        )


def part_states(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Each part of either side in order: added, removed, changed, or empty for as it was."""
    return {
        name: "added" if name not in before else "removed" if name not in after
        else "changed" if before[name] != after[name] else ""
        for name in sorted({**before, **after})
    }  # fmt: skip


def compare(base: Revision | None) -> Comparison:
    """Read both sides.

    Raises:
        UserError: the pipeline has not been run, or a file of this work tree is broken.
    """
    params = settings(PROBLEM)
    after = _work_tree()
    before = _at(base) if base else None
    changes = differences(base.sha if base else None)
    moved, old, new = _drift(before, after, params)
    return Comparison(base, before, after, changes, moved, old, new, params, _origin(base, before, after))


def _work_tree() -> Side:
    if not METRICS.exists():
        raise UserError(f"{METRICS} is missing: run `{MADE_BY}`, which trains and evaluates.")
    read_json(METRICS, MADE_BY, PROBLEM.decides.name)  # DVC, which reads it below, takes a broken one for none
    data = read_json(DATA_REPORT, MADE_BY, "parts", "buckets")
    if not data["parts"]:
        raise UserError(f"{DATA_REPORT} describes no part: make it again with `{MADE_BY}`.")
    experiment = read_yaml(EXPERIMENT) if EXPERIMENT.exists() else None
    return Side(
        data=data,
        details=read_json(SLICES, MADE_BY, "trained_on", "held_out", "slices"),
        experiment=experiment,
        data_md5=_md5(read_yaml(DATA_DVC) if DATA_DVC.exists() else None),
    )


def _at(base: Revision) -> Side:
    return Side(
        data=base.json(DATA_REPORT),
        details=base.json(SLICES),
        experiment=base.yaml(EXPERIMENT),
        data_md5=_md5(base.yaml(DATA_DVC)),
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


def _drift(before: Side | None, after: Side, params: Params) -> tuple[list[Drift], str, str]:
    """The newest part against what the base's model has learnt from; without a base, against the parts before it."""
    names = sorted(after.parts)
    newest = names[-1]
    source = before if before and before.parts and before.details else after
    learnt = [name for name in (source.details or {}).get("trained_on", []) if name in source.parts and name != newest]
    if not learnt and source is before and newest in source.parts:
        learnt = [newest]  # one file, which grows
    if not learnt:
        return [], "", newest
    then = profile([source.parts[name] for name in learnt])
    moved = drift(
        {ANSWER: then["answer"], **then["columns"]},
        {ANSWER: after.parts[newest]["answer"], **after.parts[newest]["columns"]},
        params.report.drift_warning,
        params.report.drift_alert,
        (source.data or {}).get("buckets", {}),
        (after.data or {})["buckets"],
    )
    return moved, in_words(learnt), newest
