"""What the workflow's steps call each other and what they need, in one place."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from slipway.errors import UserError
from slipway.github.github import GitHub, server_url
from slipway.names import NAMES_FILE, Names

PLACEHOLDER = "your-org/your-repo"
COMMIT_LABEL = "slipway.dev/commit"
"""On the Experiment: the commit that it searches."""
CONTEXT = "slipway/tune"
"""Of the status on the commit."""
_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Secret:
    """A Secret with one key that matters, as `kubectl` makes it."""

    name: str
    key: str
    variable: str
    what: str

    def value(self, namespace: str) -> str:
        """What it holds, from the environment.

        Raises:
            UserError: it is not there; says which, where, and how it is made.
        """
        found = os.environ.get(self.variable, "")
        if found:
            return found
        make = f"kubectl create secret generic {self.name} --namespace {namespace} --from-file={self.key}=FILE"
        raise UserError(
            f"the secret {self.name} with the key {self.key} ({self.what}) is missing in namespace {namespace}: "
            f"make it with `{make}`."
        )


GITHUB_READ = Secret("github-read", "token", "GITHUB_TOKEN", "a token of GitHub's that may read the repository")
GITHUB_WRITE = Secret(
    "github", "token", "GITHUB_TOKEN", "a token of GitHub's for statuses, comments and repository_dispatch"
)
SLACK = Secret("slack", "token", "SLACK_TOKEN", "a bot's token of Slack's")


def run_name(sha: str) -> str:
    """The name of a commit's Workflow and Experiment.

    Raises:
        UserError: it is no commit's whole name.
    """
    if not _SHA.fullmatch(sha):
        raise UserError(f"--sha is {sha!r}, expected the 40 hexadecimal digits of a commit.")
    return f"tune-{sha[:12]}"


def github(names: Names, secret: Secret) -> GitHub:
    """The team's repository, with the token of a secret. GITHUB_REPOSITORY wins over slipway.yaml.

    Raises:
        UserError: the secret is missing, or slipway.yaml still has the template's own names.
    """
    repository = os.environ.get("GITHUB_REPOSITORY") or names.repository
    if repository == PLACEHOLDER:
        raise UserError(
            f"{NAMES_FILE} still says {PLACEHOLDER}, which is the template's own name: run `python -m slipway init`, "
            "merge it, and build the image loop again."
        )
    return GitHub(repository, secret.value(names.namespaces.workflows), server_url())
