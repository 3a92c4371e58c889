"""The names of a repository wherever they stand: from those of one slipway.yaml to those of another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import UserError

NAMES = Path("slipway.yaml")
PLACES = (
    "slipway.yaml", ".dockerignore", ".dvc/config", "dvc.yaml", ".github/CODEOWNERS",
    "docs/mlflow.md", "docs/platform.md", "argo", "k8s",
)  # fmt: skip
"""What repeats the names; the rest of the documentation speaks of the template."""
BUCKETS = ("data", "models", "artifacts")
NAMESPACES = ("trials", "workflows", "staging", "production", "platform")
"""The keys of `storage` and of `namespaces` in slipway.yaml."""


@dataclass(frozen=True)
class Renaming:
    """What is called otherwise.

    Attributes:
        old_repository, repository: OWNER/REPO.
        host: of the repository.
        buckets: from an address to the new one.
        words: from a namespace or the model to its new name.
        old_folder, folder: of the data.
    """

    old_repository: str
    repository: str
    host: str
    buckets: dict[str, str]
    words: dict[str, str]
    old_folder: str
    folder: str

    @classmethod
    def between(cls, old: str, new: str, host: str = "github.com") -> Renaming:
        """From the names of one slipway.yaml to those of another, both as text."""
        before, after = named(old), named(new)
        return cls(
            before["repository"],
            after["repository"],
            host,
            {before[key]: after[key] for key in BUCKETS if before[key] != after[key]},
            {before[key]: after[key] for key in ("model", *NAMESPACES) if before[key] != after[key]},
            before["folder"],
            after["folder"],
        )

    def apply(self, text: str) -> str:
        """``text`` with the new names."""
        text = renamed(text, self.old_repository, self.repository, self.host)
        for old, new in self.buckets.items():
            text = _with_bucket(text, old, new)
        text = _with_names(text, self.words)
        return re.sub(rf"\b{re.escape(self.old_folder)}(?![\w-])", self.folder, text)


def named(text: str) -> dict[str, str]:
    """The names of a slipway.yaml, by key."""
    return {key: _value(text, key) for key in ("repository", "model", "folder", *BUCKETS, *NAMESPACES)}


def _value(text: str, key: str) -> str:
    """A value of slipway.yaml, read without a YAML library."""
    found = re.search(rf"^ *{key}: *['\"]?([^\s'\"#]+)", text, re.MULTILINE)
    if not found:
        raise UserError(f"{NAMES}: {key}: is missing: restore it from Git.")
    return found[1]


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
