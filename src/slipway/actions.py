"""What a job says to GitHub Actions: a step's outputs, and the run's summary. Elsewhere both are only printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NewType

Markdown = NewType("Markdown", str)
"""What `slipway.report.markdown` wrote, or read back: nothing else reaches a page of GitHub's."""


def write_summary(text: Markdown) -> None:
    """Add ``text`` to the run's summary page, and print it where there is none."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        print(text)
        return
    with Path(summary).open("a", encoding="utf-8") as page:
        page.write(text.rstrip() + "\n\n")


def write_output(name: str, value: str) -> None:
    """Set a step's output, and print it."""
    assert "\n" not in value
    print(f"{name}={value}")
    if os.environ.get("GITHUB_OUTPUT"):
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
            outputs.write(f"{name}={value}\n")
