"""The gate's decision after it is made: as Markdown, and beside the version that it is about.

It lies among the artifacts of the version's run, next to the model's folder and not in it: a version never changes, a
decision does, whenever the gate is asked again.
"""

from __future__ import annotations

import json
from typing import Any

from slipway.actions import Markdown
from slipway.errors import UserError
from slipway.files import strict_json
from slipway.registry.registry import Registry, Version
from slipway.report.document import Block, Folded, Heading, Paragraph, Table
from slipway.report.markdown import message

DECISION, PAGE = "decision.json", "decision.md"
PLACE = "gate"
"""The folder of both among the artifacts of the version's run."""
_NEEDED = {"challenger", "champion", "passed", "held_out", "rows", "checks", "scores", "slices"}


def as_markdown(decision: dict[str, Any]) -> Markdown:
    """The decision for a run's summary, the registry or a terminal."""
    return message(*told(decision))


def told(decision: dict[str, Any], level: int = 2) -> list[Heading | Block]:
    """The decision in blocks, under a heading of ``level``."""
    against = f"against {decision['champion']}" if decision["champion"] else "with no champion to beat"
    unseen = "which neither has learnt from" if decision["champion"] else "which it has not learnt from"
    old = decision["scores"]["champion"]
    return [
        Heading(f"{'Passed' if decision['passed'] else 'Refused'}: {decision['challenger']} {against}", level),
        Paragraph(f"On {decision['rows']:,} {_many(decision)} of {_named(decision['held_out'])}, {unseen}."),
        Table(
            ("", "check", "why"),
            [("✓" if check["passed"] else "✗", check["name"], check["reason"]) for check in decision["checks"]],
        ),
        Table(
            ("metric", "challenger", "champion"),
            [
                (metric, f"{value:.4f}", f"{old[metric]:.4f}" if old else "")
                for metric, value in decision["scores"]["challenger"].items()
            ],
            right=frozenset({"challenger", "champion"}),
        ),
    ]


def slices(decision: dict[str, Any]) -> Folded:
    """Every slice, also those too small to judge, folded away."""
    rows = []
    for part in decision["slices"]:
        new, old = part["challenger"], part["champion"]
        change = "" if new is None or old is None else f"{new - old:+.4f}"
        rows.append((part["slice"], f"{part['rows']:,}", _score(new), _score(old), change))
    head = ("slice", _many(decision), "challenger", "champion", "change")
    return Folded(
        f"{decision.get('metric', 'Score')} in each of {len(rows)} slices",
        [Table(head, rows, right=frozenset(head[1:]))],
    )


def _many(decision: dict[str, Any]) -> str:
    """What the rows are called; a decision of an earlier release does not say."""
    return str(decision.get("many", "rows"))


def _named(held_out: str | list[str]) -> str:
    """The hold-out in words; a decision of an earlier release lists its parts."""
    return held_out if isinstance(held_out, str) else ", ".join(held_out)


def _score(value: float | None) -> str:
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
