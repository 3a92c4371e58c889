"""Publish a release of the template: a tag on main whose commit has passed ci, with the notes that GitHub writes.

  release --tag v0.2.0    check it, then publish it; a release that is there already is left alone
  release --dry-run       only check what is checked out, as the version in pyproject.toml, and show the notes

Only the template itself has releases: a team's repository ships models, and each of those is a version of its own.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path
from typing import Any

from slipway.actions import write_summary
from slipway.errors import UserError
from slipway.git import HOW_TO_FETCH, cut_off, git
from slipway.github.github import GitHub
from slipway.report.document import Link, Paragraph, Verbatim
from slipway.report.markdown import line, message

CHECK = "ci"
"""The check that the ruleset of main asks for."""
_MAIN = "origin/main"
_TAG = re.compile(r"v\d+\.\d+\.\d+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway release`."""
    parser.add_argument("--tag", default="", help="default: v and the version in pyproject.toml")
    parser.add_argument("--dry-run", action="store_true", help="only check, and show the notes")


def run(args: argparse.Namespace) -> None:
    """Check, publish, and say so in the run's summary."""
    hub = GitHub.from_environment()
    version = f"v{tomllib.loads(Path('pyproject.toml').read_text(encoding='utf-8'))['project']['version']}"
    tag = args.tag or version
    commit = checked(hub, tag, version, tagged=bool(args.tag))
    if args.dry_run:
        asked = {"tag_name": tag, "target_commitish": commit}
        notes = hub.call("POST", "releases/generate-notes", asked)
        said = f"{tag} would be published from {commit}, with these notes:"
        write_summary(message(Paragraph(said), Verbatim(notes["body"])))
        return
    there: dict[str, Any] | None = next((it for it in hub.pages("releases") if it["tag_name"] == tag), None)
    if there:
        write_summary(line(Link(tag, there["html_url"]), " was published before: nothing to do."))
        return
    made = hub.call("POST", "releases", {"tag_name": tag, "name": tag, "generate_release_notes": True})
    write_summary(line("Published ", Link(tag, made["html_url"]), "."))


def checked(hub: GitHub, tag: str, version: str, *, tagged: bool) -> str:
    """The commit of a tag that may be published, or of HEAD where there is no tag yet.

    Raises:
        UserError: its name is not that of the version, it is not on main, or ci has not passed for it.
    """
    if not _TAG.fullmatch(tag):
        raise UserError(f"the tag {tag!r} is not v and three numbers, such as v0.2.0: delete it, and set another.")
    if tag != version:
        raise UserError(
            f"the tag is {tag} and pyproject.toml says {version[1:]}: delete the tag, or raise the version."
        )
    commit = git("rev-parse", "--verify", f"refs/tags/{tag}^{{commit}}" if tagged else "HEAD")
    if commit not in git("rev-list", _MAIN).splitlines():
        if cut_off():
            raise UserError(f"whether {commit[:12]} is on main is not known, this clone is shallow: {HOW_TO_FETCH}.")
        raise UserError(f"{commit[:12]} is not on main: merge it first, and tag what main has then.")
    # The newest attempt: ci may have been cancelled and started again.
    found = hub.call("GET", f"commits/{commit}/check-runs?check_name={CHECK}&filter=latest&per_page=100")
    runs = [check for check in found["check_runs"] if (check["app"] or {}).get("slug") == "github-actions"]
    newest = max(runs, key=lambda check: int(check["id"]), default=None)
    if newest is None or newest["conclusion"] != "success":
        state = "never ran" if newest is None else newest["conclusion"] or f"is {newest['status']}"
        raise UserError(f"{CHECK} {state} for {commit[:12]}: once it has passed there, run this again.")
    return commit
