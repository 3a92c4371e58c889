"""Put your repository's names where the template has its own, and say what is left to do by hand.

  init                    the names of `git remote origin`
  init --repository acme/flights --data s3://acme-data/dvc --models s3://acme-models/mlflow
                          these names, and these buckets

Changes slipway.yaml and every file that has to repeat what it says: CODEOWNERS, .dvc/config, the manifests under k8s/
and argo/. Twice is as good as once; after the repository was renamed, run it again. It writes nothing under
.github/workflows/, which no workflow may change, and needs Python's own library only.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from slipway.errors import UserError
from slipway.files import write_text
from slipway.git import git

NAMES = Path("slipway.yaml")
_OWNERS = Path(".github/CODEOWNERS")
_PLACES = ("slipway.yaml", ".dvc/config", ".github/CODEOWNERS", "docs/mlflow.md", "argo", "k8s")
"""What repeats the names; the rest of the documentation speaks of the template."""
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/\s]+@)?(?P<host>[\w-]+(?:\.[\w-]+)*(?::\d+)?)[:/](?P<name>[^/\s:]+/[^/\s]+?)(?:\.git)?/?"
)
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w.=/-]*[\w.=-])?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway init`."""
    parser.add_argument("--repository", metavar="OWNER/REPO", help="default: that of `git remote get-url origin`")
    parser.add_argument("--data", metavar="s3://…", help="where DVC keeps the data; default: as it is")
    parser.add_argument("--models", metavar="s3://…", help="where MLflow keeps the models; default: as it is")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what was done and what is left here, too")


def run(args: argparse.Namespace) -> None:
    """Rename, and say what is left."""
    if not NAMES.exists():
        raise UserError(f"{NAMES} is missing: run this in the repository's root.")
    host, repository = _origin() if args.repository is None else ("github.com", args.repository)
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(
            f"{repository!r} is not OWNER/REPO as GitHub writes it: give --repository, such as acme/flights."
        )
    for flag, bucket in (("--data", args.data), ("--models", args.models)):
        if bucket and not _BUCKET.fullmatch(bucket):
            raise UserError(f"{flag} is {bucket!r}, expected s3://bucket or s3://bucket/folder.")
    before = NAMES.read_text(encoding="utf-8")
    now = {key: _named(before, key) for key in ("repository", "data", "models")}
    buckets = {kind: getattr(args, kind) or now[kind] for kind in ("data", "models")}
    done = []
    for path in _files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image, or the like
        new = renamed(text, now["repository"], repository, host)
        for kind, bucket in buckets.items():
            new = re.sub(rf"{re.escape(now[kind])}(?![\w/-])", bucket, new) if bucket != now[kind] else new
        if new != text:
            path.write_text(new, encoding="utf-8")  # in place: it keeps its mode
            done.append(str(path))
    said = _said(repository, done, left(host, repository, buckets))
    if args.out:
        write_text(args.out, said)
    print(said)


def renamed(text: str, old: str, new: str, host: str = "github.com") -> str:
    """``text`` with the repository ``new`` in the place of ``old``: its address, its images, its teams, its name.

    A registry takes an image's name in lower case only. A name that only begins like ``old`` stays.
    """
    ends = r"(?![\w-])(?!\.(?!git\b)\w)"
    text = re.sub(rf"https://[^/\s]+/{re.escape(old)}{ends}", f"https://{host}/{new}", text)
    text = re.sub(
        rf"(?<!/)(\b[\w-]+(?:\.[\w-]+)+(?::\d+)?/){re.escape(old.lower())}{ends}", rf"\g<1>{new.lower()}", text
    )
    text = re.sub(rf"(?<![\w./-]){re.escape(old)}{ends}", new, text)
    return re.sub(rf"(?<![\w.])@{re.escape(old.partition('/')[0])}/", f"@{new.partition('/')[0]}/", text)


def left(host: str, repository: str, buckets: dict[str, str]) -> list[str]:
    """What nobody but you can do, as Markdown."""
    owner = repository.partition("/")[0]
    owners = _OWNERS.read_text(encoding="utf-8") if _OWNERS.exists() else ""
    teams = sorted(set(re.findall(rf"@{re.escape(owner)}/[\w.-]+", owners)))
    steps = []
    if teams:
        steps.append(
            f"Make the teams {' and '.join(f'`{team}`' for team in teams)}, with write access, or name people in "
            f"`{_OWNERS}`: GitHub ignores an owner who does not exist."
        )
    if templates := [f"`--{kind} {now}`" for kind, now in buckets.items() if now.startswith("s3://slipway-")]:
        steps.append(
            f"Choose your buckets, and run this again with {' and '.join(templates)} changed: a bucket's name is one "
            "in the world."
        )
    if host != "github.com":
        steps.append("Name the registry of your images in `slipway.yaml`: GitHub Enterprise has its own.")
    return [
        *steps,
        "Set the variables and secrets (docs/github.md#settings), at least storage.",
        "`python -m slipway rules` applies the rules of main and the settings that the workflows need: they are not "
        "copied from a template.",
        "`dvc push`, then run the workflow `smoke` (docs/first-run.md).",
    ]


def _said(repository: str, done: list[str], steps: list[str]) -> str:
    changed = [f"These files say {repository} now:", "", *(f"- `{path}`" for path in done)]
    return "\n".join(
        [
            *(changed if done else [f"Every file says {repository} already."]),
            "",
            "What is left to do by hand:",
            "",
            *(f"{number}. {step}" for number, step in enumerate(steps, 1)),
        ]
    )


def _origin() -> tuple[str, str]:
    """Host and OWNER/REPO of the remote."""
    try:
        address = git("remote", "get-url", "origin")
    except UserError:
        raise UserError("this clone has no remote `origin`: give --repository OWNER/REPO.") from None
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise UserError(
            f"`git remote` says origin is {address!r}, no repository on GitHub: give --repository OWNER/REPO."
        )
    return match["host"].removeprefix("ssh."), match["name"]


def _named(text: str, key: str) -> str:
    """A value of slipway.yaml, read without a YAML library."""
    found = re.search(rf"^ *{key}: *['\"]?([^\s'\"#]+)", text, re.MULTILINE)
    if not found:
        raise UserError(f"{NAMES}: {key}: is missing: restore it from Git.")
    return found[1]


def _files() -> list[Path]:
    """The files to look through: text that Git knows."""
    return [
        path for name in git("ls-files", "-z", "--", *_PLACES).split("\0") if name and (path := Path(name)).is_file()
    ]
