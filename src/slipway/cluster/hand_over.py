"""Ask GitHub to propose a version that the gate let in: what the workflow `promote` answers with its pull request.

  hand-over --version churn/7
  hand-over --version churn/7 --env production

Twice is as good as once: `promote` then brings the same pull request up to date.
"""

from __future__ import annotations

import argparse
import re

from slipway.cluster.names import GITHUB_WRITE, github
from slipway.errors import UserError
from slipway.names import load_names

EVENT = "model-promoted"
STAGING = "staging"
_VERSION = re.compile(r"[^/@:\s]+/(?P<number>[1-9]\d*)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway hand-over`."""
    parser.add_argument("--version", required=True, metavar="NAME/N", help="a version of the registry")
    parser.add_argument("--env", default=STAGING, metavar="NAME", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Send the event."""
    match = _VERSION.fullmatch(args.version)
    if not match:
        raise UserError(f"--version is {args.version!r}, expected NAME/NUMBER, such as churn/7.")
    hub = github(load_names(), GITHUB_WRITE)
    payload = {"environment": args.env, "model": args.version, "version": int(match["number"])}
    hub.call("POST", "dispatches", {"event_type": EVENT, "client_payload": payload})
    print(f"{hub.repository}: {EVENT} {args.version} for {args.env}")
