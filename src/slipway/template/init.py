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

NAMES = Path("slipway.yaml")
_OWNERS = Path(".github/CODEOWNERS")
_PLACES = (
    "slipway.yaml", ".dockerignore", ".dvc/config", "dvc.yaml", ".github/CODEOWNERS",
    "docs/mlflow.md", "docs/platform.md", "argo", "k8s",
)  # fmt: skip
"""What repeats the names; the rest of the documentation speaks of the template."""
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/\s]+@)?(?P<host>[\w-]+(?:\.[\w-]+)*(?::\d+)?)[:/](?P<name>[^/\s:]+/[^/\s]+?)(?:\.git)?/?"
)
_BUCKETS = ("data", "models", "artifacts")
_NAMESPACES = ("trials", "workflows", "staging", "production", "platform")
"""The keys of `storage` and of `namespaces` in slipway.yaml."""
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
        "--namespace", action="append", default=[], metavar="PURPOSE=NAME", help=f"of {', '.join(_NAMESPACES)}"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what was done and what is left here, too")


def run(args: argparse.Namespace) -> None:
    """Rename, and say what is left."""
    if not NAMES.exists():
        raise UserError(f"{NAMES} is missing: run this in the repository's root.")
    host, repository = _origin() if args.repository is None else ("github.com", args.repository)
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(
            f"{repository!r} is not OWNER/REPO as GitHub writes it: give --repository, such as acme/churn."
        )
    for kind in _BUCKETS:
        if (bucket := getattr(args, kind)) and not _BUCKET.fullmatch(bucket):
            raise UserError(f"--{kind} is {bucket!r}, expected s3://bucket or s3://bucket/folder.")
    before = NAMES.read_text(encoding="utf-8")
    now = {key: _named(before, key) for key in ("repository", "model", "folder", *_BUCKETS, *_NAMESPACES)}
    buckets = {kind: getattr(args, kind) or now[kind] for kind in _BUCKETS}
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
    done = []
    for path, text in texts.items():
        new = renamed(text, now["repository"], repository, host)
        for kind, bucket in buckets.items():
            new = _with_bucket(new, now[kind], bucket) if bucket != now[kind] else new
        new = _with_names(new, names)
        new = re.sub(rf"\b{re.escape(now['folder'])}(?![\w-])", folder, new)
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
    (owner, name), (new_owner, new_name) = old.split("/"), new.split("/")  # and as Argo Events writes it
    text = re.sub(
        rf"owner: {re.escape(owner)}, names: \[{re.escape(name)}\]", f"owner: {new_owner}, names: [{new_name}]", text
    )
    return re.sub(rf"(?<![\w.])@{re.escape(old.partition('/')[0])}/", f"@{new.partition('/')[0]}/", text)


def _with_bucket(text: str, old: str, new: str) -> str:
    """``text`` with another bucket: as an address, and as an S3 client's `bucket: …`, which has no folder."""
    text = re.sub(rf"{re.escape(old)}(?![\w/-])", new, text)
    (was, _, old_folder), (is_, _, new_folder) = (it.removeprefix("s3://").partition("/") for it in (old, new))
    text = re.sub(rf"\bbucket: {re.escape(was)}(?![\w.-])", f"bucket: {is_}", text)
    return re.sub(rf"\bkeyFormat: {re.escape(old_folder)}/", f"keyFormat: {new_folder}/", text) if old_folder else text


def _with_names(text: str, names: dict[str, str]) -> str:
    """``text`` with every whole word of ``names`` replaced, all in one pass: two may change places."""
    if not names:
        return text
    return re.sub(
        rf"(?<![\w-])({'|'.join(map(re.escape, names))})(?=-graph\b|(?![\w-]))", lambda word: names[word[1]], text
    )


def _word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _namespaces(given: list[str], now: dict[str, str]) -> dict[str, str]:
    """From the names that stand there to the new ones, where they differ."""
    wanted = {}
    for pair in given:
        purpose, _, name = pair.partition("=")
        if purpose not in _NAMESPACES or not _LABEL.fullmatch(name):
            raise UserError(
                f"--namespace is {pair!r}, expected PURPOSE=NAME: a purpose of {', '.join(_NAMESPACES)}, and a name of "
                "at most 63 lower-case letters, digits and hyphens."
            )
        wanted[purpose] = name
    names = {purpose: wanted.get(purpose, now[purpose]) for purpose in _NAMESPACES}
    if len(set(names.values())) < len(names):
        raise UserError(f"--namespace: two purposes would share a namespace ({', '.join(names.values())}).")
    return {now[purpose]: name for purpose, name in names.items() if name != now[purpose]}


def _model(wanted: str | None, now: dict[str, str]) -> dict[str, str]:
    """From the model's name as it stands there to the new one, where they differ."""
    if wanted is None or wanted == now["model"]:
        return {}
    if not _MODEL.fullmatch(wanted) or wanted in [now[purpose] for purpose in _NAMESPACES]:
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


def _named(text: str, key: str) -> str:
    """A value of slipway.yaml, read without a YAML library."""
    found = re.search(rf"^ *{key}: *['\"]?([^\s'\"#]+)", text, re.MULTILINE)
    if not found:
        raise UserError(f"{NAMES}: {key}: is missing: restore it from Git.")
    return found[1]


def _texts() -> dict[Path, str]:
    """The files to look through and what they say: text that Git knows."""
    texts = {}
    for name in git("ls-files", "-z", "--", *_PLACES).split("\0"):
        if name and (path := Path(name)).is_file():
            with suppress(UnicodeDecodeError):  # an image, or the like
                texts[path] = path.read_text(encoding="utf-8")
    return texts
