"""What a promotion changes, for its pull request: the version that is served against the one that would be.

  promotion --env production
                          after `slipway promote`: build/promotion/report.md, from the registry and the two manifests

On GitHub it also sets the output `auto-merge`, for environments that slipway.yaml lists under promotions, when there is
nothing to warn of.

It holds the gate's own decision, which lies beside the version: both on one hold-out, with the interval and every
slice. It warns where there is none, where the gate refused, where it was about another champion than is served, and
where no server's image is pinned.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slipway.actions import Markdown, write_output, write_summary
from slipway.errors import UserError
from slipway.files import write_text
from slipway.gate.decision import kept, slices, told
from slipway.model.problem import PROBLEM
from slipway.names import NAMES_FILE, load_names
from slipway.registry.registry import Registry, Version, open_registry
from slipway.release.manifest import ServedModel, read_model_patch
from slipway.release.promote import OVERLAYS, manifest_of
from slipway.report.document import Code, Folded, Heading, Line, Paragraph, Quote, Strong, Table, inlines
from slipway.report.markdown import line, message

OUT = Path("build/promotion/report.md")
_LINEAGE = ["git_sha", "data_md5", "train_image", "experiment", "gate"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway promotion`."""
    parser.add_argument("--env", required=True, metavar="NAME", help="an overlay of k8s/serving")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Write the report, and say which versions it is about."""
    path = manifest_of(args.env)
    before, after = _committed(path), read_model_patch(path)
    if not after.version:
        raise UserError(f"{path} serves no model: run `python -m slipway promote --env {args.env}` first.")
    registry = open_registry()
    imageless = [] if after.serve_image else [_no_image(path)]
    write_text(args.out, report(registry, args.env, before.version, after.version, imageless))
    print(f"{args.out}  {before.version or 'nothing'} -> {after.version}")
    listed = merges_itself(args.env)
    version = registry.resolve(after.version)
    doubts = _warnings(args.env, kept(registry, version), version, before.version) + imageless if listed else []
    if doubts:
        said = [part for doubt in doubts for part in (" ", *inlines(doubt))]
        write_summary(line(Strong("It does not merge itself"), ", it waits for a person:", *said))
    write_output("auto-merge", "true" if listed and not doubts else "")


def merges_itself(env: str) -> bool:
    """Whether slipway.yaml wants a promotion to ``env`` merged by GitHub, once the rules of main are met.

    Raises:
        UserError: slipway.yaml names an environment that there is none of.
    """
    listed = load_names().promotions.auto_merge
    for name in listed:
        if not (OVERLAYS / name / "model.yaml").exists():
            raise UserError(
                f"{NAMES_FILE}: promotions.auto_merge: {name!r} is no folder of {OVERLAYS} with a model.yaml."
            )
    return env in listed


def report(registry: Registry, env: str, before: str, after: str, warnings: Sequence[Line] = ()) -> Markdown:
    """The report; ``before`` is empty when nothing is served yet, ``warnings`` come before its own."""
    new = registry.resolve(after)
    old = registry.resolve(before) if before else None
    decision = kept(registry, new)
    decided = [Paragraph("The gate's decision:"), *told(decision, 3), slices(decision)] if decision else []
    lineage = [(key, _tag(old, key), _tag(new, key)) for key in _LINEAGE]
    return message(
        Heading(f"{after} for {env}"),
        Paragraph(f"In the place of {before}." if before else "Nothing is served there yet."),
        *(Quote(warning, warning=True) for warning in [*warnings, *_warnings(env, decision, new, before)]),
        *decided,
        _registered(registry, new, old),
        Table(("lineage", "now", "proposed"), lineage),
        Paragraph(("Merging serves it; ", Code("git revert"), f" of the merge brings {before or 'nothing'} back.")),
    )


def _no_image(path: Path) -> Line:
    why = ", so no pod of it can start: merge what the workflow "
    ways = (Code("serve-image"), " proposes, or give ", Code("promote"), " one with --image.")
    return (Strong(f"{path} names no server's image yet"), why, *ways)


def _warnings(env: str, decision: dict[str, Any] | None, new: Version, before: str) -> list[Line]:
    """What somebody who merges this should know first."""
    again = f"python -m slipway gate --challenger {new.spec}"
    if decision is None:
        if outcome := new.tags.get("gate"):
            said = f"{new.spec} is tagged as {outcome} by the gate, and why was not kept: run "
            return [(said, Code(again), ".")]
        return [(Strong(f"The gate never looked at {new.spec}."), " Before you merge, run ", Code(again), ".")]
    warnings: list[Line] = []
    if not decision["passed"]:
        failed = ", ".join(check["name"] for check in decision["checks"] if not check["passed"])
        warnings.append((Strong(f"The gate refused {new.spec}"), f": {failed}."))
    if before and before not in (new.spec, decision["champion"]):
        against = f"compared with {decision['champion']}" if decision["champion"] else "compared with no champion"
        served = Strong(f"{env} serves {before}")
        run = Code(f"{again} --champion {before}")
        warnings.append((f"It was {against}, and ", served, ". To know how the two compare, run ", run, "."))
    return warnings


def _registered(registry: Registry, new: Version, old: Version | None) -> Folded:
    """What both were registered with: scores of their own trials, each on the data of its day."""
    _, metrics = registry.run_values(new)
    _, earlier = registry.run_values(old) if old else ({}, {})
    rows: list[tuple[Line, ...]] = []
    for name in sorted(metrics):
        value, was = metrics[name], earlier.get(name)
        if was is None:
            rows.append((Code(name), "", f"{value:.4f}", "", ""))
            continue
        rows.append((Code(name), f"{was:.4f}", f"{value:.4f}", f"{value - was:+.4f}", _verdict(name, value - was)))
    head = ("metric", "now", "proposed", "change", "")
    return Folded("What each was registered with", [Table(head, rows, right=frozenset(head[1:4]))])


def _verdict(name: str, change: float) -> str:
    short = name.rpartition("-")[2].partition(".")[0]  # validation-auc.0 is the first member's trial's
    metric = PROBLEM.metric.get(short)
    if metric is None or not change:
        return ""
    return "better" if metric.better(change, 0.0) else "worse"


def _tag(version: Version | None, key: str) -> Line:
    value = version.tags.get(key, "") if version else ""
    return Code(value) if value else ""


def _committed(path: Path) -> ServedModel:
    """What the manifest says in the last commit."""
    shown = subprocess.run(["git", "show", f"HEAD:./{path}"], capture_output=True, text=True)
    if shown.returncode:
        raise UserError(f"{path} is not in Git yet: commit the overlay first.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        write_text(copy, shown.stdout)
        return read_model_patch(copy)
