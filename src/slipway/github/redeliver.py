"""Have GitHub deliver again the webhooks that failed: a cluster that was down has missed a merge.

  redeliver               every failed delivery of the last days (GitHub keeps them for three), once
  redeliver --dry-run     only say which

A delivery that failed and then got through, under the same identifier, is left alone. The receiving side names its
workflow after the commit, so a webhook that comes twice does nothing twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from slipway.actions import write_summary
from slipway.github.github import GitHub
from slipway.report.document import Bullets, Paragraph
from slipway.report.markdown import line, message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway redeliver`."""
    parser.add_argument("--dry-run", action="store_true", help="only say which")


def run(args: argparse.Namespace) -> None:
    """Look through every hook's deliveries."""
    hub = GitHub.from_environment()
    lines = []
    for hook in hub.pages("hooks"):
        where = hook["config"].get("url", "?")
        for delivery in failed(hub.pages(f"hooks/{hook['id']}/deliveries")):
            what = f"{delivery['event']} of {delivery['delivered_at']} to {where} (was {delivery['status_code']})"
            if not args.dry_run:
                hub.call("POST", f"hooks/{hook['id']}/deliveries/{delivery['id']}/attempts")
            lines.append(what)
    said = "Asked GitHub to deliver again" if not args.dry_run else "Would be delivered again"
    if not lines:
        write_summary(line("Every webhook of the last days got through."))
        return
    write_summary(message(Paragraph(f"{said}:"), Bullets(lines)))


def failed(deliveries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest attempt of every event that never got through, the oldest event first."""
    newest: dict[str, dict[str, Any]] = {}
    through = set()
    for delivery in deliveries:
        if 200 <= delivery["status_code"] < 300:
            through.add(delivery["guid"])
        known = newest.get(delivery["guid"])
        if known is None or delivery["delivered_at"] > known["delivered_at"]:
            newest[delivery["guid"]] = delivery
    return sorted((it for guid, it in newest.items() if guid not in through), key=lambda it: str(it["delivered_at"]))
