"""Keep the Dockerfile's data layers in step with the data.

  image                   write a layer for each part of reports/data.json into the Dockerfile
  image --check           change nothing; exit code 1 when the Dockerfile is out of step

A Dockerfile cannot loop, so it holds a block between two comments with a COPY for each part, oldest first. A new part
adds a line at the end: every layer below stays as it is, and a registry, which has those, is sent the new part only.
An image has at most 127 layers, so what is older shares one: days a month's, weeks and months a year's, years a
decade's. A part is moved when it is new, and once more each time it is merged.
"""

from __future__ import annotations

import argparse
import re
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
_LEVELS: dict[str, tuple[tuple[int, int], ...]] = {
    r"\d{4}-\d\d": ((24, 4), (10, 3)),
    r"\d{4}-W\d\d": ((26, 4), (10, 3)),
    r"\d{4}-\d\d-\d\d": ((14, 7), (12, 4), (10, 3)),
}
"""How parts are merged, by the form of their names: how many of the newest stand alone, and how much of the others'
name is that of their common layer. Months and weeks: by year, then by decade; days: by month first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway image`."""
    parser.add_argument("--check", action="store_true", help="only say whether the Dockerfile is in step")
    parser.add_argument("--file", type=Path, default=DOCKERFILE, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--report", type=Path, default=DATA_REPORT, metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Write the block, or compare it."""
    parts = sorted(read_json(args.report, MADE_BY, "parts")["parts"])
    if not parts:
        raise UserError(f"{args.report} describes no part: make it again with `{MADE_BY}`.")
    old = _read(args.file)
    new = with_block(old, data_block(parts), args.file)
    span = f"{len(parts)} parts, {in_words(parts)}"
    if new == old:
        print(f"{args.file} is in step with the data: {span}")
        return 0
    if args.check:
        print(f"{args.file} is out of step with the data ({span}): run `python -m slipway image` and commit it.")
        return 1
    write_text(args.file, new)
    print(f"{args.file} now holds {span}")
    return 0


def data_block(parts: Sequence[str]) -> list[str]:
    """The COPY lines for ``parts`` (their names, ascending), what changes least first."""
    levels = next((merged for form, merged in _LEVELS.items() if all(re.fullmatch(form, name) for name in parts)), ())
    layers = dict(zip(parts, parts, strict=True))
    merged = set(parts)
    for alone, length in levels:
        kept = {name[:length] for name in sorted(merged)[-alone:]}  # a year that has one of the newest is whole
        longer = {name for name in merged if name[:length] not in kept}
        layers = {part: name[:length] if name in longer else name for part, name in layers.items()}
        merged = {name[:length] for name in longer}
    names = [name if name in layers else f"{name}*" for name in dict.fromkeys(layers.values())]
    return [f"COPY --from=data /layers/{name} /" for name in names]


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
