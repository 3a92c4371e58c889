"""Have GitHub merge a pull request by itself, once the rules of its branch are met.

GitHub waits and merges; this asks for it and never merges. CML's `--merge` is not used: it merges at once where GitHub
refuses to wait.
"""

from __future__ import annotations

from typing import Any

from slipway.errors import UserError
from slipway.github.github import GitHub
from slipway.report.document import Code, Inline, Strong, sentence

_QUERY = """
mutation ($pull: ID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $pull, mergeMethod: SQUASH}) {
    pullRequest { autoMergeRequest { enabledAt } }
  }
}
"""
_REFUSED = {
    "Auto merge is not allowed": (
        "this repository does not allow it. `python -m slipway rules` turns it on, as does Settings, General, "
        "'Allow auto-merge'"
    ),
    "is in clean status": "nothing is left for GitHub to wait for",
    "is in unstable status": "the rules of the branch ask for no check, so GitHub has nothing to wait for",
}
"""A part of GitHub's words, and ours."""


def enable(hub: GitHub, pull: dict[str, Any]) -> tuple[Inline, ...]:
    """Ask GitHub for it. Returns what came of it; where GitHub will not, the pull request stays open.

    Raises:
        UserError: the token lacks the permission, or GitHub did not answer.
    """
    if not pull.get("auto_merge"):
        try:
            hub.graphql(_QUERY, pull=pull["node_id"])
        except UserError as error:
            why = next((why for words, why in _REFUSED.items() if words in str(error)), None)
            if why is None:
                raise
            return (Strong("It does not merge itself"), ": ", *sentence(why), ". It waits for a person.")
    return ("It merges itself once the rules of ", Code(pull["base"]["ref"]), " are met.")
