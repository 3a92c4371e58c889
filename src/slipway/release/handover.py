"""What the job that runs the model's code hands to the job that may write to the repository: build/handover."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from slipway.actions import Markdown
from slipway.errors import UserError
from slipway.files import read_json, write_json, write_text
from slipway.report.document import Heading, Paragraph, Quote, sentence
from slipway.report.markdown import message

HANDOVER = Path("build/handover")
STAGES = {
    "pull": "the data could not be pulled",
    "check": "the data was refused",
    "repro": "the pipeline failed",
    "push": "the results could not be pushed to the DVC remote",
    "report": "the report could not be made",
    "image": "the training image could not be built or pushed",
}


@dataclass(frozen=True)
class Verdict:
    """How far it came: ``failed`` names the stage that ended it (see STAGES), None when nothing did."""

    failed: str | None = None
    sentence: str = ""
    image: str = ""


def write_verdict(verdict: Verdict, folder: Path = HANDOVER) -> None:
    """Leave the verdict for the next job."""
    write_json(folder / "verdict.json", asdict(verdict))


def read_verdict(folder: Path = HANDOVER) -> Verdict:
    """The verdict the first job left. No image in a verdict without a failure means that building it failed.

    Raises:
        UserError: there is no verdict: the job died before its first word.
    """
    verdict = Verdict(**read_json(folder / "verdict.json", "python -m slipway refresh"))
    if verdict.failed is None and not verdict.image:
        return Verdict("image", "the run's log has the builder's own words")
    return verdict


def failure_report(verdict: Verdict) -> Markdown:
    """The report of a run that ended early."""
    assert verdict.failed
    return message(
        Heading(f"This cannot ship: {STAGES[verdict.failed]}"),
        Quote(sentence(verdict.sentence)),
        Paragraph("Nothing was pinned. Mend it and push again to the same branch: this report is then replaced."),
    )


def write_patch(folder: Path = HANDOVER) -> None:
    """Write every change of the work tree that Git does not ignore, as a patch.

    Raises:
        UserError: Git refused.
    """
    for command in (["git", "add", "--all"], ["git", "diff", "--cached", "--binary", "HEAD"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-300:]}")
    write_text(folder / "change.patch", done.stdout)


def as_json(verdict: Verdict) -> str:
    """The verdict on one line, for the log."""
    return json.dumps(asdict(verdict))
