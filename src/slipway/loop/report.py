"""What a change does to data, parameters and metrics, for a pull request.

  report                  this work tree against the commit the branch left main at: build/report/report.md (a
                          comment), build/report/index.html (one page with everything), build/report/plots/*.svg
  report --base v1.2      against another commit, tag or branch
  report --plots-url URL  the comment shows the plots too, from a folder at this address

Run `dvc repro` first: the report reads what that wrote, and says so when it is out of date. Of the older commit only
small files in Git are read (reports/, params.yaml, k8s/katib/experiment.yaml), so no data is fetched.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import read_json, whole_folder, write_text
from slipway.loop.document import (
    Block,
    Code,
    Document,
    Figure,
    Inline,
    Line,
    Paragraph,
    Section,
    Strong,
    Table,
)
from slipway.loop.drift import Drift, drift, panel
from slipway.loop.markdown import to_markdown
from slipway.loop.page import to_page
from slipway.loop.pipeline import Change, Differences, differences
from slipway.loop.revision import Revision, base_revision, commit, uncommitted
from slipway.loop.search_plan import EXPERIMENT, search_plan
from slipway.model.metrics import HIGHER_IS_BETTER
from slipway.model.train import DATA_REPORT, FLIGHTS_DVC, profile
from slipway.params import PARAMS_FILE, Params, load_params

OUT = Path("build/report")
SLICES = Path("reports/slices.json")
PLOTS = Path("reports/plots")
DRIFT_PLOT = "drift.svg"
_MADE_BY = "dvc repro"
_PRIMARY = "auc"
_SPARKS = "▁▂▃▄▅▆▇█"
_DIGITS = 4
_CAPTIONS = {
    "calibration.svg": "Calibration: predicted chance of being late against the share that was late",
    "curves.svg": "ROC and precision-recall curves on the hold-out",
    "months.svg": "AUC and late rate by month",
    "slices.svg": "AUC and late rate by origin and carrier",
    "importance.svg": "Share of the gain by feature",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway report`."""
    parser.add_argument(
        "--base", metavar="REV", help="default: where this branch left main; on main, the commit before"
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--plots-url", metavar="URL", help="address under which people will find DIR/plots")


def run(args: argparse.Namespace) -> None:
    """Write the report and say what it says."""
    if args.plots_url and not args.plots_url.startswith(("https://", "http://")):
        raise UserError(f"--plots-url {args.plots_url}: expected an address that starts with https://.")
    base = base_revision(args.base)
    comparison = compare(base)
    with whole_folder(args.out) as folder:
        plots = folder / "plots"
        plots.mkdir()
        for path in sorted(PLOTS.glob("*.svg")):
            shutil.copy(path, plots / path.name)
        _draw_drift(comparison, plots)
        document = to_document(comparison, sorted(path.name for path in plots.iterdir()))
        write_text(folder / "report.md", to_markdown(document, str(args.out / "index.html"), args.plots_url))
        write_text(folder / "index.html", to_page(document, plots))
    for warning in comparison.differences.stale:
        print(f"slipway report: {_plain(warning)}", file=sys.stderr)
    print(_plain(document.verdict[0]))
    print(f"{args.out / 'report.md'} and {args.out / 'index.html'}")


@dataclass(frozen=True)
class Side:
    """What one commit, or the work tree, says of itself; None or empty where it says nothing."""

    data: dict[str, Any] | None
    details: dict[str, Any] | None
    params: dict[str, Any]
    experiment: Any
    data_md5: str

    @property
    def months(self) -> dict[str, Any]:
        """The months of reports/data.json by name."""
        return (self.data or {}).get("months", {})

    @property
    def holdout(self) -> str:
        """The months the metrics are of."""
        return " and ".join((self.details or {}).get("held_out", []))


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
    import yaml

    if not Path("reports/metrics.json").exists():
        raise UserError(f"reports/metrics.json is missing: run `{_MADE_BY}`, which trains and evaluates.")
    experiment = yaml.safe_load(EXPERIMENT.read_text(encoding="utf-8")) if EXPERIMENT.exists() else None
    return Side(
        data=read_json(DATA_REPORT, _MADE_BY),
        details=read_json(SLICES, _MADE_BY),
        params=yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8")),
        experiment=experiment,
        data_md5=_md5(yaml.safe_load(FLIGHTS_DVC.read_text(encoding="utf-8")) if FLIGHTS_DVC.exists() else None),
    )


def _at(base: Revision) -> Side:
    return Side(
        data=base.json(DATA_REPORT),
        details=base.json(SLICES),
        params=base.yaml(PARAMS_FILE) or {},
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
    return moved, learnt[0] if len(learnt) == 1 else f"{learnt[0]} to {learnt[-1]}", newest


def _draw_drift(comparison: Comparison, plots: Path) -> None:
    panels = [panel(moved) for moved in comparison.drift if moved.index is not None]
    if panels:
        from slipway.model.plots import draw_drift

        draw_drift(plots / DRIFT_PLOT, panels, comparison.drift_before, comparison.drift_after)


def to_document(comparison: Comparison, plots: list[str]) -> Document:
    """The report in the order of a reviewer's questions: better? what changed? what will it cost? how does it look?"""
    tone, verdict = _verdict(comparison)
    sections = [
        _metrics(comparison),
        _months(comparison),
        _schema(comparison),
        _drifted(comparison, DRIFT_PLOT in plots),
        _parameters(comparison),
        _search(comparison),
        _sliced(comparison),
        _plots([name for name in plots if name != DRIFT_PLOT]),
    ]
    return Document(
        title=f"Model report: {comparison.after.holdout} held out",
        verdict=verdict,
        sections=[section for section in sections if section],
        origin=comparison.origin,
        tone=tone,
        warnings=comparison.differences.stale,
    )


def _verdict(comparison: Comparison) -> tuple[str, list[Line]]:
    """The tone (good, bad, neutral) and the lines a reviewer reads when they read no more."""
    changes = comparison.differences
    primary = changes.metrics.get(_PRIMARY, Change(None, None))
    breached = [name for name, change in changes.metrics.items() if _breach(name, change.after, comparison.settings)]
    alerts = [moved.name for moved in comparison.drift if moved.level == "alert"]
    params = [name for name, change in changes.params.items() if change.changed]
    now: list[Inline] = [f"AUC {_number(primary.after)} on ", Code(comparison.after.holdout)]
    lines: list[Line] = []
    tone = "neutral"
    if comparison.base is None:
        lines.append((Strong("First report"), ": no earlier commit to compare with. ", *now, "."))
    elif not changes.metrics or primary.before is None or comparison.before is None:
        lines.append((Strong("Nothing to compare with"), ": the base has no metrics yet. ", *now, "."))
    elif not comparison.same_holdout:
        was = comparison.before.holdout
        lines.append(
            (
                Strong("New hold-out"), ": ", *now, f"; the base had {_number(primary.before)} on ",
                Code(was) if was else "months it does not name",
                ". Other flights, so neither is better for it: the gate scores both models on the same ones.",
            )
        )  # fmt: skip
    else:
        better, worse = _judged(changes.metrics)
        if not better and not worse:
            same = not params and comparison.before.months == comparison.after.months
            lines.append((Strong("Nothing changed" if same else "No metric changed"), ": ", *now, "."))
        else:
            tone = "good" if not worse else "bad" if not better else "neutral"
            lines.append(
                (
                    Strong({"good": "Better", "bad": "Worse", "neutral": "Mixed"}[tone]), ": ", *now,
                    f", {_signed(primary)} against the base", *_listing("; better in ", better),
                    *_listing("; worse in ", worse), ".",
                )
            )  # fmt: skip
            error = (comparison.after.details or {}).get("auc_error")
            if error:
                lines.append(
                    f"A month is a sample: AUC's standard error on it is {error:.4f}. Both models saw the same "
                    "flights, so smaller differences can be real; the gate's paired bootstrap decides."
                )
    if breached:
        tone = "bad"
        limits = [_limit(name, comparison.settings) for name in breached]
        said = "; ".join(f"{name} must be {limit}" for name, limit in zip(breached, limits, strict=True))
        lines.append((Strong("The gate would refuse this model"), f": {said}."))
    lines += _what_changed(comparison, params)
    if alerts:
        lines.append(
            (
                Strong("Drift"), *_listing(": ", alerts[:8]), f" and {len(alerts) - 8} more" * (len(alerts) > 8),
                " moved past the alert level since ", Code(comparison.drift_before), ".",
            )
        )  # fmt: skip
    return tone, lines


def _what_changed(comparison: Comparison, params: list[str]) -> list[Line]:
    """One line on what the change is made of."""
    if comparison.before is None or comparison.before.data is None:
        return []
    parts: list[Inline] = []
    states = _month_states(comparison.before.months, comparison.after.months)
    for state in ("added", "changed", "removed"):
        names = [name for name, found in states.items() if found == state]
        parts += _listing(f"{'; ' if parts else ''}data {state}: ", names[:6])
        parts += [f" and {len(names) - 6} more"] * (len(names) > 6)
    parts += _listing(f"{'; ' if parts else ''}parameters changed: ", params[:6])
    parts += [f" and {len(params) - 6} more"] * (len(params) > 6)
    if not any(states.values()):
        parts.append(f"{'; ' if parts else ''}data unchanged")
    return [("What changed: ", *parts, ".")]


def _metrics(comparison: Comparison) -> Section:
    rows = []
    for name, change in comparison.differences.metrics.items():
        limit = _limit(name, comparison.settings)
        breach = _breach(name, change.after, comparison.settings)
        judgement: Line = ""
        if comparison.same_holdout and change.before is not None:
            judgement = _judgement(name, change)
        rows.append(
            (
                Code(name), _number(change.before), _number(change.after), _signed(change), judgement,
                (Strong(f"{limit}: not met"),) if breach else f"{limit}: met" if limit else "",
            )
        )  # fmt: skip
    blocks: list[Block] = [
        Table(
            ("metric", "before", "after", "change", "", "the gate's limit"),
            rows,
            frozenset(("before", "after", "change")),
        )
    ]
    if comparison.before and comparison.before.holdout and not comparison.same_holdout:
        blocks.append(
            Paragraph(
                (
                    "Before is of ", Code(comparison.before.holdout), ", after of ", Code(comparison.after.holdout),
                    ", or that month's data has changed: the change is the model's and the flights' together.",
                )
            )
        )  # fmt: skip
    return Section("Metrics", blocks, weight=100)


def _months(comparison: Comparison) -> Section:
    after = comparison.after
    described = comparison.before is not None and comparison.before.data is not None
    before = comparison.before.months if comparison.before else {}
    states = _month_states(before, after.months) if described else dict.fromkeys(after.months, "")
    scored = {entry["name"]: entry for entry in (after.details or {}).get("slices", {}).get("month", [])}
    late = {name: _late_rate(after.months.get(name) or before[name]) for name in states}
    top = max(late.values(), default=0.0)
    rows: list[list[Line]] = []
    for name, state in states.items():
        month = after.months.get(name) or before[name]
        old = before.get(name)
        said: Line = Strong(state) if state else ""
        if state == "changed" and old:
            said = (
                Strong("changed"),
                f": {month['rows'] - old['rows']:+,} rows, {late[name] - _late_rate(old):+.1%} late",
            )
        entry = scored.get(name)
        area = (
            ""
            if entry is None or state == "removed"
            else _number(entry["auc"]) + ("" if entry["learnt"] else " held out")
        )
        rows.append(
            [
                Code(name), f"{month['rows']:,}", f"{month['answered']:,}", f"{late[name]:.1%}",
                _bar(late[name], top), area, said,
            ]
        )  # fmt: skip
    head = ("month", "rows", "with an answer", "late", "", "AUC", "since the base")
    total = sum(month["rows"] for month in after.months.values())
    note = f"{len(after.months)} months, {total:,} rows."
    if comparison.before and not described:
        note += " The base has no reports/data.json, so what changed in the data cannot be told."
    elif described and not any(states.values()):
        note += " The data is as it was."
    blocks: list[Block] = [
        Table(head, rows, frozenset(("rows", "with an answer", "late"))),
        Paragraph(f"{note} AUC of a month that was learnt from is flattering."),
    ]
    return Section("Data", blocks, weight=90)


def _schema(comparison: Comparison) -> Section | None:
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


def _drifted(comparison: Comparison, drawn: bool) -> Section | None:
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
                _spark(shown["before"], top),
                _spark(shown["after"], top),
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


def _parameters(comparison: Comparison) -> Section | None:
    if comparison.base is None:
        return None
    changed = {name: change for name, change in comparison.differences.params.items() if change.changed}
    if not changed:
        return Section("Parameters", [Paragraph("As they were.")], weight=80)
    rows = [
        (Code(name), _value(change.before), _value(change.after), _signed(change) if _comparable(change) else "")
        for name, change in changed.items()
    ]
    right = frozenset(("before", "after", "change"))
    return Section("Parameters", [Table(("parameter", "before", "after", "change"), rows, right)], weight=80)


def _search(comparison: Comparison) -> Section | None:
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
        rows: list[list[Line]] = [[name, Code(value)] for name, value in after.items()]
        table = Table(("a merge runs", ""), rows)
    else:
        names = list({**after, **before})
        table = Table(
            ("a merge runs", "before", "after", ""),
            [
                [name, Code(before.get(name, "none")), Code(after.get(name, "none")),
                 Strong("changed") if before.get(name) != after.get(name) else ""]
                for name in names
            ],
        )  # fmt: skip
    summary = f"{after['trials']} trials, {after['at once']} at once; each requests {after['one trial requests']}"
    return Section("Planned search", [table], weight=60, summary=summary)


def _sliced(comparison: Comparison) -> Section | None:
    """AUC of each slice on both sides, where both are of the same flights."""
    after = (comparison.after.details or {}).get("slices", {})
    before = ((comparison.before.details if comparison.before else None) or {}).get("slices", {})
    gate = comparison.settings.gate
    rows: list[list[Line]] = []
    fallen: list[str] = []
    for kind in after:
        if kind == "month":
            continue
        old = {entry["name"]: entry for entry in before.get(kind, [])} if comparison.same_holdout else {}
        for entry in after[kind]:
            change = Change(old.get(entry["name"], {}).get("auc"), entry["auc"])
            said: Line = ""
            if entry["rows"] < gate.slice_min_rows:
                said = "too few to judge"
            elif _comparable(change) and change.before - change.after > gate.slice_max_drop:
                said = Strong(f"lost more than {gate.slice_max_drop:g}")
                fallen.append(f"{kind} {entry['name']}")
            rows.append(
                [
                    kind, Code(entry["name"]), f"{entry['rows']:,}", f"{entry['base_rate']:.1%}",
                    _number(change.before), _number(change.after), _signed(change), said,
                ]
            )  # fmt: skip
    if not rows:
        return None
    summary = f"AUC of {len(rows)} slices of {comparison.after.holdout}"
    if fallen:
        summary += f"; lost more than {gate.slice_max_drop:g}: {', '.join(fallen)}"
    elif comparison.same_holdout:
        summary += f"; none lost more than {gate.slice_max_drop:g}"
    head = ("by", "slice", "rows", "late", "before", "after", "change", "")
    right = frozenset(("rows", "late", "before", "after", "change"))
    return Section("Slices", [Table(head, rows, right)], weight=40, summary=summary)


def _plots(names: list[str]) -> Section | None:
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


def _month_states(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Each month of either side in order of time: added, removed, changed, or empty for as it was."""
    return {
        name: "added" if name not in before else "removed" if name not in after
        else "changed" if before[name] != after[name] else ""
        for name in sorted({**before, **after})
    }  # fmt: skip


def _late_rate(month: Mapping[str, Any]) -> float:
    return float(month["late"] / month["answered"]) if month["answered"] else 0.0


def _judged(metrics: Mapping[str, Change]) -> tuple[list[str], list[str]]:
    better = [name for name, change in metrics.items() if _judgement(name, change) == "better"]
    worse = [name for name, change in metrics.items() if _judgement(name, change) == "worse"]
    return better, worse


def _judgement(name: str, change: Change) -> str:
    """By the metric's own direction, on its last part: a file's name may stand before it."""
    higher = HIGHER_IS_BETTER.get(_metric(name))
    if higher is None or not _comparable(change):
        return ""
    if change.before == change.after:
        return "same"
    return "better" if (change.after > change.before) == higher else "worse"


def _metric(name: str) -> str:
    return name.rsplit(" ", 1)[-1].rsplit(".", 1)[-1]


def _limit(name: str, settings: Params) -> str:
    """The gate's absolute limit of a metric in words; empty when it has none."""
    gate = settings.gate.model_dump()
    if (floor := gate.get(f"floor_{_metric(name)}")) is not None:
        return f"at least {floor:g}"
    if (ceiling := gate.get(f"ceiling_{_metric(name)}")) is not None:
        return f"at most {ceiling:g}"
    return ""


def _breach(name: str, value: Any, settings: Params) -> bool:
    gate = settings.gate.model_dump()
    if not isinstance(value, int | float):
        return False
    floor, ceiling = gate.get(f"floor_{_metric(name)}"), gate.get(f"ceiling_{_metric(name)}")
    return (floor is not None and value < floor) or (ceiling is not None and value > ceiling)


def _comparable(change: Change) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in (change.before, change.after))


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.{_DIGITS}f}"


def _value(value: Any) -> Line:
    """A parameter as it is written; nothing where there was none."""
    return "–" if value is None else Code(str(value))


def _signed(change: Change) -> str:
    if not _comparable(change):
        return ""
    difference = change.after - change.before
    if not difference:
        return "0"
    if isinstance(difference, int):
        return f"{difference:+,}"
    return f"{difference:+.{_DIGITS}f}" if abs(difference) >= 10**-_DIGITS else f"{difference:+.1g}"


def _bar(value: float, top: float, cells: int = 10) -> str:
    filled = round(value / top * cells) if top else 0
    return "█" * filled + "░" * (cells - filled)


def _spark(shares: list[float], top: float) -> str:
    """One bar for each share, the tallest for ``top``; a blank where there is nothing."""
    return "".join("·" if not share else _SPARKS[min(int(share / top * 8), 7)] for share in shares)


def _listing(lead: str, names: list[str]) -> list[Inline]:
    """``lead`` and the names with commas between; nothing at all without names."""
    parts: list[Inline] = []
    for name in names:
        parts += [", " if parts else lead, Code(name)]
    return parts


def _plain(line: Line) -> str:
    return "".join(
        part if isinstance(part, str) else part.text for part in (line if isinstance(line, tuple) else (line,))
    )
