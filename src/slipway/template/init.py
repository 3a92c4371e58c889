"""Put your repository's names where the template has its own, and say what is left to do by hand.

  init                    the names of `git remote origin`
  init --repository acme/churn --data s3://acme-data/dvc --models s3://acme-models/mlflow
                          these names, and these buckets
  init --model churn --data-folder customers
                          what your model is called, and that your data lies in data/customers
  init --namespace workflows=ml-workflows --namespace platform=ml-platform
                          these of the cluster's namespaces, where others were there before

Changes slipway.yaml and every file that has to repeat what it says: CODEOWNERS, .dvc/config, .dockerignore, dvc.yaml,
the manifests under k8s/ and argo/. Twice is as good as once; after the repository was renamed, run it again. It writes
nothing under .github/workflows/, which no workflow may change, and needs Python's own library only.
"""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from pathlib import Path

from slipway.actions import Markdown
from slipway.errors import UserError
from slipway.files import write_text
from slipway.git import git
from slipway.report.document import Bullets, Code, Inline, Line, Paragraph, sentence
from slipway.report.markdown import message
from slipway.template.renaming import BUCKETS, NAMES, NAMESPACES, PLACES, Renaming, named

_OWNERS = Path(".github/CODEOWNERS")
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/\s]+@)?(?P<host>[\w-]+(?:\.[\w-]+)*(?::\d+)?)[:/](?P<name>[^/\s:]+/[^/\s]+?)(?:\.git)?/?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MODEL = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_FOLDER = re.compile(r"(?!prepared$)[A-Za-z0-9_-]+")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w.=/-]*[\w.=-])?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway init`."""
    parser.add_argument("--repository", metavar="OWNER/REPO", help="default: that of `git remote get-url origin`")
    parser.add_argument("--model", metavar="NAME", help="what the model is called; default: as it is")
    parser.add_argument("--data-folder", metavar="NAME", help="where in data/ yours lies; default: as it is")
    parser.add_argument("--data", metavar="s3://…", help="where DVC keeps the data; default: as it is")
    parser.add_argument("--models", metavar="s3://…", help="where MLflow keeps the models; default: as it is")
    parser.add_argument(
        "--artifacts",
        metavar="s3://…",
        help="where a workflow's steps hand on to the next; default: as it is",
    )
    parser.add_argument(
        "--namespace", action="append", default=[], metavar="PURPOSE=NAME", help=f"of {', '.join(NAMESPACES)}"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what was done and what is left here, too")


def run(args: argparse.Namespace) -> None:
    """Rename, and say what is left."""
    if not NAMES.exists():
        raise UserError(f"{NAMES} is missing: run this in the repository's root.")
    host, repository = _origin() if args.repository is None else ("github.com", args.repository)
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"{repository!r} is not OWNER/REPO as GitHub writes it: give --repository, such as acme/churn.")
    for kind in BUCKETS:
        if (bucket := getattr(args, kind)) and not _BUCKET.fullmatch(bucket):
            raise UserError(f"--{kind} is {bucket!r}, expected s3://bucket or s3://bucket/folder.")
    now = named(NAMES.read_text(encoding="utf-8"))
    buckets = {kind: getattr(args, kind) or now[kind] for kind in BUCKETS}
    names = _namespaces(args.namespace, now) | _model(args.model, now)
    folder = now["folder"] if args.data_folder is None else f"data/{args.data_folder.removeprefix('data/')}"
    if not _FOLDER.fullmatch(folder.removeprefix("data/")):
        raise UserError(f"--data-folder is {args.data_folder!r}, expected the name of a folder in data, as customers.")
    texts = _texts()
    for name in names.values():
        if name not in names and (path := next((it for it, text in texts.items() if _word(name, text)), None)):
            flag = "--model" if name == args.model else "--namespace"
            raise UserError(
                f"{flag}: {name!r} is a word of {path} already, and the next `init` could not tell the two apart: "
                "choose another name."
            )
    new_buckets = {now[kind]: bucket for kind, bucket in buckets.items() if bucket != now[kind]}
    renaming = Renaming(now["repository"], repository, host, new_buckets, names, now["folder"], folder)
    done = []
    for path, text in texts.items():
        if (new := renaming.apply(text)) != text:
            path.write_text(new, encoding="utf-8")  # in place: it keeps its mode
            done.append(str(path))
    said = _said(repository, done, left(host, repository, buckets))
    if args.out:
        write_text(args.out, said)
    print(said)


def _word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _namespaces(given: list[str], now: dict[str, str]) -> dict[str, str]:
    """From the names that stand there to the new ones, where they differ."""
    wanted = {}
    for pair in given:
        purpose, _, name = pair.partition("=")
        if purpose not in NAMESPACES or not _LABEL.fullmatch(name):
            raise UserError(
                f"--namespace is {pair!r}, expected PURPOSE=NAME: a purpose of {', '.join(NAMESPACES)}, and a name of "
                "at most 63 lower-case letters, digits and hyphens."
            )
        wanted[purpose] = name
    names = {purpose: wanted.get(purpose, now[purpose]) for purpose in NAMESPACES}
    if len(set(names.values())) < len(names):
        raise UserError(f"--namespace: two purposes would share a namespace ({', '.join(names.values())}).")
    return {now[purpose]: name for purpose, name in names.items() if name != now[purpose]}


def _model(wanted: str | None, now: dict[str, str]) -> dict[str, str]:
    """From the model's name as it stands there to the new one, where they differ."""
    if wanted is None or wanted == now["model"]:
        return {}
    if not _MODEL.fullmatch(wanted) or wanted in [now[purpose] for purpose in NAMESPACES]:
        raise UserError(
            f"--model is {wanted!r}, expected a name of at most 40 lower-case letters, digits and hyphens, a letter "
            "first, that no namespace has: it names what runs in the cluster."
        )
    return {now["model"]: wanted}


def left(host: str, repository: str, buckets: dict[str, str]) -> list[Line]:
    """What nobody but you can do."""
    owner = repository.partition("/")[0]
    owners = _OWNERS.read_text(encoding="utf-8") if _OWNERS.exists() else ""
    teams = sorted(set(re.findall(rf"@{re.escape(owner)}/[\w.-]+", owners)))
    steps: list[Line] = []
    if teams:
        people = ", with write access, or name people in "
        ignored = ": GitHub ignores an owner who does not exist."
        steps.append(("Make the teams ", *_listed(teams), people, Code(str(_OWNERS)), ignored))
    if templates := [f"--{kind} {now}" for kind, now in buckets.items() if now.startswith("s3://slipway-")]:
        again = "Choose your buckets, and run this again with "
        steps.append((again, *_listed(templates), " changed: a bucket's name is one in the world."))
    if host != "github.com":
        steps.append(sentence("Name the registry of your images in `slipway.yaml`: GitHub Enterprise has its own."))
    return [
        *steps,
        "Set the variables and secrets (docs/github.md#settings), at least storage.",
        sentence(
            "`python -m slipway rules` applies the rules of main and the settings that the workflows need: they are "
            "not copied from a template."
        ),
        sentence("`dvc push`, then run the workflow `smoke` (docs/first-run.md)."),
    ]


def _listed(names: list[str]) -> tuple[Inline, ...]:
    return tuple(part for name in names for part in (" and ", Code(name)))[1:]


def _said(repository: str, done: list[str], steps: list[Line]) -> Markdown:
    changed = [Paragraph(f"These files say {repository} now:"), Bullets([Code(path) for path in done])]
    return message(
        *(changed if done else [Paragraph(f"Every file says {repository} already.")]),
        Paragraph("What is left to do by hand:"),
        Bullets(steps, numbered=True),
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


def _texts() -> dict[Path, str]:
    """The files to look through and what they say: text that Git knows."""
    texts = {}
    for name in git("ls-files", "-z", "--", *PLACES).split("\0"):
        if name and (path := Path(name)).is_file():
            with suppress(UnicodeDecodeError):  # an image, or the like
                texts[path] = path.read_text(encoding="utf-8")
    return texts
