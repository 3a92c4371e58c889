"""Propose what the work tree holds as a pull request: commit, push, open or update it, report, label, start checks.

  propose --source data/june --handover build/handover
                          what a data push came to; the pull request is from slipway/data/june, or from data/june
                          itself when someone opened one from it by hand
  propose --head slipway/promote-production --title … --report build/promote.md --label promotion
                          any other change of the work tree: of tracked files, and what is staged
  propose --head … --title … --auto-merge
                          and GitHub merges it by itself, once the rules of the base branch are met

Saying it twice does nothing twice: the commit's name depends on its content alone, one branch has one pull request,
and that one comment. A run whose branch has moved on steps aside for the newer run. Needs Python's own library,
git and gh only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from slipway.actions import Markdown, write_summary
from slipway.errors import UserError
from slipway.github import auto_merge
from slipway.github import github as gh
from slipway.github.comment import linked
from slipway.release.handover import STAGES, failure_report, read_verdict
from slipway.report.document import Code, Inline, Link, Paragraph, Strong, sentence
from slipway.report.markdown import line, message, title

PREFIX = "slipway/"
"""Branches under this are written by workflows alone; no workflow starts on a push to them."""
CHECKS = "ci.yaml"
CANNOT_SHIP = "cannot-ship"
_STATUS = "slipway/data"
_STATUS_LIMIT = 140  # characters GitHub takes in a status's description


@dataclass(frozen=True)
class Proposal:
    """A pull request as it is meant to be."""

    head: str
    base: str
    title: str
    body: Markdown
    report: Markdown
    labels: tuple[str, ...]
    failed: str | None = None  # the sentence that says why it cannot ship
    auto_merge: bool = False  # whether GitHub is to merge it by itself
    status: bool = False  # whether the commit gets the status slipway/data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway propose`."""
    parser.add_argument("--source", metavar="BRANCH", help="the branch that was pushed")
    parser.add_argument("--handover", type=Path, metavar="DIR", help="what `slipway refresh` left")
    parser.add_argument("--head", metavar="BRANCH", help="the branch to propose from")
    parser.add_argument("--base", default="main", metavar="BRANCH", help="default: %(default)s")
    parser.add_argument("--title", default="", help="of the pull request and the commit")
    parser.add_argument("--report", type=Path, metavar="FILE", help="Markdown for the comment")
    parser.add_argument("--label", action="append", default=[], help="may be given more than once")
    parser.add_argument("--auto-merge", action="store_true", help="GitHub merges it once the rules of the base are met")
    parser.add_argument("--link", default="", metavar="URL", help="where the report with its plots is")


def run(args: argparse.Namespace) -> None:
    """Propose, and say in the run's summary what came of it."""
    hub = gh.GitHub.from_environment()
    if args.source:
        if not args.handover:
            raise UserError("--source needs --handover: the folder that `slipway refresh` left.")
        write_summary(propose_data(hub, args.source, args.base, args.handover, args.link))
        return
    if not (args.head and args.title):
        raise UserError("give --source and --handover, or --head and --title.")
    report = _report(args.report) if args.report else Markdown("")
    told = ". The report is the comment below." if report else "."
    proposal = Proposal(
        head=args.head,
        base=args.base,
        title=title(args.title),
        body=line("Proposed by ", Link("this run", _run_url(hub)), told),
        report=linked(report, args.link),
        labels=tuple(args.label),
        auto_merge=args.auto_merge,
    )
    write_summary(propose(hub, proposal))


