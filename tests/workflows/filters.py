"""GitHub's branch and path filters, as its documentation describes them; act ignores both.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether ``name`` passes a list of patterns: a later pattern overrules an earlier one, `!` excludes."""
    passed = False
    for pattern in patterns:
        if pattern.startswith("!"):
            passed = passed and not _expression(pattern[1:]).fullmatch(name)
        else:
            passed = passed or _expression(pattern).fullmatch(name) is not None
    return passed


def starts(trigger: dict[str, Any] | None, branch: str, files: Sequence[str]) -> bool:
    """Whether a push of ``files`` to ``branch`` passes a trigger's `branches` and `paths`."""
    trigger = trigger or {}
    if "branches" in trigger and not matches(trigger["branches"], branch):
        return False
    if "branches" not in trigger and "tags" in trigger:
        return False
    return "paths" not in trigger or any(matches(trigger["paths"], name) for name in files)


def starts_for_tag(trigger: dict[str, Any] | None, tag: str) -> bool:
    """Whether a push of a tag passes a trigger: with `branches` alone none does."""
    trigger = trigger or {}
    return matches(trigger["tags"], tag) if "tags" in trigger else "branches" not in trigger


def _expression(pattern: str) -> re.Pattern[str]:
    tokens = {"**": ".*", "*": "[^/]*", "?": "?", "+": "+"}
    parts = re.split(r"(\*\*|\*|\?|\+|\[[^]]*\])", pattern)
    return re.compile("".join(tokens.get(part, part if part.startswith("[") else re.escape(part)) for part in parts))
