"""The gate's decision after it is made: as Markdown, and beside the version that it is about.

It lies among the artifacts of the version's run, next to the model's folder and not in it: a version never changes, a
decision does, whenever the gate is asked again.
"""

from __future__ import annotations

import json
from typing import Any

from slipway.errors import UserError
from slipway.files import strict_json
from slipway.registry.registry import Registry, Version

DECISION, PAGE = "decision.json", "decision.md"
PLACE = "gate"
"""The folder of both among the artifacts of the version's run."""
_NEEDED = {"challenger", "champion", "passed", "held_out", "rows", "checks", "scores", "slices"}


def as_markdown(decision: dict[str, Any], heading: str = "##") -> str:
    """The decision for a pull request or a terminal."""
    against = f"against {decision['champion']}" if decision["champion"] else "with no champion to beat"
    unseen = "which neither has learnt from" if decision["champion"] else "which it has not learnt from"
    rows = [
        f"{heading} {'Passed' if decision['passed'] else 'Refused'}: {decision['challenger']} {against}",
        "",
        f"On {decision['rows']:,} flights of {', '.join(decision['held_out'])}, {unseen}.",
        "",
        "| | check | why |",
        "|---|---|---|",
        *(f"| {'✓' if c['passed'] else '✗'} | {c['name']} | {c['reason']} |" for c in decision["checks"]),
        "",
        "| metric | challenger | champion |",
        "|---|---:|---:|",
    ]
    old = decision["scores"]["champion"]
    for metric, value in decision["scores"]["challenger"].items():
        rows.append(f"| {metric} | {value:.4f} | {f'{old[metric]:.4f}' if old else ''} |")
    return "\n".join(rows) + "\n"


def slices_as_markdown(decision: dict[str, Any]) -> str:
    """Every slice, also those too small to judge, folded away."""
    rows = [
        "<details>",
        f"<summary>AUC in each of {len(decision['slices'])} slices</summary>",
        "",
        "| slice | flights | challenger | champion | change |",
        "|---|---:|---:|---:|---:|",
    ]
    for part in decision["slices"]:
        new, old = part["challenger"], part["champion"]
        change = "" if new is None or old is None else f"{new - old:+.4f}"
        rows.append(f"| {part['slice']} | {part['rows']:,} | {_auc(new)} | {_auc(old)} | {change} |")
    return "\n".join([*rows, "", "</details>"]) + "\n"


def _auc(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def keep(registry: Registry, version: Version, decision: dict[str, Any]) -> None:
    """Put the decision beside the version, in the place of an earlier one, and its outcome on it as the tag gate.

    Raises:
        UserError: the registry or its storage lets nothing be written; then the tag is as it was.
    """
    registry.attach(version, {f"{PLACE}/{DECISION}": strict_json(decision), f"{PLACE}/{PAGE}": as_markdown(decision)})
    registry.set_tag(version, "gate", "passed" if decision["passed"] else "refused")


def kept(registry: Registry, version: Version) -> dict[str, Any] | None:
    """The newest decision on the version; None when the gate never looked at it.

    Raises:
        UserError: what lies there is no decision, or the storage refuses.
    """
    text = registry.attached(version, f"{PLACE}/{DECISION}")
    if text is None:
        return None
    try:
        decision = json.loads(text)
        whole = set(decision) >= _NEEDED
    except (ValueError, TypeError):
        whole = False
    if not whole:
        raise UserError(
            f"what lies beside {version.spec} as {PLACE}/{DECISION} is no decision of the gate: ask it again with "
            f"`python -m slipway gate --challenger {version.spec}`."
        )
    found: dict[str, Any] = decision
    return found
