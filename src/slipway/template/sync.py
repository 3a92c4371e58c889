"""Take what the template has learnt since this repository was made from it, and leave what is yours alone.

  sync --from https://github.com/ORG/TEMPLATE
                          changes the work tree, stages it, and says what became of each file: look, then commit
  sync                    the same, from where it was taken last time
  sync --without-workflows
                          but nothing under .github/workflows, which GitHub lets no workflow write

A file that only the template changed is taken, with your repository's names in it. One that you changed, too, is merged
line by line; where both changed the same lines yours stays, and the report shows what the template has. Never touched:
src/slipway/model, tests/yours, data, reports, params.yaml, slipway.yaml, the experiment, what is served, the owners.
`.template.yaml` remembers up to where it was taken. Needs git and Python's own library only.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from slipway.errors import UserError
from slipway.files import write_text
from slipway.git import git
from slipway.template.renaming import NAMES, PLACES, Renaming

RECORD = Path(".template.yaml")
WORKFLOWS = ".github/workflows/"
_YOURS = re.compile(
    r"src/slipway/model/|tests/yours/|data/|reports/|k8s/serving/overlays/[^/]+/model\.yaml$|k8s/katib/experiment\.yaml$|"
    r"(?:params\.yaml|slipway\.yaml|dvc\.lock|\.github/CODEOWNERS|\.template\.yaml)$"
)
_SHA = re.compile(r"[0-9a-f]{40}")
_FILE_MODES = ("100644", "100755")
_LONGEST_DIFF = 4000


@dataclass(frozen=True)
class _File:
    """A file at a commit: its mode, and its content with the names of this repository."""

    mode: str
    content: bytes


@dataclass
class Taken:
    """What became of the files that the template changed."""

    taken: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)  # by path, why yours stays although the template changed it
    yours: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def changed(self) -> list[str]:
        """The files of the work tree that are others now."""
        return [*self.taken, *self.removed, *self.merged]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway sync`."""
    parser.add_argument("--from", dest="address", metavar="ADDRESS", help=f"the template; default: as {RECORD} says")
    parser.add_argument("--ref", default="main", metavar="REF", help="a branch or tag of it; default: %(default)s")
    parser.add_argument("--base", metavar="SHA", help="the template's commit that yours is from, where it is not found")
    parser.add_argument("--without-workflows", action="store_true", help=f"leave {WORKFLOWS} out")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report here, too")


def run(args: argparse.Namespace) -> None:
    """Fetch, take, and say what became of it."""
    if not NAMES.exists():
        raise UserError(f"{NAMES} is missing: run this in the repository's root.")
    if git("status", "--porcelain", "--untracked-files=no"):
        raise UserError("the work tree has changes of its own: commit them first, so that what this changes is seen.")
    recorded = _recorded()
    address = args.address or recorded.get("address")
    if not address:
        raise UserError("--from says where the template is, https://github.com/ORG/TEMPLATE; it is remembered.")
    git("fetch", "--quiet", "--no-tags", address, args.ref)
    theirs = git("rev-parse", "FETCH_HEAD^{commit}")
    base = _base(args.base, recorded.get("commit"), theirs)
    workflows = recorded.get("workflows", base)
    found = Taken()
    _take(found, base, theirs, lambda path: not path.startswith(WORKFLOWS))
    if args.without_workflows:
        found.left = [path for path in _changed(workflows, theirs) if path.startswith(WORKFLOWS)]
    else:
        _take(found, workflows, theirs, lambda path: path.startswith(WORKFLOWS))
        workflows = theirs
    said = report(found, address, base, theirs)
    if base != theirs or found.changed:
        write_text(RECORD, _record(address, theirs, workflows))
        git("add", "--", str(RECORD))
    if args.out:
        write_text(args.out, said)
    print(said)


