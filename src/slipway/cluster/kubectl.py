"""kubectl, as a person would type it: what is refused is said in a sentence."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from slipway.errors import UserError

_SECONDS = 120
_NO_KUBECTL = "`kubectl` is not installed, and the cluster is asked through it: https://kubernetes.io/docs/tasks/tools."


def kubectl(*words: str, stdin: str | None = None, seconds: float = _SECONDS) -> str:
    """What `kubectl WORDS` writes to stdout.

    Raises:
        UserError: it ended with an error, or not in time; the sentence has its own words.
    """
    shown = f"`kubectl {' '.join(words[:6])}{' …' if len(words) > 6 else ''}`"
    try:
        done = subprocess.run(["kubectl", *words], input=stdin, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        raise UserError(_NO_KUBECTL) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{shown} did not end in {seconds:.0f} seconds: does the cluster answer?") from None
    if done.returncode:
        said = "; ".join(line for line in done.stderr.strip().splitlines() if line) or "it says nothing"
        raise UserError(f"{shown} failed: {said}")
    return done.stdout


def find(what: str, namespace: str = "") -> dict[str, Any] | None:
    """An object of the cluster by `KIND/NAME`; None where there is none of that name, nor of that kind.

    Raises:
        UserError: see :func:`kubectl`.
    """
    where = [f"--namespace={namespace}"] if namespace else []
    try:
        said = kubectl("get", what, *where, "--ignore-not-found", "--output=json")
    except UserError as error:
        if "the server doesn't have a resource type" in str(error):
            return None
        raise
    found: dict[str, Any] | None = json.loads(said) if said.strip() else None
    return found
