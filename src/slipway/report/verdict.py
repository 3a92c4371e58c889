"""The first lines of the report: what a reviewer reads when they read no more."""

from __future__ import annotations

from slipway.learning.describe import in_words
from slipway.model.problem import PROBLEM
from slipway.report.comparison import Comparison
from slipway.report.document import Code, Inline, Line, Strong
from slipway.report.judgement import breaches, in_order, judged, limit, own_name
from slipway.report.pipeline import Change
from slipway.report.wording import listing, number, signed

_METRIC, _MANY = PROBLEM.decides, PROBLEM.name.many


def verdict(comparison: Comparison) -> tuple[str, list[Line]]:
    """The tone (good, bad, neutral) and the lines a reviewer reads when they read no more."""
    changes = comparison.differences
    primary = next(
        (changes.metrics[name] for name in changes.metrics if own_name(name) == _METRIC.name), Change(None, None)
    )
    breached = [
        name for name in in_order(changes.metrics) if breaches(name, changes.metrics[name].after, comparison.settings)
    ]
    alerts = [moved.name for moved in comparison.drift if moved.level == "alert"]
    params = [name for name, change in changes.params.items() if change.changed]
    now: list[Inline] = [f"{_METRIC.title} {number(primary.after)} on ", Code(comparison.after.holdout)]
    lines: list[Line] = []
    tone = "neutral"
    if comparison.base is None:
        lines.append((Strong("First report"), ": no earlier commit to compare with. ", *now, "."))
    elif not changes.metrics or primary.before is None or comparison.before is None:
        lines.append((Strong("Nothing to compare with"), ": the base has no metrics yet. ", *now, "."))
    elif not comparison.same_holdout:
        was = comparison.before.holdout
        head = "Changed hold-out" if was == comparison.after.holdout else "New hold-out"
        lines.append(
            (
                Strong(head), ": ", *now, f"; the base had {number(primary.before)} on ",
                Code(was) if was else "a hold-out it does not name",
                f". Other {_MANY}, so neither is better for it: the gate scores both models on the same ones.",
            )
        )  # fmt: skip
    else:
        better, worse = judged(changes.metrics, "better"), judged(changes.metrics, "worse")
        if not better and not worse:
            same = not params and not any(comparison.parts.values())
            lines.append((Strong("Nothing changed" if same else "No metric changed"), ": ", *now, "."))
        else:
            tone = "good" if not worse else "bad" if not better else "neutral"
            lines.append(
                (
                    Strong({"good": "Better", "bad": "Worse", "neutral": "Mixed"}[tone]), ": ", *now,
                    f", {signed(primary)} against the base", *listing("; better in ", better),
                    *listing("; worse in ", worse), ".",
                )
            )  # fmt: skip
            error = (comparison.after.details or {}).get("error")
            if error:
                lines.append(
                    f"The hold-out is a sample: {_METRIC.title}'s standard error on it is {error:.4f}. Both models saw "
                    f"the same {_MANY}, so smaller differences can be real; the gate's paired bootstrap decides."
                )
    if breached:
        tone = "bad"
        said = "; ".join(f"{name} must be {limit(name, comparison.settings)}" for name in breached)
        lines.append((Strong("The gate would refuse this model"), f": {said}."))
    lines += _what_changed(comparison, params)
    if alerts:
        moved = (
            *listing(": ", alerts, most=8),
            " moved past the alert level since ",
            Code(comparison.drift_before),
            ".",
        )
        lines.append((Strong("Drift"), *moved))
    return tone, lines


def _what_changed(comparison: Comparison, params: list[str]) -> list[Line]:
    """One line on what the change is made of."""
    if comparison.before is None or comparison.before.data is None:
        return []
    parts: list[Inline] = []
    states = comparison.parts
    for state in ("added", "changed", "removed"):
        names = [name for name, found in states.items() if found == state]
        parts += listing(f"{'; ' if parts else ''}data {state}: ", names)
        if state == "added" and len(names) == 1:
            part = comparison.after.parts[names[0]]
            parts.append(f" ({part['rows']:,} {_MANY}, {in_words(part)})")
    parts += listing(f"{'; ' if parts else ''}parameters changed: ", params)
    if parts and not any(states.values()):
        parts.append("; data unchanged")
    return [("What changed: ", *parts, ".")] if parts else []