def report(found: Taken, address: str, base: str, theirs: str) -> str:
    """What became of each file, as Markdown."""
    if base == theirs and not found.changed and not found.left:
        return f"Nothing to take: {address} is where it was, at {theirs[:12]}."
    lines = [f"{address} went from {base[:12]} to {theirs[:12]}.", ""]
    for title, paths in (
        ("Taken as they are there", found.taken),
        ("Removed, as there", found.removed),
        ("Merged with what you changed", found.merged),
    ):
        lines += [f"**{title}**", "", *(f"- `{path}`" for path in paths), ""] if paths else []
    if found.kept:
        lines += ["**Yours stays: merge these by hand**", ""]
        for path, why in found.kept.items():
            lines += [f"- `{path}`: {why}.", "", *_diff(base, theirs, path), ""]
    if found.yours:
        lines += ["**Yours, and changed in the template: look whether you want that, too**", ""]
        for path in found.yours:
            lines += [f"- `{path}`", "", *_diff(base, theirs, path), ""]
    if found.left:
        lines += [
            "**Left out: no workflow may write them.** `python -m slipway sync` on your machine takes them.",
            "",
            *(f"- `{path}`" for path in found.left),
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _diff(base: str, theirs: str, path: str) -> list[str]:
    diff = git("diff", "--no-color", base, theirs, "--", path)
    shown = diff if len(diff) <= _LONGEST_DIFF else diff[:_LONGEST_DIFF] + "\n…"
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", shown)), default=0))
    return [
        "  <details><summary>what the template changed</summary>",
        "",
        f"{fence}diff",
        shown,
        fence,
        "",
        "  </details>",
    ]


def _take(found: Taken, base: str, theirs: str, wanted: Callable[[str], bool]) -> None:
    """Bring the files of the work tree in step, where the template changed them."""
    ours = NAMES.read_text(encoding="utf-8")
    before, after = Renaming.between(_names(base), ours), Renaming.between(_names(theirs), ours)
    for path in filter(wanted, _changed(base, theirs)):
        if _YOURS.match(path):
            if _here(path):
                found.yours.append(path)
            continue
        _take_file(found, path, _at(base, path, before), _at(theirs, path, after))


def _take_file(found: Taken, path: str, old: _File | None, new: _File | None) -> None:
    here = _here(path)
    if here == new:
        return
    if here is None and old is not None:
        if new is not None:
            found.kept[path] = "you removed it, and the template changed it"
        return
    if here == old:
        if new is None:
            git("rm", "--quiet", "--", path)
            found.removed.append(path)
        else:
            _write(path, new)
            found.taken.append(path)
        return
    if new is None:
        found.kept[path] = "you changed it, and the template removed it"
    elif old is None:
        found.kept[path] = "you made it, and so did the template"
    elif here is not None and (merged := _merged(here.content, old.content, new.content)) is not None:
        _write(path, _File(here.mode, merged))
        found.merged.append(path)
    else:
        found.kept[path] = "you and the template changed the same lines"


def _merged(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """The three-way merge; None where both changed the same lines, or it is no text."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, (ours, base, theirs), strict=True):
            path.write_bytes(content)
        done = subprocess.run(["git", "merge-file", "--stdout", *map(str, paths)], capture_output=True)
    return done.stdout if done.returncode == 0 else None


def _changed(base: str, theirs: str) -> list[str]:
    """The files that the template changed, made or removed."""
    return [path for path in git("diff", "--name-only", "--no-renames", "-z", base, theirs).split("\0") if path]


def _at(commit: str, path: str, names: Renaming) -> _File | None:
    """A file of the template with this repository's names in it."""
    line = git("ls-tree", commit, "--", path)
    if not line or line.split()[0] not in _FILE_MODES:
        return None
    content = subprocess.run(["git", "show", f"{commit}:{path}"], check=True, capture_output=True).stdout
    with suppress(UnicodeDecodeError):  # an image, or the like
        if not any(path == place or path.startswith(f"{place}/") for place in PLACES):
            return _File(line.split()[0], content)
        content = names.apply(content.decode()).encode()
    return _File(line.split()[0], content)


def _here(path: str) -> _File | None:
    file = Path(path)
    if not file.is_file():
        return None
    return _File("100755" if os.access(file, os.X_OK) else "100644", file.read_bytes())


def _write(path: str, file: _File) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.content)
    target.chmod(0o755 if file.mode == "100755" else 0o644)
    git("add", "--", path)


def _names(commit: str) -> str:
    return git("show", f"{commit}:{NAMES}")


def _base(given: str | None, recorded: str | None, theirs: str) -> str:
    """The template's commit that this repository has already.

    Raises:
        UserError: it is not known, or is none of the template's.
    """
    known = git("log", "--format=%H %T", theirs).splitlines()
    commits = {line.split()[0] for line in known}
    if given or recorded:
        base = given or recorded or ""
        if not _SHA.fullmatch(base) or base not in commits:
            where = "--base" if given else f"{RECORD}, commit:"
            raise UserError(f"{where} {base!r} is no commit of the template's: give --base with all 40 digits of one.")
        return base
    shared = subprocess.run(["git", "merge-base", "HEAD", theirs], capture_output=True, text=True).stdout.strip()
    if shared:
        return shared
    trees = {tree: commit for commit, tree in (line.split() for line in known)}
    first = git("log", "--max-parents=0", "--format=%T", "HEAD").splitlines()
    for tree in first:  # "Use this template" makes one commit of what the template was
        if tree in trees:
            return trees[tree]
    raise UserError(
        "the first commit of this repository is no commit of the template's, so it is not known what is new: give "
        "--base SHA, the template's commit that yours was made from."
    )


def _recorded() -> dict[str, str]:
    if not RECORD.exists():
        return {}
    return dict(re.findall(r"^(\w+): *(\S+)", RECORD.read_text(encoding="utf-8"), re.MULTILINE))


def _record(address: str, commit: str, workflows: str) -> str:
    return (
        "# What `python -m slipway sync` has taken of the template; it goes on from here.\n"
        f"address: {address}\ncommit: {commit}\nworkflows: {workflows}\n"
    )
