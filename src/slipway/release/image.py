"""Keep the Dockerfile's data layers in step with the data.

  image                   write a layer for each month of reports/data.json into the Dockerfile
  image --check           change nothing; exit code 1 when the Dockerfile is out of step

A Dockerfile cannot loop, so it holds a block between two comments with a COPY for each month, oldest first. A new month
adds a line at the end: every layer below stays as it is, and a registry, which has those, is sent the new month only.
An image has at most 127 layers, so a year that lies wholly before the newest 24 months becomes one layer, and so does a
decade before the newest ten of those years: a month is moved when it is new, and once more each time it is merged.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from slipway.errors import UserError
from slipway.files import read_json, write_text
from slipway.stretches import in_words

# Only the standard library is imported here: the build itself calls `image --check`, before it has any package.
DATA_REPORT = Path("reports/data.json")
DOCKERFILE = Path("Dockerfile")
MADE_BY = "python -m slipway prepare"
BEGIN = "# data: begin (kept by `python -m slipway image`)"
END = "# data: end"
SINGLE_MONTHS = 24
SINGLE_YEARS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway image`."""
    parser.add_argument("--check", action="store_true", help="only say whether the Dockerfile is in step")
    parser.add_argument("--file", type=Path, default=DOCKERFILE, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--report", type=Path, default=DATA_REPORT, metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Write the block, or compare it."""
    months = sorted(read_json(args.report, MADE_BY, "months")["months"])
    if not months:
        raise UserError(f"{args.report} describes no month: make it again with `{MADE_BY}`.")
    old = _read(args.file)
    new = with_block(old, data_block(months), args.file)
    span = f"{len(months)} months, {in_words(months)}"
    if new == old:
        print(f"{args.file} is in step with the data: {span}")
        return 0
    if args.check:
        print(f"{args.file} is out of step with the data ({span}): run `python -m slipway image` and commit it.")
        return 1
    write_text(args.file, new)
    print(f"{args.file} now holds {span}")
    return 0


def data_block(months: Sequence[str]) -> list[str]:
    """The COPY lines for ``months`` (YYYY-MM, ascending), what changes least first."""
    single_years = {month[:4] for month in months[-SINGLE_MONTHS:]}
    merged_years = sorted({month[:4] for month in months} - single_years)
    merged_decades = {year[:3] for year in merged_years[:-SINGLE_YEARS]} - {
        year[:3] for year in merged_years[-SINGLE_YEARS:]
    }

    def layer(month: str) -> str:
        if month[:3] in merged_decades:
            return f"{month[:3]}?-*"
        return month if month[:4] in single_years else f"{month[:4]}-*"

    return [f"COPY --from=data /layers/{name} /" for name in dict.fromkeys(map(layer, months))]


def with_block(dockerfile: str, block: list[str], path: Path) -> str:
    """``dockerfile`` with ``block`` between its two comments.

    Raises:
        UserError: the comments are not there once each, in order.
    """
    lines = dockerfile.splitlines()
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(BEGIN) > lines.index(END):
        raise UserError(
            f"{path} must hold the line {BEGIN!r} and, after it, the line {END!r}, once each: put them back."
        )
    return "\n".join([*lines[: lines.index(BEGIN) + 1], *block, *lines[lines.index(END) :]]) + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this in the repository's root.") from None
