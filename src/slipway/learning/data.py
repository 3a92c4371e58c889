"""Check what you are about to push, or make the sample's data.

  data check              check every part against src/slipway/model/schema.py
  data check FILE ...     check these only
  data make               write the sample's first parts, where src/slipway/model/sample.py makes some
  data make --parts 2013-06
                          write another: the data that `make demo` pushes

`check` ends with exit code 2 and one sentence for the first fault: the file, the column, the line, what was expected.
`make` writes the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import write_text
from slipway.model.problem import PROBLEM
from slipway.names import NAMES_FILE, load_names
from slipway.stretches import gaps_in_words

_SAMPLE = "slipway.model.sample"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway data`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="make|check")
    make = actions.add_parser("make", help="write the sample's parts", allow_abbrev=False)
    make.add_argument("--parts", nargs="+", metavar="NAME", help="default: those the repository starts with")
    make.add_argument(
        "--out", type=Path, default=Path(PROBLEM.parts.folder), metavar="DIR", help="default: %(default)s"
    )
    check = actions.add_parser("check", help="check parts against the schema", allow_abbrev=False)
    check.add_argument("files", nargs="*", type=Path, metavar="FILE", help=f"default: all in {PROBLEM.parts.folder}")


def run(args: argparse.Namespace) -> int:
    """Make or check."""
    if args.action == "make":
        for part, text in sample_parts(args.parts).items():
            path = args.out / PROBLEM.parts.file(part).name
            write_text(path, text)
            md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            print(f"{path}  {text.count(chr(10)) - 1:>6,} {PROBLEM.name.many}  md5 {md5}")
        return 0
    from slipway.learning.check import DATA, part_files, part_of, read_part

    if NAMES_FILE.exists() and (said := load_names().folder) != PROBLEM.parts.folder:
        raise UserError(
            f"{NAMES_FILE}: folder: is {said}, and src/slipway/model/problem.py says {PROBLEM.parts.folder}: run "
            f"`python -m slipway init --data-folder {DATA.name}`, or correct problem.py."
        )
    files = args.files or part_files(DATA)
    for path in files:
        print(f"{path}  {len(read_part(path)):>6,} {PROBLEM.name.many}, as the schema says")
    if lacking := "" if args.files else gaps_in_words([part_of(path) for path in files]):
        print(f"{DATA}  {lacking}")
    return 0


def sample_parts(parts: list[str] | None = None) -> dict[str, str]:
    """The sample's parts as text, by name; those the repository starts with when None are named.

    Raises:
        UserError: the model makes no sample, or has no such part.
    """
    made = sample()
    if unknown := [part for part in parts or [] if part not in made.ALL]:
        raise UserError(f"--parts: the sample has {made.ALL[0]} to {made.ALL[-1]}, not {unknown[0]!r}.")
    texts: dict[str, str] = made.texts(parts or made.PARTS)
    return texts


def sample() -> Any:
    """The model's module that makes data: ``PARTS`` to begin with, ``ALL`` it can make, ``texts`` and ``WORSE``.

    Raises:
        UserError: the model has none.
    """
    try:
        return importlib.import_module(_SAMPLE)
    except ModuleNotFoundError:
        raise UserError(
            f"{PROBLEM.parts.folder} is not made here (there is no src/slipway/model/sample.py): `dvc pull` fetches it."
        ) from None
