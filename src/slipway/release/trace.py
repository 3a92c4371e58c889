"""From a manifest or a version back to the data and the commit.

  trace production        what this environment serves
  trace churn@champion
                          a version of the registry
  trace k8s/serving/overlays/staging/model.yaml
                          any manifest that `slipway promote` wrote
  trace production --json the same for a program

Prints one line for each link of the chain: the manifest and the commit that made it say so, the version, the search and
the image it was trained in, the commit of the code, and the commit of the data. Exit code 1 when a link is broken:
the manifest and the registry disagree, or a commit is not in this clone.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from slipway.addresses import masked
from slipway.errors import UserError
from slipway.git import HOW_TO_FETCH, cut_off, git, newest_change
from slipway.registry.registry import Version, open_registry
from slipway.release.manifest import ServedModel, read_model_patch
from slipway.release.promote import OVERLAYS, environments

_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Link:
    """One link of the chain. ``broken`` says why it leads nowhere."""

    name: str
    value: str
    broken: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway trace`."""
    parser.add_argument("what", help="an environment, a manifest, name/version or name@alias")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the chain."""
    links = chain(args.what)
    if args.json:
        print(json.dumps([asdict(link) for link in links], indent=2))
    else:
        width = max(len(link.name) for link in links)
        for link in links:
            print(f"{link.name:<{width}}  {link.value}" + (f"  BROKEN: {link.broken}" if link.broken else ""))
    return 1 if any(link.broken for link in links) else 0


def chain(what: str) -> list[Link]:
    """The links from what is served, or from a version, back to the data.

    Raises:
        UserError: it is neither, or it serves nothing yet.
    """
    registry = open_registry()
    if "@" in what or re.fullmatch(r"(models:/)?[^/]+/\d+", what):
        return _of_version(registry.resolve(what))
    path = Path(what) if what.endswith((".yaml", ".yml")) else OVERLAYS / what / "model.yaml"
    if not path.exists():
        raise UserError(
            f"{path} is missing: name an environment ({', '.join(environments()) or 'none here: go to the root'}), a "
            "manifest, or a version such as churn/3 or churn@champion."
        )
    served = read_model_patch(path)
    if not served.version:
        raise UserError(f"{path} serves no model yet: promote one first.")
    version = registry.resolve(served.version)
    return [
        _manifest(path),
        Link(
            "served from",
            masked(served.model_uri),
            _disagreement(served, version, registry.storage_uri(version)) or registry.lost(version),
        ),
        *([Link("served by", served.serve_image)] if served.serve_image else []),
        *_of_version(version),
    ]


def _of_version(version: Version) -> list[Link]:
    tags = version.tags
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    gate = f", gate {tags['gate']}" if "gate" in tags else ""
    return [
        Link("version", f"{version.spec}{aliases}{gate}"),
        Link("content", f"sha256 {tags.get('content_sha256', '?')}"),
        Link("search", _search(tags)),
        Link("image", tags.get("train_image", "?")),
        _code(tags.get("git_sha", "")),
        Link("trained on", tags.get("trained_on", "?")),
        _data(tags.get("data_md5", "")),
    ]


def _search(tags: Mapping[str, str]) -> str:
    experiment = tags.get("experiment", "?")
    return experiment if experiment.startswith("none") else f"{experiment}; trials {tags.get('trials', '?')}"


def _disagreement(served: ServedModel, version: Version, uri: str) -> str:
    if served.model_uri != uri:
        return f"the registry keeps {version.spec} at {masked(uri)}"
    for tag in ("git_sha", "data_md5"):
        if getattr(served, tag) != version.tags.get(tag, ""):
            return f"the registry says {tag} {version.tags.get(tag)}"
    return ""


def _code(sha: str) -> Link:
    if not _SHA.fullmatch(sha):
        return Link("code", sha or "?", "no commit was recorded")
    try:
        return Link("code", _described(sha))
    except UserError:
        return Link("code", sha, "this clone does not have the commit: fetch it")


def _data(md5: str) -> Link:
    if not md5:
        return Link("data", "?", "no data was recorded")
    commits = git("log", "--all", "--format=%H", "-S", md5, "--reverse", "--", "data/*.dvc").split()
    end = cut_off()
    if end and (not commits or commits[0] in end):
        return Link("data", f"md5 {md5}", f"since when is not known, this clone is shallow: {HOW_TO_FETCH}")
    if not commits:
        return Link("data", f"md5 {md5}", "no commit of this clone has a .dvc file with it")
    return Link("data", f"md5 {md5}, since {_described(commits[0])}")


def _manifest(path: Path) -> Link:
    try:
        commit = newest_change(str(path))
    except UserError as error:
        return Link("manifest", str(path), str(error).rstrip("."))
    return Link("manifest", f"{path}, since {_described(commit)}" if commit else f"{path}, not committed yet")


def _described(commit: str) -> str:
    return git("show", "--no-patch", "--format=%h %ad %s", "--date=short", commit)
