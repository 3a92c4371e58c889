"""The report's sections, each from one comparison; None where there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.errors import UserError
from slipway.learning.drift import panel
from slipway.report.comparison import Comparison, late_rate
from slipway.report.document import Block, Code, Figure, Line, Paragraph, Section, Strong, Table
from slipway.report.judgement import breaches, in_order, judgement, limit
from slipway.report.pipeline import Change
from slipway.report.search_plan import search_plan
from slipway.report.wording import bar, comparable, number, setting, signed, spark
from slipway.stretches import gaps_in_words

DRIFT_PLOT = "drift.svg"
_CAPTIONS = {
    "calibration.svg": "Calibration: predicted chance of being late against the share that was late",
    "curves.svg": "ROC and precision-recall curves on the hold-out",
    "months.svg": "AUC and late rate by month",
    "slices.svg": "AUC and late rate by origin and carrier",
    "importance.svg": "Share of the gain by feature",
}


def metrics(comparison: Comparison) -> Section:
    """Every metric on both sides, judged where both are of the same flights."""
    same, settings = comparison.same_holdout, comparison.settings
    rows: list[list[Line]] = []
    for name in in_order(comparison.differences.metrics):
        change = comparison.differences.metrics[name]
        said = limit(name, settings)
        held: Line = Strong(f"{said}: not met") if breaches(name, change.after, settings) else f"{said}: met"
        rows.append(
            [
                Code(name), number(change.before), number(change.after), signed(change),
                *([judgement(name, change)] if same else []), held if said else "",
            ]
        )  # fmt: skip
    head = ("metric", "before", "after", "change", *(("",) if same else ()), "the gate's limit")
    blocks: list[Block] = [Table(head, rows, frozenset(("before", "after", "change")))]
    before, after = comparison.before, comparison.after
    if before and before.holdout and not same:
        why = "the change is the model's and the flights' together."
        if before.holdout == after.holdout:
            blocks.append(Paragraph(("The data of ", Code(after.holdout), f" has changed: {why}")))
        else:
            blocks.append(
                Paragraph(("Before is of ", Code(before.holdout), ", after of ", Code(after.holdout), f": {why}"))
            )
    return Section("Metrics", blocks, weight=100)


def months(comparison: Comparison) -> Section:
    """Rows, late rate and AUC of each month, and what became of it since the base."""
    after = comparison.after.months
    before = comparison.before.months if comparison.before else {}
    scored = {entry["name"]: entry for entry in (comparison.after.details or {}).get("slices", {}).get("month", [])}
    top = max((late_rate(after.get(name) or before[name]) for name in comparison.months), default=0.0)
    rows: list[list[Line]] = []
    for name, state in comparison.months.items():
        month = after.get(name) or before[name]
        late = late_rate(month)
        said: Line = Strong(state) if state else ""
        if state == "changed":
            old = before[name]
            said = (Strong(state), f": {month['rows'] - old['rows']:+,} rows, {late - late_rate(old):+.1%} late")
        entry = scored.get(name) if name in after else None
        area = "" if entry is None else number(entry["auc"]) + ("" if entry["learnt"] else " held out")
        rows.append(
            [Code(name), f"{month['rows']:,}", f"{month['answered']:,}", f"{late:.1%}", bar(late, top), area, said]
        )
    note = f"{len(after)} months, {sum(month['rows'] for month in after.values()):,} rows."
    if comparison.before and comparison.before.data is None:
        note += " The base has no reports/data.json, so what changed in the data cannot be told."
    elif comparison.before and not any(comparison.months.values()):
        note += " The data is as it was."
    if lacking := gaps_in_words(list(after)):
        note += f" {lacking}"
    head = ("month", "rows", "with an answer", "late", "", "AUC", "since the base" if comparison.base else "")
    blocks: list[Block] = [
        Table(head, rows, frozenset(("rows", "with an answer", "late"))),
        Paragraph(f"{note} The AUC of a month that was learnt from is flattering."),
    ]
    return Section("Data", blocks, weight=90)


def schema(comparison: Comparison) -> Section | None:
    """What the schema expected of a column then and expects now."""
    if not comparison.before or not comparison.before.data:
        return None
    before, after = comparison.before.data["columns"], (comparison.after.data or {})["columns"]
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not changed:
        return None
    rows = [
        (Code(name), Code(before[name]) if name in before else "no such column",
         Code(after[name]) if name in after else Strong("removed"))
        for name in changed
    ]  # fmt: skip
    return Section("Schema", [Table(("column", "expected before", "expected now"), rows)], weight=85)


def drifted(comparison: Comparison, drawn: bool) -> Section | None:
    """How far each column of the newest month is from what the base learnt from; ``drawn``: is there a plot?"""
    if not comparison.drift:
        return None
    settings = comparison.settings.report
    gain = _gain_by_column(comparison.after.details or {})
    rows: list[list[Line]] = []
    for moved in comparison.drift:
        shown = panel(moved)
        index: Line = moved.reason if moved.index is None else f"{moved.index:.3f}"
        top = max([*shown["before"], *shown["after"], 1e-9])
        rows.append(
            [
                Code(moved.name),
                Strong(f"{moved.index:.3f}") if moved.level else index,
                moved.level,
                f"{gain[moved.name]:.1%}" if moved.name in gain else "",
                f"{moved.missing[0]:.1%} → {moved.missing[1]:.1%}" if any(moved.missing) else "",
                spark(shown["before"], top),
                spark(shown["after"], top),
            ]
        )
    head = ("column", "PSI", "level", "gain", "missing", comparison.drift_before, comparison.drift_after)
    levels = [moved.level for moved in comparison.drift]
    summary = (
        f"{comparison.drift_after} against {comparison.drift_before}: {levels.count('alert')} columns past the alert "
        f"level, {levels.count('warning')} past the warning level"
    )
    blocks: list[Block] = [
        Table(head, rows, frozenset(("PSI", "gain", "missing"))),
        Paragraph(
            f"PSI is the population stability index between the months the base's model learnt from and the newest: "
            f"warning from {settings.drift_warning:g}, alert from {settings.drift_alert:g} (params.yaml). Gain is the "
            "column's share of what the model learnt; a drift matters where both are large. The small bars are the "
            "share of rows in each bucket; of many categories, those that moved most."
        ),
    ]
    if drawn:
        blocks.append(
            Figure(DRIFT_PLOT, f"Distribution of each column, {comparison.drift_before} and {comparison.drift_after}")
        )
    return Section("Drift", blocks, weight=70, summary=summary)


def parameters(comparison: Comparison) -> Section | None:
    """What of params.yaml changed."""
    if comparison.base is None:
        return None
    changed = {name: change for name, change in comparison.differences.params.items() if change.changed}
    if not changed:
        return Section("Parameters", [Paragraph("As they were.")], weight=80)
    rows = [
        (Code(name), setting(change.before), setting(change.after), signed(change) if comparable(change) else "")
        for name, change in changed.items()
    ]
    right = frozenset(("before", "after", "change"))
    return Section("Parameters", [Table(("parameter", "before", "after", "change"), rows, right)], weight=80)


def search(comparison: Comparison) -> Section | None:
    """What a merge would spend."""
    if comparison.after.experiment is None:
        return None
    try:
        after = search_plan(comparison.after.experiment).rows()
    except UserError as error:
        return Section("Planned search", [Paragraph(str(error))], weight=60)
    before: dict[str, str] = {}
    if comparison.before and comparison.before.experiment is not None:
        try:
            before = search_plan(comparison.before.experiment).rows()
        except UserError:
            before = {}
    changed = bool(before) and before != after
    if not changed:
        rows: list[list[Line]] = [[name, value] for name, value in after.items()]
        table = Table(("a merge runs", ""), rows)
    else:
        names = list({**after, **before})
        table = Table(
            ("a merge runs", "before", "after", ""),
            [
                [name, before.get(name, "none"), after.get(name, "none"),
                 Strong("changed") if before.get(name) != after.get(name) else ""]
                for name in names
            ],
        )  # fmt: skip
    summary = f"{after['trials']} trials, {after['at once']} at once; each requests {after['one trial requests']}"
    return Section("Planned search", [table], weight=60, summary=summary)


def sliced(comparison: Comparison) -> Section | None:
    """AUC of each slice on both sides, where both are of the same flights."""
    after = (comparison.after.details or {}).get("slices", {})
    before = ((comparison.before.details if comparison.before else None) or {}).get("slices", {})
    gate = comparison.settings.gate
    same = comparison.same_holdout
    rows: list[list[Line]] = []
    fallen: list[str] = []
    for kind in after:
        if kind == "month":
            continue
        old = {entry["name"]: entry for entry in before.get(kind, [])} if same else {}
        for entry in after[kind]:
            change = Change(old.get(entry["name"], {}).get("auc"), entry["auc"])
            said: Line = ""
            if entry["rows"] < gate.slice_min_rows:
                said = "too few to judge"
            elif comparable(change) and change.before - change.after > gate.slice_max_drop:
                said = Strong(f"lost more than {gate.slice_max_drop:g}")
                fallen.append(f"{kind} {entry['name']}")
            rows.append(
                [
                    kind, Code(entry["name"]), f"{entry['rows']:,}", f"{entry['base_rate']:.1%}",
                    *([number(change.before)] if same else []), number(change.after),
                    *([signed(change)] if same else []), said,
                ]
            )  # fmt: skip
    if not rows:
        return None
    summary = f"AUC of {len(rows)} slices of {comparison.after.holdout}"
    if fallen:
        summary += f"; lost more than {gate.slice_max_drop:g}: {', '.join(fallen)}"
    elif same:
        summary += f"; none lost more than {gate.slice_max_drop:g}"
    head = ("by", "slice", "rows", "late", *(("before", "after", "change") if same else ("AUC",)), "")
    right = frozenset(("rows", "late", "before", "after", "change", "AUC"))
    return Section("Slices", [Table(head, rows, right)], weight=40, summary=summary)


def plots(names: list[str]) -> Section | None:
    """The plots of the evaluation."""
    order = [name for name in _CAPTIONS if name in names] + [name for name in names if name not in _CAPTIONS]
    return Section("Plots", [Figure(name, _CAPTIONS.get(name, name)) for name in order], weight=10) if order else None


def _gain_by_column(details: Mapping[str, Any]) -> dict[str, float]:
    """The features' shares of the gain, added up by the column they are made from."""
    from slipway.model.features import FEATURES

    share = {entry["feature"]: entry["share"] for entry in details.get("importance", [])}
    found: dict[str, float] = {}
    for feature in FEATURES:
        if feature.name in share:
            found[feature.source] = found.get(feature.source, 0.0) + share[feature.name]
    return found
