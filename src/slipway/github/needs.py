"""Say whether a workflow has what it needs; where it has not, what to set, and end green.

  needs --page docs/github.md 'AWS_ROLE=true' 'MLFLOW_TRACKING_URI='

Each argument is the name of a secret or variable, and `true` when it is set. Names that can stand in for one another
are joined with `|`. Writes the output `ready` and, when something is missing, the run's summary. A fresh clone has
nothing set, so every workflow begins with this.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from slipway.actions import write_output, write_summary
from slipway.errors import UserError
from slipway.github.github import GitHub
from slipway.report.document import Code, Inline, Strong
from slipway.report.markdown import line

_PLACEHOLDER = "your-org/your-repo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway needs`."""
    parser.add_argument("settings", nargs="*", metavar="NAME=true", help="a secret or variable, and whether it is set")
    parser.add_argument("--page", default="docs/github.md", help="where it is told how; default: %(default)s")
    parser.add_argument("--fork", action="store_true", help="what is to be done is a fork's")
    parser.add_argument("--template", action="store_true", help="only the template itself needs it, no clone does")
    parser.add_argument("--clone", action="store_true", help="only a repository made from the template needs it")
    parser.add_argument("--names", action="store_true", help="slipway.yaml must carry this repository's names, too")


def run(args: argparse.Namespace) -> None:
    """Look, and say."""
    if args.fork:
        _not_ready(
            Strong("This comes from a fork"),
            ", which gets no secrets and a token that only reads, so nothing was done. Once its code is read, push its "
            f"branch to this repository ({args.page}).",
        )
        return
    if args.template or args.clone:
        is_template = GitHub.from_environment().call("GET", "")["is_template"]
        if args.template and not is_template:
            said = f" In your repository you may delete this workflow ({args.page})."
            _not_ready(Strong("For the template itself."), said)
            return
        if args.clone and is_template:
            said = ", which keeps its names: make your repository from it first."
            _not_ready(Strong("This is the template"), said)
            return
    missing: list[Inline] = []
    for setting in args.settings:
        name, equals, value = setting.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*(\|[A-Z][A-Z0-9_]*)*", name):
            raise UserError(f"{setting!r} is not NAME=true or NAME=.")
        if value != "true":
            missing.append(", ")
            missing += [part for one in name.split("|") for part in (" or ", Code(one))][1:]
    # Read as text: this runs before anything is installed.
    if args.names and _PLACEHOLDER in Path("slipway.yaml").read_text(encoding="utf-8"):
        missing += [", ", "your own names in ", Code("slipway.yaml"), " (it says ", Code(_PLACEHOLDER), ")"]
    if missing:
        nothing = Strong("Not enabled, so nothing was done.")
        _not_ready(nothing, " To enable this, set ", *missing[1:], f" ({args.page}).")
        return
    write_output("ready", "true")


def _not_ready(*why: Inline) -> None:
    write_output("ready", "false")
    write_summary(line(*why))
