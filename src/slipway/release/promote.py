"""Write a model version into what an environment serves.

  promote --env production
                          the version that the alias champion stands for now
  promote --env staging --model churn/7
                          this version
  promote --env production --expect 7
                          only if the alias still stands for version 7
  promote --env production --follow
                          the other way round: the alias champion becomes what Git says is served; after a merge or a
                          `git revert`

Writes k8s/serving/overlays/<env>/model.yaml and nothing else. What it writes cannot change its meaning later: a
version's own address, an image's digest, and where both come from. Commit it, and Argo CD brings the cluster there.
"""

from __future__ import annotations

import argparse
import difflib
import re
from pathlib import Path

from slipway.actions import write_summary
from slipway.errors import UserError
from slipway.files import write_text
from slipway.names import load_names
from slipway.registry.registry import open_registry
from slipway.release.manifest import ServedModel, read_model_patch, render_model_patch
from slipway.report.markdown import line

CHAMPION = "champion"
PRODUCTION = "production"
OVERLAYS = Path("k8s/serving/overlays")
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway promote`."""
    parser.add_argument("--env", required=True, metavar="NAME", help="an overlay of k8s/serving")
    parser.add_argument("--model", metavar="MODEL", help=f"name/version or name@alias; default: the alias {CHAMPION}")
    parser.add_argument("--expect", type=int, metavar="N", help="refuse when the model is no longer version N")
    parser.add_argument("--image", metavar="NAME@DIGEST", help="serve with this image; default: the one there now")
    parser.add_argument("--follow", action="store_true", help=f"move the alias {CHAMPION} to what is served instead")


def run(args: argparse.Namespace) -> None:
    """Promote, or follow."""
    path = manifest_of(args.env)
    if args.follow and args.env != PRODUCTION:
        raise UserError(f"--follow goes with --env {PRODUCTION}: that is what the alias {CHAMPION} stands for.")
    if args.follow and (args.model or args.image or args.expect is not None):
        raise UserError(f"--follow takes no --model, --expect or --image: {path} says which version it is.")
    now = read_model_patch(path)
    if args.follow:
        follow(path, now)
        return
    registry = open_registry()
    if args.image and not _DIGEST.fullmatch(args.image):
        raise UserError(f"--image is {args.image!r}, expected NAME@sha256:<64 hexadecimal digits>: a tag can move.")
    version = registry.resolve(args.model or f"{load_names().model}@{CHAMPION}")
    if args.expect is not None and version.version != args.expect:
        raise UserError(
            f"{args.model or CHAMPION} stands for {version.spec} now, not for version {args.expect}: somebody "
            "moved it. Nothing was changed; promote again if that is what you want."
        )
    if lost := registry.lost(version):
        raise UserError(f"{version.spec} cannot be served, {lost}. Promote another version, or register it again.")
    new = ServedModel(
        model_uri=registry.storage_uri(version),
        serve_image=args.image or now.serve_image,
        version=version.spec,
        git_sha=version.tags.get("git_sha", ""),
        data_md5=version.tags.get("data_md5", ""),
        train_image=version.tags.get("train_image", ""),
        experiment=version.tags.get("experiment", ""),
        registered_at=version.registered_at,
    )
    before, after = path.read_text(encoding="utf-8"), render_model_patch(new)
    if before == after:
        print(f"{path} serves {version.spec} already: nothing to change")
        return
    write_text(path, after)
    print("\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), str(path), lineterm="")))
    print(f"{path} now serves {version.spec}: commit it, and nothing else")


def manifest_of(env: str) -> Path:
    """The one file of an overlay that names the model.

    Raises:
        UserError: there is no such overlay; lists those there are.
    """
    path = OVERLAYS / env / "model.yaml"
    if not path.exists():
        known = ", ".join(environments())
        raise UserError(f"there is no {path}; --env is one of {known or 'none: run this in the root'}.")
    return path


def environments() -> list[str]:
    """The environments there are."""
    return sorted(found.parent.name for found in OVERLAYS.glob("*/model.yaml"))


def follow(path: Path, served: ServedModel) -> None:
    """Point the alias champion at the version that a manifest serves.

    Raises:
        UserError: the registry does not know the version.
    """
    if not served.version:
        write_summary(line(f"{path} serves no model, so {CHAMPION} stays where it is"))
        return
    registry = open_registry()
    version = registry.resolve(served.version)
    if registry.aliases(version.name).get(CHAMPION) == version.version:
        write_summary(line(f"{CHAMPION} is {version.spec} already, as {path} says"))
        return
    registry.set_alias(version.name, CHAMPION, version.version)
    write_summary(line(f"{CHAMPION} is now {version.spec}, as {path} says"))
