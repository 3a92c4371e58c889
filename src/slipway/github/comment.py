"""Write a report on a pull request: one comment, brought up to date; and always in the run's summary.

comment --number 12 --report build/report/report.md --sha "$(git rev-parse HEAD)"
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slipway.actions import Markdown
from slipway.errors import UserError
from slipway.github import github as gh
from slipway.release.handover import HANDOVER, Verdict, failure_report, read_verdict
from slipway.report.document import Link
from slipway.report.markdown import line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway comment`."""
    parser.add_argument("--number", type=int, required=True, help="of the pull request")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="Markdown")
    parser.add_argument("--sha", required=True, help="the commit the report is of")
    parser.add_argument("--link", default="", metavar="URL", help="where the report with its plots is")


def run(args: argparse.Namespace) -> None:
    """Comment. Without a report, say at which stage it ended."""
    made = args.report.exists()
    report = Markdown(args.report.read_text(encoding="utf-8")) if made else failure_report(_failure(args.report))
    report = linked(report, args.link)
    print(f"written by {gh.comment(gh.GitHub.from_environment(), args.number, report, args.sha)}")


def linked(report: Markdown, link: str) -> Markdown:
    """``report`` with the address of the whole one at its end; as it is where either is empty."""
    if not (report and link):
        return report
    return Markdown(f"{report.rstrip()}\n\n{line(Link('The whole report with its plots', link))}\n")


def _failure(report: Path) -> Verdict:
    if not (HANDOVER / "verdict.json").exists():
        raise UserError(f"{report} is missing, and no stage has failed: name the report that `slipway report` wrote.")
    verdict = read_verdict(HANDOVER)
    if verdict.failed is None:
        raise UserError("there is neither a report nor a failed stage: run `python -m slipway refresh` first.")
    return verdict
