"""What a change does to data, parameters and metrics, for a pull request.

  report                  this work tree against the commit the branch left main at: build/report/report.md (a
                          comment), build/report/index.html (one page with everything), build/report/plots/*.svg
  report --base v1.2      against another commit, tag or branch
  report --plots-url URL  the comment shows the plots too, from a folder at this address

Run `dvc repro` first: the report reads what that wrote, and says so when it is out of date. Of the older commit only
small files in Git are read (reports/, params.yaml, k8s/katib/experiment.yaml), so no data is fetched.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from slipway.errors import UserError
from slipway.files import whole_folder, write_text
from slipway.learning.drift import panel
from slipway.report import sections
from slipway.report.comparison import Comparison, compare
from slipway.report.document import Document
from slipway.report.markdown import to_markdown
from slipway.report.page import to_page
from slipway.report.revision import base_revision
from slipway.report.verdict import verdict
from slipway.report.wording import plain

OUT = Path("build/report")
PLOTS = Path("reports/plots")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway report`."""
    parser.add_argument(
        "--base", metavar="REV", help="default: where this branch left main; on main, the commit before"
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--plots-url", metavar="URL", help="address under which people will find DIR/plots")


def run(args: argparse.Namespace) -> None:
    """Write the report and say what it says."""
    if args.plots_url and not args.plots_url.startswith(("https://", "http://")):
        raise UserError(f"--plots-url {args.plots_url}: expected an address that starts with https://.")
    base = base_revision(args.base)
    comparison = compare(base)
    with whole_folder(args.out, "report.md") as folder:
        plots = folder / "plots"
        plots.mkdir()
        for path in sorted(PLOTS.glob("*.svg")):
            shutil.copy(path, plots / path.name)
        _draw_drift(comparison, plots)
        document = to_document(comparison, sorted(path.name for path in plots.iterdir()))
        write_text(folder / "report.md", to_markdown(document, str(args.out / "index.html"), args.plots_url))
        write_text(folder / "index.html", to_page(document, plots))
    for warning in comparison.differences.stale:
        print(f"slipway report: {plain(warning)}", file=sys.stderr)
    print(plain(document.verdict[0]))
    print(f"{args.out / 'report.md'} and {args.out / 'index.html'}")


def _draw_drift(comparison: Comparison, plots: Path) -> None:
    panels = [panel(moved) for moved in comparison.drift if moved.index is not None]
    if panels:
        from slipway.plots.plots import draw_drift

        draw_drift(plots / sections.DRIFT_PLOT, panels, comparison.drift_before, comparison.drift_after)


def to_document(comparison: Comparison, plots: list[str]) -> Document:
    """The report in the order of a reviewer's questions: better? what changed? what will it cost? how does it look?"""
    tone, lines = verdict(comparison)
    parts = [
        sections.metrics(comparison),
        sections.parts(comparison),
        sections.schema(comparison),
        sections.drifted(comparison, sections.DRIFT_PLOT in plots),
        sections.parameters(comparison),
        sections.search(comparison),
        sections.sliced(comparison),
        sections.plots([name for name in plots if name != sections.DRIFT_PLOT]),
    ]
    return Document(
        title=f"Model report: {comparison.after.holdout} held out",
        verdict=lines,
        sections=[part for part in parts if part],
        origin=comparison.origin,
        tone=tone,
        warnings=comparison.differences.stale,
    )