def _report(path: Path) -> Markdown:
    """The comment's text; empty when there is neither a report nor anything to propose."""
    if path.exists():
        return Markdown(path.read_text(encoding="utf-8"))
    if _git("status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"{path} is not there: write the report first, or leave --report out. Nothing was proposed.")
    return Markdown("")


def propose_data(hub: gh.GitHub, source: str, base: str, handover: Path, link: str) -> Markdown:
    """Propose what a push to ``source`` came to. Returns what came of it."""
    pushed = _git("rev-parse", "HEAD")
    if _remote_sha(hub, source) != pushed:
        said = f" has moved on since {pushed[:12]}: the newer push's run reports instead of this one."
        return line(Code(source), said)
    verdict = read_verdict(handover)
    by_hand = hub.open_pull_request(source, base) is not None
    subject = _git("log", "-1", "--format=%s")
    if verdict.failed:
        report = failure_report(verdict)
    else:
        _git("apply", "--index", "--allow-empty", str(handover / "change.patch"))
        report = Markdown((handover / "report.md").read_text(encoding="utf-8"))
    proposal = Proposal(
        head=source if by_hand else PREFIX + source,
        base=base,
        title=title(f"{source}: {subject}"[:200]),
        body=_data_body(hub, source, pushed, verdict.image),
        report=linked(report, link),
        labels=("data", CANNOT_SHIP) if verdict.failed else ("data",),
        failed=f"{STAGES[verdict.failed]}: {verdict.sentence}" if verdict.failed else None,
        status=True,
    )
    return propose(hub, proposal)


def propose(hub: gh.GitHub, proposal: Proposal) -> Markdown:
    """Make GitHub agree with ``proposal``. Returns what came of it.

    Raises:
        UserError: GitHub refused, or someone pushed to a branch that only workflows write to.
    """
    message = proposal.title if proposal.head.startswith(PREFIX) else f"slipway: pin what {proposal.head} came to"
    sha = _commit(message)
    _git("fetch", "--quiet", gh.remote_url(hub), proposal.base, hub=hub)
    if subprocess.run(["git", "diff", "--quiet", "FETCH_HEAD", sha]).returncode == 0:
        return line("Nothing to propose: this is what ", Code(proposal.base), " already has.")
    before = _remote_sha(hub, proposal.head)
    if before != sha:
        force = [f"--force-with-lease=refs/heads/{proposal.head}:{before}"] if proposal.head.startswith(PREFIX) else []
        _git("push", "--quiet", *force, gh.remote_url(hub), f"{sha}:refs/heads/{proposal.head}", hub=hub)
        if not hub.starts_checks:  # at once: were it for later, and this run ended between, no run would ever do it
            hub.call("POST", f"actions/workflows/{CHECKS}/dispatches", {"ref": proposal.head})
    pull, opened_by = gh.pull_request(hub, proposal.head, proposal.base, proposal.title, proposal.body)
    number = pull["number"]
    said_by = gh.comment(hub, number, proposal.report, sha) if proposal.report else "nobody: there is no report"
    if proposal.status:
        _set_status(hub, sha, proposal.failed)
    link = Link(f"Pull request {number}", pull["html_url"])
    what: list[Inline] = [link, " from ", Code(proposal.head), f" ({opened_by}; report by {said_by})."]
    if proposal.failed:
        what += [" ", Strong(proposal.failed)]
    if proposal.auto_merge:
        what += [" ", *auto_merge.enable(hub, pull)]
    return line(*what, *_label(hub, pull, proposal))


def _label(hub: gh.GitHub, pull: dict[str, Any], proposal: Proposal) -> tuple[Inline, ...]:
    """Label the pull request. Returns what to say of it: nothing where it went well.

    It is the last thing that is done and no reason to fail: GitHub makes a label that the repository does not have yet
    only for a token that may write issues, and a pull request does its work without.
    """
    labels = f"issues/{pull['number']}/labels"
    try:
        hub.call("POST", labels, {"labels": list(proposal.labels)})
        if not proposal.failed and any(label["name"] == CANNOT_SHIP for label in pull["labels"]):
            hub.call("DELETE", f"{labels}/{CANNOT_SHIP}")
    except UserError as error:
        return (" ", Strong("Its labels are not right"), ": ", *sentence(str(error)))
    return ()


def _commit(message: str) -> str:
    """Commit what is staged, and what changed of tracked files, on HEAD. Returns the commit's SHA.

    The same content makes the same commit. Files that Git does not know are left out: a tool may have dropped them.
    """
    _git("add", "--update")
    if not _git("diff", "--cached", "--name-only"):
        return _git("rev-parse", "HEAD")
    name, email = gh.IDENTITY
    date = _git("log", "-1", "--format=%cI")
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email), ("DATE", date))
    }
    tree = _git("write-tree")
    return _git("commit-tree", tree, "-p", "HEAD", "-m", message, extra=identity)


def _set_status(hub: gh.GitHub, sha: str, failed: str | None) -> None:
    state = "failure" if failed else "success"
    said = failed or "the data is good and its image is pinned"
    said = said if len(said) <= _STATUS_LIMIT else said[: _STATUS_LIMIT - 1] + "…"
    status = {"state": state, "context": _STATUS, "description": said, "target_url": _run_url(hub)}
    hub.call("POST", f"statuses/{sha}", status)


def _data_body(hub: gh.GitHub, source: str, pushed: str, image: str) -> Markdown:
    branch = Link(source, f"{hub.server}/{hub.repository}/tree/{quote(source)}", code=True)  # fix/#12 is a branch, too
    proposed = (f"What {pushed} on ", branch, " came to, proposed by ", Link("this run", _run_url(hub)), ".")
    pinned = [Paragraph(("It pins the training image ", Code(image), "."))] if image else []
    said = "The report is the comment below; pushing to the branch again brings both up to date. "
    return message(Paragraph(proposed), *pinned, Paragraph(f"{said}Merging starts the search."))


def _run_url(hub: gh.GitHub) -> str:
    return f"{hub.server}/{hub.repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"


def _remote_sha(hub: gh.GitHub, branch: str) -> str:
    """What ``branch`` is at on GitHub now; empty when it is not there."""
    return _git("ls-remote", gh.remote_url(hub), f"refs/heads/{branch}", hub=hub).partition("\t")[0]


def _git(*arguments: str, hub: gh.GitHub | None = None, extra: dict[str, str] | None = None) -> str:
    """Git's answer; with ``hub``, with its token."""
    environment = os.environ | (gh.git_environment(hub) if hub else {}) | (extra or {})
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        said = done.stderr.strip()
        if arguments[0] == "push" and ("rejected" in said or "stale info" in said):
            raise UserError(f"{arguments[-1].partition(':')[2]} was pushed to meanwhile: run this again.")
        raise UserError(f"`git {arguments[0]}` failed: {said[-300:]}")
    return done.stdout.strip()
