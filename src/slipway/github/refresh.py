"""Pull the data, check it, run what is out of date, push the results, write the report: what a data push sets off.

  refresh --base origin/main
                          all of it; ends with exit code 2 and one sentence at the first stage that fails
  refresh --base origin/main --no-push
                          the same without pushing to the DVC remote: a report on someone's pull request
  refresh --plots-to s3://bucket/plots --plots-url https://…/plots
                          and the plots to a place of yours, so that the comment shows them

Leaves build/report for people and build/handover for the job that writes to the repository (`slipway propose`).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from slipway.actions import Markdown, write_summary
from slipway.addresses import masked
from slipway.errors import UserError
from slipway.git import git
from slipway.release.handover import HANDOVER, STAGES, Verdict, failure_report, write_patch, write_verdict
from slipway.report.revision import base_revision

REPORT = Path("build/report")
_ME = [sys.executable, "-m", "slipway"]
# What DVC and the S3 client say, and what it means to the person who pushed.
_MEANINGS = [
    (
        r"NoCredentialsError|Unable to locate credentials|Unable to find AWS credentials",
        "no S3 credentials reached this run: see docs/github.md",
    ),
    (
        r"Forbidden|AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|InvalidToken|403",
        "S3 refused the credentials of this run: see docs/github.md",
    ),
    (
        r"EndpointConnectionError|Could not connect to the endpoint|Connection refused|Name or service not known",
        "the S3 endpoint did not answer: run this again when it is back",
    ),
    (r"NoSuchBucket|bucket '[^']*' does not exist", "the bucket of .dvc/config is not there: create it, or correct it"),
    (
        r"[Mm]issing cache files|failed to pull data from the cloud|does not exist in the remote|not in remote",
        "the .dvc file was pushed but its data was not: run `dvc push`, then this again",
    ),
]


class StageError(Exception):
    """A stage failed; ``sentence`` is for the person who pushed."""

    def __init__(self, stage: str, sentence: str) -> None:
        super().__init__(sentence)
        self.stage = stage
        self.sentence = sentence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway refresh`."""
    parser.add_argument("--base", default="origin/main", metavar="REV", help="compared with; default: %(default)s")
    parser.add_argument("--no-push", action="store_true", help="leave the DVC remote as it is")
    parser.add_argument("--plots-to", default="", metavar="s3://…", help="where plots are copied to")
    parser.add_argument("--plots-url", default="", metavar="URL", help="the address of that place for people")


def run(args: argparse.Namespace) -> None:
    """Run the stages; at a failure leave the verdict, the report and the summary, and raise."""
    shutil.rmtree(HANDOVER, ignore_errors=True)
    if bool(args.plots_to) != bool(args.plots_url) or (args.plots_to and not args.plots_to.startswith("s3://")):
        raise UserError("give --plots-to s3://… and --plots-url, or neither.")
    base_revision(args.base)  # now, not after minutes of work
    try:
        stages(args.base, push=not args.no_push, plots_to=args.plots_to, plots_url=args.plots_url)
    except StageError as failure:
        verdict = Verdict(failure.stage, failure.sentence)
        write_verdict(verdict)
        write_summary(failure_report(verdict))
        raise UserError(f"{STAGES[failure.stage]}: {failure.sentence}") from None
    report = REPORT / "report.md"
    shutil.copy(report, HANDOVER / "report.md")
    write_summary(Markdown(report.read_text(encoding="utf-8")))


def stages(base: str, *, push: bool, plots_to: str = "", plots_url: str = "") -> None:
    """Every stage in its order.

    Raises:
        StageError: one failed.
    """
    _stage("pull", ["dvc", "pull", *tracked()])
    _stage("check", [*_ME, "data", "check"])
    _stage("repro", ["dvc", "repro", "--pull", "--allow-missing"])
    if push:
        _stage("push", ["dvc", "push"])
        _stage("image", [*_ME, "image"])
    write_verdict(Verdict())
    write_patch()
    report = [*_ME, "report", "--base", base, "--out", str(REPORT)]
    if not plots_to:
        _stage("report", report)
        return
    # In a folder of the commit's: what a comment shows never changes under it.
    sha = git("rev-parse", "HEAD")
    _stage("report", [*report, "--plots-url", f"{plots_url.rstrip('/')}/{sha}"])
    copy_plots(REPORT / "plots", f"{plots_to.rstrip('/')}/{sha}")


def copy_plots(folder: Path, to: str) -> None:
    """Copy every SVG of ``folder`` below ``to``, an s3:// address.

    Raises:
        StageError: S3 refused or did not answer.
    """
    import boto3
    import botocore.exceptions

    bucket, _, prefix = to.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    for path in sorted(folder.glob("*.svg")):
        try:
            with path.open("rb") as plot:
                client.put_object(Bucket=bucket, Key=f"{prefix}/{path.name}", Body=plot, ContentType="image/svg+xml")
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise StageError("report", f"{path.name} could not be copied to {to}: {error}") from None


def tracked() -> list[str]:
    """The .dvc files that Git holds."""
    return [name for name in git("ls-files", "-z", "--", "*.dvc").split("\0") if name]


def _stage(stage: str, command: list[str]) -> None:
    """Run ``command``, its words passed on to the log as they come."""
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    print(f"::group::{stage}" if on_github else f"== {stage}", flush=True)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    except FileNotFoundError:
        raise StageError(
            stage, f"{command[0]} is not installed: `make setup`, then run this with .venv/bin on the PATH"
        ) from None
    print(done.stdout, flush=True)
    if on_github:
        print("::endgroup::", flush=True)
    if done.returncode:
        raise StageError(stage, meaning(done.stdout))


def meaning(said: str) -> str:
    """One sentence for what a failed command said: our own verb's, a known fault's, or the last error's; no secret."""
    said = masked(said)
    own = re.findall(r"^slipway [a-z]+: (.+)$", said, flags=re.MULTILINE)
    if own:
        return str(own[-1])
    for pattern, sentence in _MEANINGS:
        if re.search(pattern, said):
            return sentence
    errors = re.findall(r"^(?:ERROR|[A-Za-z_.]*Error): (.+)$", said, flags=re.MULTILINE)
    return (errors or said.strip().splitlines() or ["no word was said"])[-1][:300]
