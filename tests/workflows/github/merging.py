"""How the stand-in merges by itself: GitHub's GraphQL mutation, and the rules of a branch that it waits for.

The mutation is checked and run against GitHub's published schema (api.graphql). The refusals are in GitHub's words, as
they stand in the logs of those who met them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, build_schema, graphql_sync

if TYPE_CHECKING:
    from tests.workflows.github.server import Stand, State

SCHEMA = build_schema(Path(__file__).with_name("api.graphql").read_text(encoding="utf-8"))
_ENABLED_AT = "2026-11-02T08:00:00Z"


class NoError(Exception):
    """GitHub's "no" to a mutation: a type and a message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def node_id(name: str, number: int) -> str:
    """A pull request's identifier across all repositories."""
    return f"PR_{name}#{number}"


def answer(stand: Stand, request: dict[str, Any], *, may_write: bool) -> dict[str, Any]:
    """GitHub's answer to a GraphQL request."""

    def enable(_: object, input: dict[str, Any]) -> dict[str, Any]:
        name, _, number = str(input["pullRequestId"]).removeprefix("PR_").partition("#")
        state = stand.states.get(name)
        if not state or not number.isdigit() or int(number) not in state.pulls:
            raise NoError("NOT_FOUND", f"Could not resolve to a node with the global id of '{input['pullRequestId']}'.")
        state.calls.append("POST /graphql enablePullRequestAutoMerge")
        pull = state.pulls[int(number)]
        if not may_write:
            raise NoError("FORBIDDEN", "Resource not accessible by integration")
        if not state.allow_auto_merge:
            raise NoError("UNPROCESSABLE", "Pull request Auto merge is not allowed for this repository")
        if not outstanding(state, pull, stand.head_of(name, pull["head"])):
            raise NoError("UNPROCESSABLE", "Pull request Pull request is in clean status")
        pull["auto_merge"] = input["mergeMethod"]
        merge = {"enabledAt": _ENABLED_AT, "mergeMethod": input["mergeMethod"]}
        shown = {"id": input["pullRequestId"], "number": pull["number"], "autoMergeRequest": merge}
        return {"clientMutationId": input.get("clientMutationId"), "pullRequest": shown}

    done = graphql_sync(
        SCHEMA,
        request.get("query", ""),
        root_value={"enablePullRequestAutoMerge": enable},
        variable_values=request.get("variables"),
    )
    return {"data": done.data} | ({"errors": [_error(it) for it in done.errors]} if done.errors else {})


def _error(error: GraphQLError) -> dict[str, Any]:
    why = error.original_error
    return error.formatted | ({"type": why.kind} if isinstance(why, NoError) else {})


def outstanding(state: State, pull: dict[str, Any], head: str) -> list[str]:
    """What the rulesets still want of a pull request: checks by name, and approvals."""
    missing = []
    for rule in (rule for ruleset in state.rulesets for rule in ruleset["rules"]):
        wanted = rule.get("parameters", {})
        if rule["type"] == "required_status_checks":
            checks = [it["context"] for it in wanted["required_status_checks"]]
            missing += [name for name in checks if name not in state.passed.get(head, set())]
        if rule["type"] == "pull_request" and wanted["required_approving_review_count"] > pull.get("approvals", 0):
            missing.append("an approval")
    return missing


def check_passed(stand: Stand, name: str, number: int, check: str) -> None:
    """A check of a pull request's commit succeeds."""
    head = stand.head_of(name, stand.states[name].pulls[number]["head"])
    stand.states[name].passed.setdefault(head, set()).add(check)
    _merge_what_waits(stand, name)


def approved(stand: Stand, name: str, number: int) -> None:
    """Somebody approves a pull request."""
    pull = stand.states[name].pulls[number]
    pull["approvals"] = pull.get("approvals", 0) + 1
    _merge_what_waits(stand, name)


def _merge_what_waits(stand: Stand, name: str) -> None:
    state = stand.states[name]
    for pull in state.pulls.values():
        head = stand.head_of(name, pull["head"])
        if pull["state"] == "open" and pull.get("auto_merge") and not outstanding(state, pull, head):
            assert pull["auto_merge"] == "SQUASH", "the stand-in merges no other way yet"
            base = stand.head_of(name, pull["base"])
            tree = _git(stand, name, "merge-tree", "--write-tree", base, head)
            merged = _git(stand, name, *_SOMEONE, "commit-tree", tree, "-p", base, "-m", pull["title"])
            _git(stand, name, "update-ref", f"refs/heads/{pull['base']}", merged)
            pull["state"] = "closed"


_SOMEONE = ["-c", "user.name=GitHub", "-c", "user.email=noreply@github.com"]


def _git(stand: Stand, name: str, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(stand.git_folder(name)), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
