"""Apply .github/rulesets and the repository settings that the workflows need.

  rules                   bring GitHub in line with the files; with the token of `gh auth login`, by an administrator
  rules --dry-run         only say what would be done

Settings are not copied when a repository is made from a template, so run this once, and after each change of the files.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from slipway.files import read_json
from slipway.github.github import GitHub, server_url

RULESETS = Path(".github/rulesets")
WORKFLOW_RIGHTS = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True}
"""Tokens only read unless a job says otherwise; without an App, a workflow opens the pull requests."""
AUTO_MERGE = {"allow_auto_merge": True}
"""For the environments that slipway.yaml lists under promotions."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway rules`."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(args: argparse.Namespace) -> None:
    """Apply, or say."""
    hub = administrator()
    print("settings: a workflow's token reads unless a job says otherwise; workflows may open pull requests")
    print("settings: a pull request may be told to merge itself once the rules are met (auto-merge)")
    if not args.dry_run:
        hub.call("PUT", "actions/permissions/workflow", WORKFLOW_RIGHTS)
        if not hub.call("PATCH", "", AUTO_MERGE).get("allow_auto_merge"):
            print("  GitHub left auto-merge off: private repositories on its free plan do not have it")
    existing = {ruleset["name"]: ruleset["id"] for ruleset in hub.pages("rulesets")}
    for path in sorted(RULESETS.glob("*.json")):
        ruleset: dict[str, Any] = read_json(path, "git checkout")
        known = existing.get(ruleset["name"])
        print(f"{path}: {'update' if known else 'create'} the ruleset {ruleset['name']}")
        if not args.dry_run:
            hub.call("PUT" if known else "POST", f"rulesets/{known}" if known else "rulesets", ruleset)


def administrator() -> GitHub:
    """The repository of slipway.yaml, as the person who said `gh auth login`; GH_TOKEN wins over that."""
    from slipway.names import load_names

    repository = os.environ.get("GITHUB_REPOSITORY") or load_names().repository
    return GitHub(repository, os.environ.get("GH_TOKEN", ""), server_url())
