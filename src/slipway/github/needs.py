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
        write_output("ready", "false")
        write_summary(
            "**This comes from a fork**, which gets no secrets and a token that only reads, so nothing was done. "
            f"Once its code is read, push its branch to this repository ({args.page})."
        )
        return
    if args.template or args.clone:
        is_template = GitHub.from_environment().call("GET", "")["is_template"]
        if args.template and not is_template:
            write_output("ready", "false")
            write_summary(
                f"**For the template itself.** In your repository you may delete this workflow ({args.page})."
            )
            return
        if args.clone and is_template:
            write_output("ready", "false")
            write_summary("**This is the template**, which keeps its names: make your repository from it first.")
            return
    missing = []
    for setting in args.settings:
        name, equals, value = setting.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*(\|[A-Z][A-Z0-9_]*)*", name):
            raise UserError(f"{setting!r} is not NAME=true or NAME=.")
        if value != "true":
            missing.append(" or ".join(f"`{one}`" for one in name.split("|")))
    # Read as text: this runs before anything is installed.
    if args.names and _PLACEHOLDER in Path("slipway.yaml").read_text(encoding="utf-8"):
        missing.append(f"your own names in `slipway.yaml` (it says `{_PLACEHOLDER}`)")
    write_output("ready", "false" if missing else "true")
    if missing:
        write_summary(f"**Not enabled, so nothing was done.** To enable this, set {', '.join(missing)} ({args.page}).")
