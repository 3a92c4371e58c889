"""Where a declaration stands, and what is said of a wrong one."""

from __future__ import annotations

from slipway.errors import UserError

PROBLEM_FILE = "src/slipway/model/problem.py"
SCHEMA_FILE = "src/slipway/model/schema.py"
FEATURES_FILE = "src/slipway/model/features.py"


def refuse(key: str, said: str, file: str = PROBLEM_FILE) -> UserError:
    """The error for ``key`` of a declaration; ``said`` says what is wrong and what is allowed."""
    return UserError(f"{file}, {key}: {said}.")
