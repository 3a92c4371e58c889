"""The report's sections, each from one comparison; None where there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.errors import UserError
from slipway.learning.describe import in_words
from slipway.learning.drift import panel
from slipway.model.problem import PROBLEM
from slipway.report.comparison import Comparison
from slipway.report.document import Block, Code, Figure, Line, Paragraph, Section, Strong, Table
from slipway.report.judgement import breaches, in_order, judgement, limit
from slipway.report.pipeline import Change
from slipway.report.search_plan import search_plan
from slipway.report.wording import answer_head, answers, bar, comparable, level, number, setting, signed, spark
from slipway.stretches import gaps_in_words

DRIFT_PLOT = "drift.svg"
_NAME, _METRIC = PROBLEM.name, PROBLEM.decides
_CAPTIONS = {
    "calibration.svg": f"Calibration: predicted chance of {_NAME.answer} against the share that was",
    "curves.svg": "ROC and precision-recall curves on the hold-out",
    "confusion.svg": f"Which {_NAME.answer} is taken for which",
    "confidence.svg": "How sure the model is against how often it is right",
    "predicted.svg": f"Predicted {_NAME.answer} against the actual one",
    "residuals.svg": "How far predictions are off",
    "groups.svg": "How well each group is ordered",
    "parts.svg": f"{_METRIC.title} by {PROBLEM.parts.word}",
    "slices.svg": f"{_METRIC.title} by {' and '.join(PROBLEM.slices)}",
    "importance.svg": "Share of the gain by feature",
}


def metrics(comparison: Comparison) -> Section:
    """Every metric on both sides, judged where both are of the same rows."""
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
        why = f"the change is the model's and the {_NAME.many}' together."
        if before.holdout == after.holdout:
            blocks.append(Paragraph(("The data of ", Code(after.holdout), f" has changed: {why}")))
        else:
            blocks.append(
                Paragraph(("Before is of ", Code(before.holdout), ", after of ", Code(after.holdout), f": {why}"))
            )
    return Section("Metrics", blocks, weight=100)


def parts(comparison: Comparison) -> Section:
    """Rows, answers and score of each part, and what became of it since the base."""
    after = comparison.after.parts
    before = comparison.before.parts if comparison.before else {}
    scored = {entry["name"]: entry for entry in (comparison.after.details or {}).get("parts", [])}
    top = max((abs((after.get(name) or before[name])["mean"] or 0.0) for name in comparison.parts), default=0.0)
    rows: list[list[Line]] = []
    for name, state in comparison.parts.items():
        part = after.get(name) or before[name]
        said: Line = Strong(state) if state else ""
        if state == "changed":
            old = before[name]
            said = (Strong(state), f": {part['rows'] - old['rows']:+,} rows; {in_words(old)}, now {in_words(part)}")
        entry = scored.get(name) if name in after else None
        score = "" if entry is None else number(entry[_METRIC.name]) + ("" if entry["learnt"] else " held out")
        mean = "" if part["mean"] is None else bar(abs(part["mean"]), top)
        rows.append([Code(name), f"{part['rows']:,}", f"{part['answered']:,}", answers(part), mean, score, said])
    words = PROBLEM.parts.words if len(after) != 1 else PROBLEM.parts.word
    note = f"{len(after)} {words}, {sum(part['rows'] for part in after.values()):,} rows."
    if comparison.base and not before:
        note += " The base has no reports/data.json, so what changed in the data cannot be told."
    elif comparison.before and not any(comparison.parts.values()):
        note += " The data is as it was."
    if lacking := gaps_in_words(list(after)):
        note += f" {lacking}"
    head = (
        PROBLEM.parts.word, "rows", "with an answer", answer_head(), "", _METRIC.title,
        "since the base" if comparison.base else "",
    )  # fmt: skip
    if any(entry["learnt"] for entry in scored.values()):
        note += f" The {_METRIC.title} of a {PROBLEM.parts.word} that was learnt from is flattering."
    blocks: list[Block] = [
        Table(head, rows, frozenset(("rows", "with an answer", answer_head()))),
        Paragraph(note),
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
    """How far each column of the newest part is from what the base learnt from; ``drawn``: is there a plot?"""
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
            f"PSI is the population stability index between what the base's model learnt from and the newest: "
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
    """What decides in each slice on both sides, where both are of the same rows."""
    after = (comparison.after.details or {}).get("slices", {})
    before = ((comparison.before.details if comparison.before else None) or {}).get("slices", {})
    gate = comparison.settings.gate
    same = comparison.same_holdout
    means = any("mean_answer" in entry for kind in after for entry in after[kind])
    rows: list[list[Line]] = []
    fallen: list[str] = []
    for kind in after:
        old = {entry["name"]: entry for entry in before.get(kind, [])} if same else {}
        for entry in after[kind]:
            change = Change(old.get(entry["name"], {}).get(_METRIC.name), entry[_METRIC.name])
            said: Line = ""
            if entry["rows"] < gate.slice_min_rows:
                said = "too few to judge"
            elif comparable(change) and _METRIC.gain(change.before, change.after) > gate.slice_max_drop:
                said = Strong(f"lost more than {gate.slice_max_drop:g}")
                fallen.append(f"{kind} {entry['name']}")
            rows.append(
                [
                    kind, Code(entry["name"]), f"{entry['rows']:,}", *([level(entry["mean_answer"])] if means else []),
                    *([number(change.before)] if same else []), number(change.after),
                    *([signed(change)] if same else []), said,
                ]
            )  # fmt: skip
    if not rows:
        return None
    title = _METRIC.title
    summary = f"{title} of {len(rows)} slices of {comparison.after.holdout}"
    if fallen:
        summary += f"; lost more than {gate.slice_max_drop:g}: {', '.join(fallen)}"
    elif same:
        summary += f"; none lost more than {gate.slice_max_drop:g}"
    sides = ("before", "after", "change") if same else (title,)
    head = ("by", "slice", "rows", *((answer_head(),) if means else ()), *sides, "")
    right = frozenset(("rows", answer_head(), "before", "after", "change", title))
    return Section("Slices", [Table(head, rows, right)], weight=40, summary=summary)


def plots(names: list[str]) -> Section | None:
    """The plots of the evaluation."""
    order = [name for name in _CAPTIONS if name in names] + [name for name in names if name not in _CAPTIONS]
    return Section("Plots", [Figure(name, _CAPTIONS.get(name, name)) for name in order], weight=10) if order else None


def _gain_by_column(details: Mapping[str, Any]) -> dict[str, float]:
    """The features' shares of the gain, added up by the column they are made from."""
    share = {entry["feature"]: entry["share"] for entry in details.get("importance", [])}
    found: dict[str, float] = {}
    for feature in PROBLEM.features:
        if feature.name in share:
            found[feature.source] = found.get(feature.source, 0.0) + share[feature.name]
    return found
